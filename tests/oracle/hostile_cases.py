"""What hostile.py gives the engines: files that mean harm, files cut short, and images with NaN and infinities.

A network is a list of layers, (kind, parameters); `onnx_network` here and `ncnn_files.network` write it in two formats, and
`expected` says in double precision what it must answer, as PyTorch would.
"""
from dataclasses import dataclass
import struct
import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS / "hostile"))

import cases as hostile
import ncnn_files
import onnx_bytes as onnx

REFUSE = "refuse"
MALICIOUS, CUT, NUMBERS = "malicious", "cut short", "NaN and infinity"
# Odd, but with a meaning: an engine may answer them.
MEANINGFUL = {"external_parent_in_the_middle", "onnx_unsqueeze_without_end", "onnx_doubled_without_end", "onnx_ir_version_0",
              "onnx_labels_outside", "onnx_metadata_nested", "onnx_one_weight_many_times", "onnx_conv_padding_beyond_memory",
              "onnx_doubled_beyond_memory"}


@dataclass
class Case:
    name: str
    group: str
    files: dict
    model: str
    image: np.ndarray
    wanted: object  # REFUSE; values; or None: any answer will do
    may_refuse: bool = True
    home: str = ""  # of tests/hostile: the case that writes the folder


def pattern(*shape):
    return ((np.arange(np.prod(shape)) * 7 % 31 - 15) / 16).reshape(shape).astype(np.float32)


def random(*shape, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


# ---- networks ----

def windows(x, kernel, stride, pad, fill):
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=fill)
    found = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
    return found[:, :, ::stride, ::stride]


def layer(kind, x, earlier, **p):
    if kind == "conv":
        return np.einsum("nchwij,ocij->nohw", windows(x, p["weight"].shape[2], p["stride"], p["pad"], 0), p["weight"])
    if kind == "relu":
        return np.where(x < 0, 0, x)
    if kind == "clip":
        return np.where(x < 0, 0, np.where(x > 6, 6, x))
    if kind == "maxpool":
        return windows(x, 3, 2, 1, -np.inf).max((4, 5))
    if kind == "mean":
        return x.mean((2, 3), keepdims=True)
    if kind == "add_first":
        return x + earlier
    if kind == "norm":
        return x * 0.5 + 0.25
    if kind == "dense":
        return x.reshape(1, -1) @ p["weight"].T
    if kind == "softmax":
        with np.errstate(invalid="ignore"):
            e = np.exp(x.reshape(1, -1) - x.max())
        return e / e.sum()
    raise ValueError(kind)


def expected(layers, image):
    x = image.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        for kind, parameters in layers:
            x = layer(kind, x, image.astype(np.float64), **parameters)
    return x


def constant(name, values):
    return onnx.tensor(name, values.shape, values.astype("<f4").tobytes())


