#!/usr/bin/env python3
"""Writes the golden ONNX models of tests/golden/onnx and, beside each, what they must compute.

    python tests/graph/import/make_onnx_cases.py        # needs torch, timm, onnx, onnxruntime, numpy

NAME.onnx is a small network; NAME.txt holds "input" and "output" lines: name, shape and values of a seeded input and of
what ONNX Runtime (onnx.reference where it refuses) gives for it. Run by hand when a case is added; the results are
committed, so that the tests need no Python.
"""
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import timm
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OUT = Path(__file__).resolve().parents[3] / "tests" / "golden" / "onnx"
LARGEST = 40_000  # bytes a model file, its external data included


def write_values(file, kind, name, array):
    shape = " ".join(str(d) for d in array.shape)
    values = " ".join(f"{v:.8g}" for v in np.asarray(array, np.float32).ravel())
    file.write(f"{kind} {name} {array.ndim} {shape}\n{values}\n")


def record(name, shape, feed_type=np.float32, reference=None):
    """Runs OUT/NAME.onnx on a seeded input of `shape` and writes OUT/NAME.txt."""
    path = OUT / f"{name}.onnx"
    # one decimal: short files, and exact enough in half precision for all engines to start from the same values
    x = np.round(np.random.default_rng(7).normal(0, 1, shape), 1).astype(np.float32)
    model = onnx.load(path)
    feed_name = [i.name for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}][0]
    outputs = [o.name for o in model.graph.output]
    if reference is None:
        try:
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            results = session.run(outputs, {feed_name: x.astype(feed_type)})
        except Exception as refused:
            print(f"{name}: onnx.reference, because: {str(refused)[:150]}")
            results = onnx.reference.ReferenceEvaluator(model).run(outputs, {feed_name: x.astype(feed_type)})
    else:
        results = reference(x)
    with open(OUT / f"{name}.txt", "w") as file:
        write_values(file, "input", feed_name, x)
        for output, value in zip(outputs, results):
            write_values(file, "output", output, np.asarray(value, np.float32))
    size = sum(f.stat().st_size for f in OUT.glob(f"{name}.onnx*"))
    assert size <= LARGEST, f"{name}: {size} bytes"
    print(f"{name}: {size} bytes, outputs {[np.asarray(r).shape for r in results]}")


# Networks

def randomise(net, seed=1):
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return net.eval()


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.shortcut = None
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Small(nn.Module):
    """A ResNet of two blocks, 4 and 6 channels."""

    def __init__(self, head="flatten"):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 5, 2, 2, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
                                  nn.MaxPool2d(3, 2, 1))
        self.blocks = nn.Sequential(Block(4, 4, 1), Block(4, 6, 2))
        self.fc = nn.Linear(6, 5)
        self.head = head

    def forward(self, x):
        x = self.blocks(self.stem(x))
        if self.head == "mean":
            x = x.mean((2, 3))
        elif self.head == "view":
            x = nn.functional.avg_pool2d(x, int(x.shape[2]))
            x = x.view(x.size(0), -1)
        elif self.head == "fixed_view":
            x = nn.functional.adaptive_avg_pool2d(x, 1).reshape(x.shape[0], 6)
        else:
            x = torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)
        return self.fc(x)


