"""PyTorch in inference mode, batch norm folded into the convolutions, in both memory formats; torch.compile where asked for."""
from engines import Split, splits

PACKAGES = ("torch", "onnx")


def candidates(batch, threads, options):
    formats = ("contiguous", "channels_last")
    found = [way | {"label": f"{way['label']}, {layout}", "format": layout, "compile": False}
             for way in splits(batch, threads) for layout in formats]
    if options.torch_compile:
        found += [way | {"label": f"{way['label']}, compiled", "format": "channels_last", "compile": True}
                  for way in splits(batch, threads)]
    return found


def from_onnx(path):
    """The network of an ONNX file as modules, called in the file's order as a network written by hand would call them."""
    import operator

    import onnx
    import torch
    proto = onnx.load(path).graph
    tensors = {one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy()) for one in proto.initializer}
    modules, graph = torch.nn.ModuleDict(), torch.fx.Graph()
    values = {proto.input[0].name: graph.placeholder("images")}
    for index, node in enumerate(proto.node):
        given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        arguments = tuple(values[name] for name in node.input if name in values)
        if node.op_type == "Add":
            values[node.output[0]] = graph.call_function(operator.add, arguments)
            continue
        modules[f"n{index}"] = module_of(node.op_type, given, [tensors[name] for name in node.input if name in tensors])
        values[node.output[0]] = graph.call_module(f"n{index}", arguments)
    graph.output(values[proto.output[0].name])
    return torch.fx.GraphModule(modules, graph).eval()


def module_of(kind, given, tensors):
    """One ONNX node with its weights. `given`: its attributes."""
    from torch import nn
    names = ("weight", "bias")
    if kind == "Conv":
        out, channels = tensors[0].shape[:2]
        groups = given.get("group", 1)
        made = nn.Conv2d(channels * groups, out, given["kernel_shape"], given["strides"], given["pads"][:2], groups=groups,
                         bias=len(tensors) == 2)
    elif kind == "BatchNormalization":
        made = nn.BatchNorm2d(len(tensors[0]), eps=given.get("epsilon", 1e-5))
        names = ("weight", "bias", "running_mean", "running_var")
    elif kind == "Gemm":
        made = nn.Linear(tensors[0].shape[1], tensors[0].shape[0])
    elif kind == "MaxPool":
        made = nn.MaxPool2d(given["kernel_shape"], given["strides"], given["pads"][:2])
    elif kind == "Relu":
        made = nn.ReLU(inplace=True)
    elif kind == "GlobalAveragePool":
        made = nn.AdaptiveAvgPool2d(1)
    elif kind == "Flatten":
        made = nn.Flatten(given.get("axis", 1))
    else:
        raise RuntimeError(f"no torch module for ONNX's {kind}")
    made.load_state_dict(dict(zip(names, tensors)), strict=False)
    return made


def prepare(onnx, folder):
    """NAME.pt: the folded network as a pickled module, so that loading it costs what it costs PyTorch's users."""
    import torch
    from torch.fx.experimental.optimization import fuse
    made = folder / f"{onnx.stem}.pt"
    if not made.exists() or made.stat().st_mtime < onnx.stat().st_mtime:
        part = made.with_suffix(".part")
        torch.save(fuse(from_onnx(onnx)), part)
        part.rename(made)
    return made


class Engine:
    def __init__(self, path, batch, threads, configuration):
        import torch
        self.torch, self.version = torch, torch.__version__
        self.format = getattr(torch, {"contiguous": "contiguous_format"}.get(configuration["format"], configuration["format"]))
        self.network = torch.load(path, weights_only=False).to(memory_format=self.format)
        if configuration["compile"]:
            self.network = torch.compile(self.network)
        # PyTorch's number of threads is each calling thread's own.
        self.run = Split(configuration, self.call, lambda: torch.set_num_threads(configuration["threads"])).run

    def call(self, images):
        with self.torch.inference_mode():
            return self.network(self.torch.from_numpy(images).contiguous(memory_format=self.format)).numpy()
