"""The papers' family through ONNX: every network of it, exported by both of PyTorch's exporters, against onnxruntime.

Random weights of torchvision, timm and facenet-pytorch, batch norm statistics that are not trivial, batches of 1 and 3.
Good: the largest difference is at most 1e-4 of the largest logit. --table FILE writes a Markdown table with the number of
nodes before and after optimisation; --speed adds the speed beside onnxruntime and OpenVINO, in turns. Needs torch,
torchvision, timm, onnxscript and facenet-pytorch.
"""
import datetime
import functools
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import timm
import torch
import torchvision
from torch import nn

import exporters
import oracle
import machine  # of bench/peers, which oracle puts on the path
import report

LIMIT = 1e-4
LEAST_SPEED = 0.95
BATCHES = (1, 3)


class CifarBlock(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.stride = out // channels
        self.conv1, self.bn1 = nn.Conv2d(channels, out, 3, self.stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.added = (out - channels) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))
        return torch.relu(x + y)


class Cifar(nn.Module):
    """He et al. 2015, section 4.2: three stages of (depth - 2) / 6 blocks, parameter-free shortcuts. Names as in the weights that
    akamaster/pytorch_resnet_cifar10 publishes."""

    def __init__(self, depth):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        channels = 16
        for number, out in enumerate((16, 32, 64), 1):
            sizes = [channels] + [out] * ((depth - 2) // 6)
            setattr(self, f"layer{number}", nn.Sequential(*(CifarBlock(*pair) for pair in zip(sizes, sizes[1:]))))
            channels = out
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


def cifar(depth):
    return lambda: Cifar(depth)


def stride_first(name):
    """A network as first published: the stride in a block's first 1x1 convolution."""
    def make():
        made = getattr(torchvision.models, name)()
        for block in made.modules():
            if isinstance(block, torchvision.models.resnet.Bottleneck):
                block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
        return made
    return make


def inception_resnet_v1():
    from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1
    return InceptionResnetV1(classify=True, num_classes=1000)


def of_torchvision(name):
    return lambda: getattr(torchvision.models, name)()


def of_timm(name):
    return lambda: timm.create_model(name)


# title: (how it is made, side of the images)
NETWORKS = {
    "ResNet-18": (of_torchvision("resnet18"), 224), "ResNet-34": (of_torchvision("resnet34"), 224),
    "ResNet-50 v1": (stride_first("resnet50"), 224), "ResNet-101 v1": (stride_first("resnet101"), 224),
    "ResNet-152 v1": (stride_first("resnet152"), 224), "ResNet-50 v1.5": (of_torchvision("resnet50"), 224),
    "ResNet-101 v1.5": (of_torchvision("resnet101"), 224), "ResNet-152 v1.5": (of_torchvision("resnet152"), 224),
    "ResNet-50 strikes back, trained": (of_torchvision("resnet50"), 160), "ResNet-50 strikes back, tested": (of_torchvision("resnet50"), 288),
    "ResNet-50-C": (of_timm("resnet50c"), 224), "ResNet-50-D": (of_timm("resnet50d"), 224), "ResNet-26-T": (of_timm("resnet26t"), 256),
    "ResNet-50 v2": (of_timm("resnetv2_50"), 224), "ResNet-101 v2": (of_timm("resnetv2_101"), 224),
    "ResNeXt-50 32x4d": (of_torchvision("resnext50_32x4d"), 224), "ResNeXt-101 32x8d": (of_torchvision("resnext101_32x8d"), 224),
    "Wide ResNet-50-2": (of_torchvision("wide_resnet50_2"), 224),
    "SE-ResNet-50": (of_timm("seresnet50"), 224), "SE-ResNeXt-50 32x4d": (of_timm("seresnext50_32x4d"), 224),
    "SE-ResNeXt-50, first form": (of_timm("legacy_seresnext50_32x4d"), 224),
    "ECA-ResNet-50-T": (of_timm("ecaresnet50t"), 256), "ResNet-50 BlurPool": (of_timm("resnetblur50"), 224),
    "ResNet-RS-50": (of_timm("resnetrs50"), 160), "ResNet-RS-101": (of_timm("resnetrs101"), 192),
    "BiT ResNet-50x1": (of_timm("resnetv2_50x1_bit"), 224), "ResNet-50-D v2, group norm": (of_timm("resnetv2_50d_gn"), 224),
    **{f"ResNet-{depth}, CIFAR": (cifar(depth), 32) for depth in (20, 32, 44, 56, 110, 1202)},
    "RegNetX-800MF": (of_torchvision("regnet_x_800mf"), 224), "RegNetY-800MF": (of_torchvision("regnet_y_800mf"), 224),
    "DenseNet-121": (of_torchvision("densenet121"), 224), "DenseNet-169": (of_torchvision("densenet169"), 224),
    "DenseNet-201": (of_torchvision("densenet201"), 224),
    "Inception-v3": (lambda: torchvision.models.inception_v3(init_weights=False, transform_input=True), 299),
    "Inception-v4": (of_timm("inception_v4"), 299), "Inception-ResNet-v1": (inception_resnet_v1, 299),
    "Inception-ResNet-v2": (of_timm("inception_resnet_v2"), 299),
    "VGG-16": (of_torchvision("vgg16"), 224), "VGG-16 with batch norm": (of_torchvision("vgg16_bn"), 224),
}

# Those that Residua knows from the names and shapes in a weight file as well, without a graph.
FROM_WEIGHTS = {
    "ResNet-18", "ResNet-34", "ResNet-50 v1.5", "ResNet-101 v1.5", "ResNet-152 v1.5", "ResNet-50 strikes back, trained",
    "ResNet-50 strikes back, tested", "ResNet-50-C", "ResNet-50-D", "ResNet-26-T", "ResNet-50 v2", "ResNet-101 v2", "ResNeXt-50 32x4d",
    "ResNeXt-101 32x8d", "Wide ResNet-50-2", "SE-ResNet-50", "SE-ResNeXt-50 32x4d",
    *(title for title in NETWORKS if title.endswith(", CIFAR")),
}


# What is known of the rows that are slower than the others' engines, on one CPU or another.
SLOWER_BECAUSE = {
    "ResNet-18, 8 bits (QDQ)": "the others multiply 8-bit integers, Residua simulates them in float32",
}


def network(make):
    """In evaluation mode, with seeded weights; each batch norm's statistics are near those of what it gets."""
    torch.manual_seed(5)
    made = make()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.8, 1.25)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.0)
                nn.init.normal_(module.bias, 0, 0.1)
    return made.eval()