def onnx_network(layers, image, external=()):
    """The model's bytes. Weights of the layers whose numbers stand in `external` lie in data.bin."""
    nodes, tensors, last = [], [], "x"
    for i, (kind, p) in enumerate(layers):
        output, weight = "y" if i == len(layers) - 1 else f"t{i}", f"w{i}"
        if "weight" in p:
            tensors.append(onnx.tensor(weight, p["weight"].shape, external={"location": "data.bin"}) if i in external
                           else constant(weight, p["weight"]))
        if kind == "conv":
            side = p["weight"].shape[2]
            nodes.append(onnx.node("Conv", [last, weight], [output], kernel_shape=[side] * 2, strides=[p["stride"]] * 2,
                                   pads=[p["pad"]] * 4))
        elif kind == "clip":
            tensors += [onnx.tensor("low", [], struct.pack("<f", 0)), onnx.tensor("high", [], struct.pack("<f", 6))]
            nodes.append(onnx.node("Clip", [last, "low", "high"], [output]))
        elif kind == "maxpool":
            nodes.append(onnx.node("MaxPool", [last], [output], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
        elif kind == "norm":
            channels = image.shape[1]
            for name, value in (("scale", 0.5), ("bias", 0.25), ("centre", 0), ("variance", 1 - 1e-5)):
                tensors.append(constant(name, np.full(channels, value)))
            nodes.append(onnx.node("BatchNormalization", [last, "scale", "bias", "centre", "variance"], [output]))
        elif kind == "dense":
            nodes += [onnx.node("Flatten", [last], [f"f{i}"]), onnx.node("Gemm", [f"f{i}", weight], [output], transB=1)]
        elif kind == "softmax":
            nodes += [onnx.node("Flatten", [last], [f"f{i}"]), onnx.node("Softmax", [f"f{i}"], [output], axis=1)]
        else:
            operator = {"relu": "Relu", "mean": "GlobalAveragePool", "add_first": "Add"}[kind]
            nodes.append(onnx.node(operator, [last, "x"] if kind == "add_first" else [last], [output]))
        last = output
    return onnx.model(graph_bytes=(
        b"".join(onnx.message(1, each) for each in nodes) + onnx.message(2, "g")
        + b"".join(onnx.message(5, each) for each in tensors) + onnx.message(11, onnx.value_info("x", image.shape))
        + onnx.message(12, onnx.value_info("y", expected(layers, image).shape))))


# ---- cases ----

def conv(weight, stride=1):
    return ("conv", {"weight": weight, "stride": stride, "pad": weight.shape[2] // 2})


def dense(outputs, inputs):
    return ("dense", {"weight": random(outputs, inputs, seed=3)})


SMALL = [conv(random(2, 3, 3, 3)), ("relu", {}), ("mean", {}), dense(2, 2)]


def malicious(format_):
    if format_ == "ncnn":
        for name, files in ncnn_files.malicious(SMALL, pattern(1, 3, 8, 8)):
            yield Case(name, MALICIOUS, files, "m.param", pattern(1, 3, 8, 8), REFUSE)
        return
    for case in hostile.CASES:
        # Those with limits of their own are whole models that somebody asked Residua not to take.
        if case.command == "inspect" and case.name.startswith(("onnx_", "external_")) and not case.limits:
            wanted = None if case.name in MEANINGFUL else REFUSE
            yield Case(case.name, MALICIOUS, case.files, "m.onnx", pattern(1, 3, 8, 8), wanted, home=case.name)


def good(format_):
    image = pattern(1, 3, 8, 8)
    files = ncnn_files.network(SMALL, image) if format_ == "ncnn" else {"m.onnx": onnx_network(SMALL, image)}
    return Case("good", CUT, files, next(iter(files)), image, expected(SMALL, image), False)


def cut_short(format_):
    image = pattern(1, 3, 8, 8)
    wanted = expected(SMALL, image)
    if format_ == "ncnn":
        files, kept = ncnn_files.network(SMALL, image), ("m.param", "m.bin")
        pieces = [("m.param", files), ("m.bin", files)]
    else:
        inside = {"m.onnx": onnx_network(SMALL, image)}
        beside = {"m.onnx": onnx_network(SMALL, image, external=(0,)), "data.bin": SMALL[0][1]["weight"].astype("<f4").tobytes()}
        pieces, kept = [("m.onnx", inside), ("data.bin", beside)], ("m.onnx",)
    for name, files in pieces:
        for length in range(len(files[name]) + 1):
            whole = length == len(files[name])
            yield Case(f"{name}_of_{length}_bytes", CUT, {**files, name: files[name][:length]}, kept[0], image, wanted, not whole)


def number_cases():
    """(name, layers, image)"""
    nan, inf = np.float32("nan"), np.float32("inf")

    def one(value, channels=4, side=8, plane=False):
        image = random(1, channels, side, side, seed=5)
        if plane:
            image[0, 1] = value
        else:
            image[0, 1, 3, 4] = value
        return image

    for name, value in (("nan", nan), ("infinity", inf), ("minus_infinity", -inf)):
        yield f"relu_{name}", [("relu", {})], one(value)
        yield f"clip_{name}", [("clip", {})], one(value)
        yield f"max_pool_{name}", [("maxpool", {})], one(value)
        yield f"max_pool_all_{name}", [("maxpool", {})], one(value, plane=True)
        yield f"mean_{name}", [("mean", {})], one(value)
        yield f"residual_add_{name}", [("relu", {}), ("add_first", {})], one(value)
        yield f"batch_norm_{name}", [("norm", {})], one(value)
        yield f"softmax_{name}", [("softmax", {})], one(value, 2)
        yield f"conv_3x3_{name}", [conv(random(16, 16, 3, 3))], one(value, 16, 16)
        yield f"conv_3x3_many_channels_{name}", [conv(random(64, 64, 3, 3))], one(value, 64, 14)
        yield f"conv_3x3_stride_2_{name}", [conv(random(16, 16, 3, 3), 2)], one(value, 16, 16)
        yield f"conv_7x7_stride_2_{name}", [conv(random(16, 3, 7, 7), 2)], one(value, 3, 32)
        yield f"conv_1x1_{name}", [conv(random(256, 256, 1, 1))], one(value, 256, 14)
        yield f"dense_{name}", [dense(3, 256)], one(value)
    yield "infinity_minus_infinity", [conv(-np.eye(4, dtype=np.float32)[..., None, None]), ("add_first", {})], one(inf)
    zeros = np.zeros((4, 4, 1, 1), np.float32)
    yield "zero_times_nan", [conv(zeros)], one(nan)
    weight = random(4, 4, 1, 1)
    weight[2, 1] = nan
    yield "nan_in_a_weight", [conv(weight)], random(1, 4, 8, 8)


def numbers(format_):
    for name, layers, image in number_cases():
        files = ncnn_files.network(layers, image) if format_ == "ncnn" else {"m.onnx": onnx_network(layers, image)}
        yield Case(name, NUMBERS, files, next(iter(files)), image, expected(layers, image), False)


def cases(format_):
    return [*malicious(format_), *cut_short(format_), *numbers(format_)]
