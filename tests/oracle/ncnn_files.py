"""Networks in ncnn's format, a text of layers (.param) and raw weights (.bin), and such files that mean harm."""
import struct

import numpy as np

MAGIC = 7767517


def network(layers, image):
    """m.param and m.bin of a list of layers as hostile_cases.py has them."""
    lines, weights, last = ["Input x 0 1 x"], b"", "x"
    if any(kind == "add_first" for kind, _ in layers):
        lines.append("Split s 1 2 x x1 x2")
        last = "x1"
    for i, (kind, p) in enumerate(layers):
        output = "y" if i == len(layers) - 1 else f"t{i}"
        weight = p["weight"].astype("<f4").tobytes() if "weight" in p else b""
        settings = {
            "conv": lambda: f"0={p['weight'].shape[0]} 1={p['weight'].shape[2]} 3={p['stride']} 4={p['pad']} 5=0 6={p['weight'].size}",
            "clip": lambda: "0=0.0 1=6.0",
            "maxpool": lambda: "0=0 1=3 2=2 3=1 5=1",
            "mean": lambda: "0=1 4=1",
            "add_first": lambda: "0=0",
            "norm": lambda: f"0={image.shape[1]}",
            "dense": lambda: f"0={p['weight'].shape[0]} 1=0 2={p['weight'].size}",
            "softmax": lambda: "0=0 1=1",
        }.get(kind, str)()
        name = {"conv": "Convolution", "relu": "ReLU", "clip": "Clip", "maxpool": "Pooling", "mean": "Pooling",
                "add_first": "BinaryOp", "norm": "BatchNorm", "dense": "InnerProduct", "softmax": "Softmax"}[kind]
        if kind == "softmax":
            lines.append(f"Flatten f{i} 1 1 {last} f{i}")
            last = f"f{i}"
        inputs = f"2 1 {last} x2" if kind == "add_first" else f"1 1 {last}"
        lines.append(f"{name} l{i} {inputs} {output} {settings}".rstrip())
        if weight:
            weights += bytes(4) + weight  # 0: floats
        if kind == "norm":
            for value in (0.5, 0, 1, 0.25):
                weights += struct.pack("<f", value) * image.shape[1]
        last = output
    return files(lines, weights)


def files(lines, weights, layers=None, blobs=None, magic=MAGIC):
    names = {name for line in lines for name in line.split()[4:4 + sum(map(int, line.split()[2:4]))]}
    head = f"{magic}\n{len(lines) if layers is None else layers} {len(names) if blobs is None else blobs}\n"
    return {"m.param": (head + "\n".join(lines) + "\n").encode(), "m.bin": weights}