def old_exporter(made, side, path):
    torch.onnx.export(made, torch.zeros(1, 3, side, side), str(path), opset_version=17, dynamo=False,
                      input_names=["input"], output_names=["logits"], dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}})


def new_exporter(made, side, path):
    torch.onnx.export(made, (torch.zeros(2, 3, side, side),), str(path), opset_version=18, dynamo=True,
                      dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},), external_data=False, verbose=False)


EXPORTERS = {"TorchScript": old_exporter, "dynamo": new_exporter}


def quantized(path, side):
    """The network in 8 bits as onnxruntime's own tool makes it, QDQ form, calibrated on noise."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Noise(CalibrationDataReader):
        def __init__(self):
            random = np.random.default_rng(1)
            self.left = iter([{"input": random.standard_normal((1, 3, side, side), np.float32)} for _ in range(4)])

        def get_next(self):
            return next(self.left, None)

    made = path.with_name("quantized.onnx")
    quantize_static(str(path), str(made), Noise(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return made


def literal_run(path, images):
    """onnxruntime without its optimisations: 8 bits are then simulated in float, as the file says. Sums in another order still
    round to the other neighbour now and then, and one step in 255 is far more than 1e-4."""
    import onnxruntime
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), settings).run(None, {"input": images})[0]


def images_of(batch, side):
    return np.random.default_rng(3).standard_normal((batch, 3, side, side), np.float32)


def largest_difference(tool, path, side, expected_of):
    worst = 0.0
    for batch in BATCHES:
        images = images_of(batch, side)
        worst = max(worst, oracle.relative_difference(tool.run(path, images), expected_of(images)))
    return worst


def optimized_nodes(tool, path):
    return len(json.loads(tool.call("inspect", "--model", path, "--format", "json"))["nodes"])


def seconds_of(run, images, runs=3):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run(images)
        times.append(time.perf_counter() - start)
    return min(times)


def speeds(tool, path, side, rounds):
    """{engine: its time over Residua's}, median over rounds, batch 1, all threads; and Residua's milliseconds."""
    import onnxruntime
    import openvino
    from engines import residua
    threads = len(os.sched_getaffinity(0))
    ours = residua.Engine(path, 1, threads, {"library": str(Path(tool.path).parents[1] / "engine/libresidua.so"), "schedule": "auto"})
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level, settings.intra_op_num_threads = 3, threads
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([1, 3, side, side])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads})
    request = compiled.create_infer_request()
    contenders = {"residua": ours.run, "onnxruntime": lambda x: session.run(None, {name: x}), "openvino": lambda x: request.infer({0: x})}
    images = np.random.default_rng(4).standard_normal((1, 3, side, side), np.float32)
    ratios, own = {"onnxruntime": [], "openvino": []}, []
    order = list(contenders)
    for turn in range(rounds + 1):
        times = {engine: seconds_of(contenders[engine], images) for engine in order}
        order = order[1:] + order[:1]
        if turn == 0:
            continue  # warm-up
        own.append(1e3 * times["residua"])
        for engine, values in ratios.items():
            values.append(times[engine] / times["residua"])
    return {"milliseconds": statistics.median(own)} | {engine: statistics.median(values) for engine, values in ratios.items()}


def cells(row):
    def of(key, form):
        return form.format(row[key]) if key in row else "-"
    return [of("title", "{}"), of("TorchScript", "{:.1e}"), of("dynamo", "{:.1e}"), of("weights", "{:.1e}"), of("before", "{}"), of("after", "{}"),
            of("milliseconds", "{:.1f}"), of("onnxruntime", "{:.2f}"), of("openvino", "{:.2f}")]


def slower_text(rows):
    """Which rows miss what is asked of every network, 0.95 of the faster engine's speed, and why; nothing where no speed was measured."""
    measured = {row["title"]: min(row["onnxruntime"], row["openvino"]) for row in rows if "milliseconds" in row}
    slower = {title: ratio for title, ratio in measured.items() if ratio < LEAST_SPEED}
    if not slower:
        return [f"None is slower than {LEAST_SPEED} x the faster of the two.", ""] if measured else []
    return [f"Slower than {LEAST_SPEED} x the faster of the two:", "",
            *(f"- {title} ({ratio:.2f}): {SLOWER_BECAUSE.get(title, 'not looked into yet')}." for title, ratio in slower.items()), ""]


def table_text(rows, command):
    head = ["network", "TorchScript", "dynamo", "weight file", "nodes before", "after", "ms", "ONNX Runtime", "OpenVINO"]
    import onnxruntime
    versions = f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}, ONNX Runtime {onnxruntime.__version__}"
    if any("milliseconds" in row for row in rows):
        import openvino
        versions += f", OpenVINO {openvino.__version__}"
        command += f" on {machine.title(machine.describe(len(os.sched_getaffinity(0))))}"
    return "\n".join([
        "# The family, network by network", "",
        "Each network with random weights, exported to ONNX by both of PyTorch's exporters, compared with ONNX Runtime at batches",
        "of 1 and 3. The second and third column are the largest differences of the logits, relative to the largest logit (the limit",
        "is 1e-4). The fourth is that of the weights alone, saved as safetensors, to ONNX Runtime on the exported network, where",
        "Residua knows a network by its tensors' names and shapes. Then the nodes of the file that PyTorch's TorchScript exporter",
        "wrote and those left after optimisation. Where speed was measured: milliseconds of Residua at batch 1, and the other",
        "engines' time over Residua's, median over rounds in turns (above 1: Residua is faster).", "",
        *report.table(head, [cells(row) for row in rows]), "",
        *slower_text(rows),
        *(f"{row['title']}, {exporter}: {why}" for row in rows for exporter, why in row.get("notes", {}).items()),
        f"Measured {datetime.date.today()} by {command}. {versions}. `-`: not measured, not exported by PyTorch, or not known from weights alone.", ""])