class OptionA(nn.Module):
    """The parameter-free shortcut: strided slices and padded channels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 1, 1)
        self.down = nn.Conv2d(4, 8, 3, 2, 1)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        shortcut = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2), "constant", 0)
        x = torch.relu(self.down(x) + shortcut)
        x = nn.functional.avg_pool2d(x, int(x.size(3)))
        return self.fc(x.view(x.size(0), -1))


class Extras(nn.Module):
    """Grouped, dilated and padded layers, relu6, ceil_mode pools, two outputs."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=2, dilation=2)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.pool1 = nn.MaxPool2d(3, 2, 0, ceil_mode=True)
        self.pool2 = nn.AvgPool2d(3, 2, 1, ceil_mode=False, count_include_pad=True)
        self.pool3 = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
        self.fc = nn.Linear(8, 4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = nn.functional.relu6(self.conv1(x) * 3)
        x = self.pool1(torch.sigmoid(self.conv2(x)) * x)
        x = self.pool3(self.pool2(x))
        features = x.mean((2, 3), keepdim=True)
        logits = self.fc(self.drop(features.squeeze(-1).squeeze(-1)))
        return torch.softmax(logits, 1), features


class Gates(nn.Module):
    """Channel gates by a convolution along channels (ECA) and by a hard sigmoid, mirrored padding before a blur, a split."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 1, 1)
        self.along = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.squeeze, self.excite = nn.Conv2d(6, 3, 1), nn.Conv2d(3, 6, 1)
        self.register_buffer("blur", torch.outer(torch.tensor([1., 2, 1]), torch.tensor([1., 2, 1])).expand(6, 1, 3, 3) / 16)
        self.branches = nn.ModuleList([nn.Conv2d(2, 2, 3, 1, 1) for _ in range(2)])
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        y = x.mean((2, 3)).view(x.shape[0], 1, -1)
        x = x * torch.sigmoid(self.along(y)).view(x.shape[0], -1, 1, 1).expand_as(x)
        y = self.excite(torch.relu(self.squeeze(nn.functional.adaptive_avg_pool2d(x, 1))))
        x = x * nn.functional.hardsigmoid(y)
        x = nn.functional.conv2d(nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"), self.blur, stride=2, groups=6)
        a, b, c = torch.split(x, 2, 1)
        b = torch.relu(self.branches[0](b))
        x = torch.cat([a, b, torch.relu(self.branches[1](b + c))], 1)
        return self.fc(x.mean((2, 3)))


class Standardised(nn.Conv2d):
    """Its weights have mean 0 and variance 1, as a norm of the weights computes inside the network (BiT)."""

    def forward(self, x):
        weight = nn.functional.batch_norm(self.weight.reshape(1, self.out_channels, -1), None, None,
                                          weight=torch.full((self.out_channels,), 0.4), training=True, momentum=0.0, eps=1e-6)
        return nn.functional.conv2d(x, weight.reshape_as(self.weight), None, self.stride, self.padding)


class GroupNorms(nn.Module):
    """Pre-activation blocks with group norm and standardised weights."""

    def __init__(self):
        super().__init__()
        self.stem = Standardised(3, 8, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.GroupNorm(2, 8), nn.GroupNorm(4, 8), nn.GroupNorm(8, 8)])
        self.convs = nn.ModuleList([Standardised(8, 8, 3, 1, 1, bias=False) for _ in range(2)])
        self.head = nn.Conv2d(8, 4, 1)
        for norm in self.norms:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, 0, 0.3)

    def forward(self, x):
        x = self.stem(x)
        y = self.convs[0](torch.relu(self.norms[0](x)))
        x = x + self.convs[1](torch.relu(self.norms[1](y)))
        x = nn.functional.adaptive_avg_pool2d(torch.relu(self.norms[2](x)), 1)
        return self.head(x).flatten(1)


def export(name, net, size=(3, 12, 12), opset=17, dynamic=True, half=False, **options):
    path = OUT / f"{name}.onnx"
    example = torch.zeros(1, *size)
    if half:
        net, example = net.half(), example.half()
    new = options.pop("dynamo", False)
    if new:
        shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
        example = torch.zeros(2, *size, dtype=example.dtype) if dynamic else example
        torch.onnx.export(net, (example,), path, dynamo=True, opset_version=opset, dynamic_shapes=shapes,
                          external_data=options.pop("external_data", False), verbose=False, **options)
        model = onnx.load(path, load_external_data=False)
        for node in model.graph.node:  # traces of the exporting machine, many times the weights
            del node.metadata_props[:]
            node.doc_string = ""
        for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
            del value.metadata_props[:]
        del model.graph.metadata_props[:]
        onnx.save(model, path)
    else:
        torch.onnx.export(net, example, path, dynamo=False, opset_version=opset, input_names=["input"],
                          output_names=options.pop("output_names", ["logits"]),
                          dynamic_axes={"input": {0: "batch"}} if dynamic else None, **options)
    record(name, (2 if dynamic else 1, *size), np.float16 if half else np.float32)


# Graphs written node by node

def save(name, nodes, initializers, inputs, outputs, opset, ir_version=8, domains=(), metadata=None):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    sets = [helper.make_opsetid("", opset), *[helper.make_opsetid(d, 1) for d in domains]]
    model = helper.make_model(graph, opset_imports=sets, ir_version=ir_version)
    if metadata:
        helper.set_model_props(model, metadata)
    onnx.save(model, OUT / f"{name}.onnx")


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def tf2onnx_like():
    """NHWC input, explicit Pad, SAME_UPPER, MatMul + Add, Squeeze and Softmax."""
    rng = np.random.default_rng(3)
    normal = lambda *shape: rng.normal(0, 0.4, shape).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["images"], ["nchw"], perm=[0, 3, 1, 2], name="to_nchw"),
        helper.make_node("Pad", ["nchw", "pads", "zero"], ["padded"], name="pad"),
        helper.make_node("Conv", ["padded", "w1", "b1"], ["c1"], strides=[2, 2], kernel_shape=[5, 5], auto_pad="VALID"),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], kernel_shape=[3, 3], auto_pad="SAME_LOWER"),
        helper.make_node("BatchNormalization", ["c2", "s", "t", "m", "v"], ["n2"], epsilon=1e-3, momentum=0.9),
        helper.make_node("Add", ["n2", "p1"], ["a2"]),
        helper.make_node("Relu", ["a2"], ["r2"]),
        helper.make_node("ReduceMean", ["r2"], ["g"], axes=[2, 3], keepdims=1),
        helper.make_node("Squeeze", ["g", "axes"], ["f"]),
        helper.make_node("MatMul", ["f", "w3"], ["mm"]),
        helper.make_node("Add", ["mm", "b3"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    initializers = [
        constant("pads", np.array([0, 0, 2, 2, 0, 0, 2, 2])), constant("zero", np.float32(0)),
        constant("w1", normal(4, 3, 5, 5)), constant("b1", normal(4)), constant("w2", normal(4, 4, 3, 3)),
        constant("s", 1 + normal(4)), constant("t", normal(4)), constant("m", normal(4)),
        constant("v", rng.uniform(0.5, 2, 4).astype(np.float32)), constant("axes", np.array([2, 3])),
        constant("w3", normal(4, 6)), constant("b3", normal(6)),
    ]
    save("tf2onnx_like", nodes, initializers, [value("images", ["unk__1", 15, 15, 3])],
         [value("probabilities", ["unk__2", 6])], 13, domains=["ai.onnx.ml"], metadata={"arch": "small", "labels": "a.txt"})
    record("tf2onnx_like", (2, 15, 15, 3))


def opset7():
    """Attribute forms, initializers among the inputs (IR 3), typed data fields, Sum, Gemm with alpha and beta."""
    rng = np.random.default_rng(4)
    typed = lambda name, *shape: helper.make_tensor(name, TensorProto.FLOAT, shape, rng.normal(0, 0.4, shape).ravel())
    nodes = [
        helper.make_node("Pad", ["x"], ["padded"], pads=[0, 0, 1, 0, 0, 0, 1, 2], value=0.5, mode="constant"),
        helper.make_node("Conv", ["padded", "w", "b"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["c", "s", "t", "m", "v"], ["n"]),
        helper.make_node("Sum", ["n", "c", "c"], ["sum"]),
        helper.make_node("Clip", ["sum"], ["clipped"], min=-1.0, max=2.0),
        helper.make_node("Slice", ["clipped"], ["sliced"], starts=[0, 1], ends=[2147483647, -1], axes=[2, 3]),
        helper.make_node("AveragePool", ["sliced"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("GlobalAveragePool", ["pooled"], ["g"]),
        helper.make_node("Dropout", ["g"], ["d", "mask"], ratio=0.3),
        helper.make_node("Squeeze", ["d"], ["sq"], axes=[3]),
        helper.make_node("Unsqueeze", ["sq"], ["un"], axes=[3]),
        helper.make_node("Reshape", ["un", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fw", "fb"], ["fc"], alpha=0.5, beta=2.0),
        helper.make_node("Softmax", ["fc"], ["p"]),
        helper.make_node("Transpose", ["p"], ["pt"]),
        helper.make_node("Transpose", ["pt"], ["y"], perm=[1, 0]),
    ]
    initializers = [
        typed("w", 4, 2, 3, 3), typed("b", 4), typed("s", 4), typed("t", 4), typed("m", 4),
        helper.make_tensor("v", TensorProto.FLOAT, [4], [0.5, 1, 1.5, 2]),
        helper.make_tensor("shape", TensorProto.INT64, [2], [0, -1]),
        helper.make_tensor("fw", TensorProto.DOUBLE, [4, 3], rng.normal(0, 1, 12)),
        typed("fb", 1, 3),
    ]
    # Double weights are no valid ONNX beside float ones; write them as float for the reference, as double for us.
    double = initializers[7]
    as_float = helper.make_tensor("fw", TensorProto.FLOAT, [4, 3], list(double.double_data))
    for weights in (as_float, double):
        initializers[7] = weights
        inputs = [value("x", ["N", 2, 9, 9])] + [value(t.name, list(t.dims), t.data_type) for t in initializers]
        save("opset7", nodes, initializers, inputs, [value("y", ["N", 3])], 7, ir_version=3)
        if weights is as_float:
            record("opset7", (2, 2, 9, 9))


def opset11_softmax():
    """Softmax over several dimensions at once, as opsets before 13 mean it; shape arithmetic with int32."""
    nodes = [
        helper.make_node("Softmax", ["x"], ["s"], axis=1),
        helper.make_node("Shape", ["s"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["shape32"], to=TensorProto.INT32),
        helper.make_node("Gather", ["shape32", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n"], ["n1"], axes=[0]),
        helper.make_node("Concat", ["n1", "rest"], ["target32"], axis=0),
        helper.make_node("Cast", ["target32"], ["target"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["s", "target"], ["r"]),
        helper.make_node("Clip", ["r", "", "top"], ["y"]),
    ]
    initializers = [
        helper.make_tensor("zero", TensorProto.INT64, [], [0]), helper.make_tensor("rest", TensorProto.INT32, [1], [-1]),
        constant("top", np.float32(0.05)),
    ]
    save("opset11_softmax", nodes, initializers, [value("x", ["N", 3, 4, 5])], [value("y", None)], 11, ir_version=6)
    record("opset11_softmax", (2, 3, 4, 5))


def opset22():
    """Input forms of the newest opset: Pad and ReduceMean with axes, Slice, Shape with a range, Constant's short forms."""
    rng = np.random.default_rng(5)
    normal = lambda *shape: rng.normal(0, 0.4, shape).astype(np.float32)
    nodes = [
        helper.make_node("Constant", [], ["pads"], value_ints=[1, 0, 1, 2]),
        helper.make_node("Constant", [], ["axes"], value_ints=[-1, 2]),
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Pad", ["x", "pads", "half", "axes"], ["padded"]),
        helper.make_node("Conv", ["padded", "w"], ["c"]),
        helper.make_node("Div", ["c", "half"], ["d"]),
        helper.make_node("Sub", ["d", "half"], ["e"]),
        helper.make_node("Mul", ["e", "scales"], ["f"]),
        helper.make_node("AveragePool", ["f"], ["g"], kernel_shape=[2, 2], dilations=[2, 2], count_include_pad=1,
                         pads=[1, 1, 1, 1]),
        helper.make_node("Constant", [], ["ends"], value=constant("", np.array([9223372036854775807, -1]))),
        helper.make_node("Constant", [], ["starts"], value_ints=[1, 0]),
        helper.make_node("Constant", [], ["steps"], value_ints=[2, 1]),
        helper.make_node("Constant", [], ["slice_axes"], value_ints=[2, 3]),
        helper.make_node("Slice", ["g", "starts", "ends", "slice_axes", "steps"], ["h"]),
        helper.make_node("ReduceMean", ["h", "slice_axes"], ["h1"], keepdims=1),
        helper.make_node("Squeeze", ["h1"], ["i"]),
        helper.make_node("ReduceMean", ["i"], ["j"], noop_with_empty_axes=1),
        helper.make_node("Shape", ["j"], ["batch"], start=0, end=1),
        helper.make_node("Constant", [], ["rest"], value_ints=[4, 1]),
        helper.make_node("Concat", ["batch", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["j", "target"], ["k"], allowzero=1),
        helper.make_node("Constant", [], ["last"], value_ints=[-1]),
        helper.make_node("Squeeze", ["k", "last"], ["l"]),
        helper.make_node("Identity", ["weights"], ["shared"]),
        helper.make_node("MatMul", ["l", "shared"], ["m"]),
        helper.make_node("ConstantOfShape", ["two"], ["ones"], value=constant("", np.array([1], np.float32))),
        helper.make_node("Add", ["m", "ones"], ["y"]),
        helper.make_node("Gemm", ["l", "weights", "one"], ["z"]),
    ]
    initializers = [constant("w", normal(4, 2, 3, 3)), constant("scales", normal(4, 1, 1)),
                    constant("weights", normal(4, 3)), constant("two", np.array([3])),
                    constant("one", np.float32([1.25])), constant("unused", normal(3))]
    save("opset22", nodes, initializers, [value("x", [None, 2, 7, 7])], [value("y", None), value("z", None)], 22, 10)
    record("opset22", (2, 2, 7, 7))


def quantized():
    """Weights in 8 bits, one scale a channel; activations quantised and back, once with a pool between the two."""
    rng = np.random.default_rng(8)
    integers = lambda *shape: rng.integers(-127, 128, shape).astype(np.int8)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("DequantizeLinear", ["b", "bs"], ["bd"], axis=0),
        helper.make_node("Conv", ["xd", "wd", "bd"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "rs", "rz"], ["rq"]),
        helper.make_node("MaxPool", ["rq"], ["pq"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("DequantizeLinear", ["pq", "rs", "rz"], ["pd"]),
        helper.make_node("GlobalAveragePool", ["pd"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    f = lambda name, *values: constant(name, np.float32(values[0] if len(values) == 1 else values))
    initializers = [
        f("xs", 0.03), constant("xz", np.int8(5)), constant("w", integers(4, 3, 3, 3)), f("ws", 0.01, 0.02, 0.03, 0.004),
        constant("wz", np.zeros(4, np.int8)), constant("b", np.array([100, -200, 300, 0], np.int32)),
        f("bs", 0.001, 0.002, 0.003, 0.004), f("rs", 0.05), constant("rz", np.uint8(7)),
    ]
    save("quantized", nodes, initializers, [value("x", ["N", 3, 8, 8])], [value("y", None)], 13)
    record("quantized", (2, 3, 8, 8), reference=literally("quantized"))


def literally(name):
    """onnxruntime without its optimisations, which would compute in integers."""
    def run(x):
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(OUT / f"{name}.onnx", settings).run(None, {"x": x})
    return run


def opset21():
    """Group norm with a scale a channel, hard swish, a split into parts that are not equal, an expand."""
    rng = np.random.default_rng(9)
    normal = lambda *shape: rng.normal(0, 0.4, shape).astype(np.float32)
    nodes = [
        helper.make_node("GroupNormalization", ["x", "s", "t"], ["n"], num_groups=2, epsilon=1e-3),
        helper.make_node("HardSwish", ["n"], ["h"]),
        helper.make_node("Pad", ["h", "pads"], ["p"], mode="edge"),
        helper.make_node("Split", ["p"], ["a", "b", "c"], axis=1, num_outputs=3),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Shape", ["a"], ["shape"]),
        helper.make_node("Expand", ["g", "shape"], ["e"]),
        helper.make_node("Sub", ["a", "e"], ["y"]),
    ]
    initializers = [constant("s", 1 + normal(6)), constant("t", normal(6)), constant("pads", np.array([0, 0, 1, 0, 0, 0, 2, 1]))]
    save("opset21", nodes, initializers, [value("x", ["N", 6, 5, 4])], [value("y", None)], 21, 10)
    record("opset21", (2, 6, 5, 4))


def bf16():
    """bfloat16 weights, as raw_data and as int32_data, cast to float32 where they are used."""
    rng = np.random.default_rng(6)
    bits = lambda *shape: (rng.normal(0, 0.5, shape).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    w, b = bits(4, 3, 3, 3), bits(4)
    raw = TensorProto(name="w16", data_type=TensorProto.BFLOAT16, dims=w.shape, raw_data=w.tobytes())
    typed = TensorProto(name="b16", data_type=TensorProto.BFLOAT16, dims=b.shape, int32_data=[int(v) for v in b])
    nodes = [
        helper.make_node("Cast", ["w16"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["b16"], ["b"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    save("bf16", nodes, [raw, typed], [value("x", ["N", 3, 6, 6])], [value("y", None)], 13)

    def reference(x):
        widen = lambda v: torch.from_numpy((v.astype(np.uint32) << 16).view(np.float32))
        return [nn.functional.conv2d(torch.from_numpy(x), widen(w), widen(b), padding=1).mean((2, 3)).numpy()]

    record("bf16", (2, 3, 6, 6), reference=reference)


def main():
    warnings.filterwarnings("ignore")
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("*"):
        old.unlink()
    with torch.no_grad():
        for opset in (9, 13, 18):
            export(f"torchscript_opset{opset}", randomise(Small()), opset=opset)
        export("torchscript_unfolded", randomise(Small("mean")), opset=17, do_constant_folding=False,
               training=torch.onnx.TrainingMode.PRESERVE)
        export("torchscript_view", randomise(Small("view")), opset=12)
        export("torchscript_fixed_batch", randomise(Small("fixed_view")), opset=14, dynamic=False)
        export("torchscript_option_a", randomise(OptionA()), opset=10, size=(3, 8, 8))
        export("torchscript_option_a_opset17", randomise(OptionA()), opset=17, size=(3, 8, 8))
        export("torchscript_extras", randomise(Extras()), opset=16, output_names=["probabilities", "features"])
        export("dynamo", randomise(Small()), opset=18, dynamo=True)
        export("dynamo_view", randomise(Small("view")), opset=20, dynamo=True)
        export("dynamo_fixed_batch", randomise(Small("fixed_view")), opset=18, dynamo=True, dynamic=False)
        export("dynamo_extras", randomise(Extras()), opset=18, dynamo=True)
        export("dynamo_external", randomise(Small("mean")), opset=18, dynamo=True, external_data=True)
        export("fp16", randomise(Small()), opset=17, half=True)
        for exporter in ("torchscript", "dynamo"):
            options = {"opset": 18, "dynamo": exporter == "dynamo"}
            torch.manual_seed(2)
            export(f"{exporter}_gates", randomise(Gates()), size=(3, 9, 9), **options)
            export(f"{exporter}_group_norm", randomise(GroupNorms()), size=(3, 8, 8), **options)
        net = timm.models.resnet.ResNet(timm.models.resnet.BasicBlock, (1, 1, 1, 1), num_classes=5, stem_type="deep",
                                        stem_width=4, avg_down=True, channels=(4, 4, 6, 6))
        export("timm", randomise(net), opset=17, size=(3, 17, 17))
    tf2onnx_like()
    opset7()
    opset11_softmax()
    opset22()
    opset21()
    quantized()
    bf16()


if __name__ == "__main__":
    main()