def malicious(layers, image):
    """(name, files): the network of the layers Convolution, ReLU, Pooling and InnerProduct with one fault each."""
    good = network(layers, image)
    lines = good["m.param"].decode().splitlines()[2:]
    weights = good["m.bin"]

    def changed(name, old, new, **more):
        text = "\n".join(lines)
        assert old in text, old
        return name, files(text.replace(old, new).split("\n"), weights, **more)

    yield "magic", files(lines, weights, magic=7767518)
    yield "layers_negative", files(lines, weights, layers=-1)
    yield "layers_beyond", files(lines, weights, layers=100)
    yield "layers_without_end", files(lines, weights, layers=2**31 - 1)
    yield "blobs_negative", files(lines, weights, blobs=-5)
    yield "blobs_too_few", files(lines, weights, blobs=1)
    yield "blobs_without_end", files(lines, weights, blobs=2**31 - 1)
    yield changed("layer_unknown", "ReLU", "Evaluate")
    yield changed("input_undefined", "l1 1 1 t0", "l1 1 1 nothing")
    yield changed("cycle", "l1 1 1 t0", "l1 1 1 t2")
    yield changed("layer_reads_itself", "l1 1 1 t0", "l1 1 1 t1", blobs=5)
    yield changed("name_twice", "1 1 t0 t1", "1 1 t0 t0", blobs=5)
    yield changed("inputs_negative", "l1 1 1", "l1 -1 1", blobs=5)
    yield changed("inputs_without_end", "l1 1 1", f"l1 {2**31 - 1} 1", blobs=5)
    yield changed("outputs_without_end", "l1 1 1", f"l1 1 {2**31 - 1}", blobs=5)
    yield changed("name_of_5000_letters", "l1 1 1 t0", "l" * 5000 + " 1 1 t0")
    yield changed("kind_of_5000_letters", "ReLU", "R" * 5000)
    yield changed("parameter_of_a_large_number", " 5=0", " 5=0 99=1")
    yield changed("parameter_of_a_negative_number", " 5=0", " 5=0 -7=1")
    yield changed("list_without_end", " 5=0", f" 5=0 -23310={2**31 - 1},1.0")
    yield changed("list_negative", " 5=0", " 5=0 -23310=-3,1.0")
    yield changed("convolution_outputs_zero", "l0 1 1 x t0 0=2", "l0 1 1 x t0 0=0")
    yield changed("convolution_outputs_negative", "l0 1 1 x t0 0=2", "l0 1 1 x t0 0=-2")
    yield changed("convolution_outputs_huge", "l0 1 1 x t0 0=2", f"l0 1 1 x t0 0={2**31 - 1}")
    yield changed("convolution_outputs_differ", "l0 1 1 x t0 0=2", "l0 1 1 x t0 0=7")
    yield changed("convolution_kernel_zero", "0=2 1=3", "0=2 1=0")
    yield changed("convolution_kernel_negative", "0=2 1=3", "0=2 1=-3")
    yield changed("convolution_kernel_huge", "0=2 1=3", "0=2 1=1000000")
    yield changed("convolution_kernel_differs", "0=2 1=3", "0=2 1=5")
    yield changed("convolution_stride_zero", "3=1 4=1", "3=0 4=1")
    yield changed("convolution_stride_negative", "3=1 4=1", "3=-1 4=1")
    yield changed("convolution_dilation_zero", "3=1 4=1", "2=0 3=1 4=1")
    yield changed("convolution_dilation_huge", "3=1 4=1", f"2={2**31 - 1} 3=1 4=1")
    yield changed("convolution_padding_huge", "3=1 4=1", f"3=1 4={2**30}")
    yield changed("convolution_padding_beyond_memory", "3=1 4=1", "3=1 4=100000")
    yield changed("convolution_padding_negative", "3=1 4=1", "3=1 4=-3")
    yield changed("convolution_weights_zero", "6=54", "6=0")
    yield changed("convolution_weights_negative", "6=54", "6=-54")
    yield changed("convolution_weights_fewer", "6=54", "6=20")
    yield changed("convolution_weights_more", "6=54", "6=58")
    yield changed("convolution_weights_huge", "6=54", f"6={2**31 - 1}")
    for name, groups in (("zero", 0), ("negative", -1), ("that_do_not_divide", 7), ("huge", 2**31 - 1)):
        yield changed(f"groups_{name}", "Convolution l0 1 1 x t0", f"ConvolutionDepthWise l0 1 1 x t0 7={groups}")
    yield changed("dense_outputs_huge", "0=2 1=0 2=4", f"0={2**31 - 1} 1=0 2=4")
    yield changed("dense_outputs_differ", "0=2 1=0 2=4", "0=4 1=0 2=4")
    yield changed("dense_weights_fewer", "0=2 1=0 2=4", "0=2 1=0 2=1")
    yield changed("dense_weights_huge", "0=2 1=0 2=4", f"0=2 1=0 2={2**31 - 1}")
    yield changed("dense_weights_negative", "0=2 1=0 2=4", "0=2 1=0 2=-4")
    pool = "0=1 4=1"
    yield changed("pool_window_zero", pool, "0=0 1=0 2=1")
    yield changed("pool_window_huge", pool, f"0=0 1={2**31 - 1} 2=1")
    yield changed("pool_stride_zero", pool, "0=0 1=2 2=0")
    yield changed("pool_kind_unknown", pool, "0=77 1=2 2=2")
    yield changed("reshape_to_huge", f"Pooling l2 1 1 t1 t2 {pool}", f"Reshape l2 1 1 t1 t2 0={2**30} 1={2**30} 2=4")
    yield changed("reshape_to_other_size", f"Pooling l2 1 1 t1 t2 {pool}", "Reshape l2 1 1 t1 t2 0=1000")
    yield changed("crop_beyond", f"Pooling l2 1 1 t1 t2 {pool}", "Crop l2 1 1 t1 t2 0=100 1=100 2=0 3=50 4=50 5=2")
    yield changed("permutation_unknown", f"Pooling l2 1 1 t1 t2 {pool}", "Permute l2 1 1 t1 t2 0=77")
    yield changed("slice_beyond", "ReLU l1 1 1 t0 t1", "Slice l1 1 1 t0 t1 -23300=1,5000 1=0")
    yield "weights_empty", {**good, "m.bin": b""}
    yield "weights_missing", {"m.param": good["m.param"]}
    yield "weights_of_an_unknown_kind", {**good, "m.bin": b"\x12\x34\x56\x78" + weights[4:]}
    yield "weights_half_as_wide_cut_short", {**good, "m.bin": struct.pack("<I", 0x01306B47) + weights[4:30]}
    yield "weights_of_bytes_cut_short", {**good, "m.bin": struct.pack("<I", 0x000D4B38) + weights[4:30]}
    yield "layers_all_zero", {"m.param": bytes(200), "m.bin": weights}
    yield "empty", {"m.param": b"", "m.bin": b""}
    yield "random_bytes", {"m.param": np.random.default_rng(1).bytes(400), "m.bin": weights}
