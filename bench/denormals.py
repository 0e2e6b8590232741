"""How much longer a run takes when every activation is a denormal number: python3 bench/denormals.py [TOOL] [THREADS]

Two networks of 3x3, 1x1 and grouped convolutions, ReLUs, residual additions and pools, the same but for the first
convolution's weights, which the second has 1e-40 times: all that follows is denormal. `residua bench` times both in turns;
the ratio of the shortest times is printed."""
import json
import random
import subprocess
import struct
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "hostile"))
import onnx_bytes as onnx  # noqa: E402

CHANNELS, BLOCKS, ROUNDS = 64, 4, 5


def weight(name, shape, scale):
    choices = random.Random(name)
    count = 1
    for size in shape:
        count *= size
    spread = scale * (3 / (count / shape[0])) ** 0.5 * 1.4  # the next activations are as large as these
    return onnx.tensor(name, shape, struct.pack(f"<{count}f", *(choices.uniform(-spread, spread) for _ in range(count))))


def network(first_scale):
    nodes, tensors, last = [], [], "x"

    def convolution(output, inputs, outputs, side, scale=1.0, group=1):
        tensors.append(weight("w" + output, [outputs, inputs // group, side, side], scale))
        nodes.append(onnx.node("Conv", [last, "w" + output], [output], kernel_shape=[side] * 2, pads=[side // 2] * 4, group=group))
        return output

    last = convolution("stem", 3, CHANNELS, 3, first_scale)
    for i in range(BLOCKS):
        block = last
        last = convolution(f"a{i}", CHANNELS, CHANNELS, 3)
        nodes.append(onnx.node("Relu", [last], [f"r{i}"]))
        last = f"r{i}"
        last = convolution(f"b{i}", CHANNELS, CHANNELS, 1)
        last = convolution(f"c{i}", CHANNELS, CHANNELS, 3, group=8)
        nodes += [onnx.node("Add", [last, block], [f"s{i}"]),
                  onnx.node("MaxPool", [f"s{i}"], [f"p{i}"], kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)]
        last = f"p{i}"
    tensors.append(weight("wy", [10, CHANNELS], 1))
    nodes += [onnx.node("GlobalAveragePool", [last], ["mean"]), onnx.node("Flatten", ["mean"], ["flat"]),
              onnx.node("Gemm", ["flat", "wy"], ["y"], transB=1)]
    return onnx.model(graph_bytes=(
        b"".join(onnx.message(1, each) for each in nodes) + onnx.message(2, "g") + b"".join(onnx.message(5, each) for each in tensors)
        + onnx.message(11, onnx.value_info("x", ("N", 3, 56, 56))) + onnx.message(12, onnx.value_info("y", ("N", 10)))))


def milliseconds(tool, model, threads):
    words = [tool, "bench", "--model", model, "--batch", "1", "--threads", threads, "--seconds", "0.5", "--json"]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)["latency_ms"]["min"]


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/tools/residua")
    threads = sys.argv[2] if len(sys.argv) > 2 else "1"
    with tempfile.TemporaryDirectory() as folder:
        models = {}
        for name, scale in (("normal", 1.0), ("denormal", 1e-40)):
            models[name] = str(Path(folder) / (name + ".onnx"))
            Path(models[name]).write_bytes(network(scale))
        best = {name: min(milliseconds(tool, model, threads) for _ in range(ROUNDS)) for name, model in models.items()}
    print(f"normal {best['normal']:.3f} ms, denormal {best['denormal']:.3f} ms, ratio {best['denormal'] / best['normal']:.3f}")


if __name__ == "__main__":
    sys.exit(main())