def main():
    parser = oracle.arguments(__doc__)
    parser.add_argument("--only", default="", help="what the network's title must contain")
    parser.add_argument("--table", type=Path, help="write the Markdown table to this file")
    parser.add_argument("--speed", type=int, default=0, metavar="ROUNDS", help="measure speed, in so many rounds")
    options = parser.parse_args()
    tool = oracle.Tool(options.tool)
    results = oracle.Results("network" + " " * 20, "exporter" + " " * 4, "difference", "verdict")
    rows = []

    def add(row):
        rows.append(row)
        if options.table:  # all there is so far: a run takes half an hour
            words = "`tests/oracle/run.sh networks" + (f" -- --speed {options.speed}" if options.speed else "") + "`"
            report.write_whole(options.table, table_text(rows, words))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        for title, (make, side) in NETWORKS.items():
            if options.only not in title:
                continue
            row = {"title": title, "notes": {}}
            made = network(make)
            for exporter, export in EXPORTERS.items():
                try:
                    with oracle.quietly():
                        export(made, side, path)
                except Exception as error:  # the exporter's own limits are no verdict on us
                    row["notes"][exporter] = f"PyTorch does not export it: {type(error).__name__}."
                    continue

                session = functools.cache(lambda: oracle.onnxruntime_session(path))  # of this export, though the file is written again

                def check(key, file):
                    row[key] = largest_difference(tool, file, side, lambda images: oracle.onnxruntime_run(session(), images))
                    return row[key] <= LIMIT, row[key]
                results.compare(lambda: check(exporter, path), title, exporter)
                if exporter == "TorchScript" and title in FROM_WEIGHTS:
                    weights = path.with_suffix(".safetensors")
                    exporters.save_safetensors(made.state_dict(), weights)
                    results.compare(lambda: check("weights", weights), title, "weight file")
                if exporter == "TorchScript":
                    row["before"], row["after"] = len(onnx.load(path).graph.node), optimized_nodes(tool, path)
                    if options.speed:
                        row |= speeds(tool, path, side, options.speed)
            add(row)
            del made
            gc.collect()
        if options.only in "ResNet-18, 8 bits":
            make, side = NETWORKS["ResNet-18"]
            with oracle.quietly():
                old_exporter(network(make), side, path)
                eight = quantized(path, side)
            row = {"title": "ResNet-18, 8 bits (QDQ)", "before": len(onnx.load(eight).graph.node)}

            def check_quantized():
                row["after"] = optimized_nodes(tool, eight)
                row["TorchScript"] = largest_difference(tool, eight, side, lambda images: literal_run(eight, images))
                session, theirs = oracle.onnxruntime_session(eight), 0.0
                for batch in BATCHES:
                    images = images_of(batch, side)
                    theirs = max(theirs, oracle.relative_difference(oracle.onnxruntime_run(session, images), literal_run(eight, images)))
                row["notes"] = {"as the file says": f"onnxruntime's own optimised run differs by {theirs:.1e} from its literal one; less is good."}
                return row["TorchScript"] <= theirs, row["TorchScript"]
            results.compare(check_quantized, row["title"], "TorchScript")
            if options.speed:
                row |= speeds(tool, eight, side, options.speed)
            add(row)
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
