"""The CIFAR-10 networks on 1000 lossless test images: how many are right, and the logits against onnxruntime's or PyTorch's.

Good: 915 right, give or take one, for the option A network from its legacy .th file and from ONNX; 882 for the bundled model, whose
logits were stored when it was trained. Logits within 1e-4.
"""
import sys

import numpy as np

import oracle

LIMIT = 1e-4


def main():
    options = oracle.arguments(__doc__).parse_args()
    tool = oracle.Tool(options.tool)
    rows = np.fromfile(options.data / "cifar10" / "test_first1000.bin", np.uint8).reshape(-1, 3073)
    classes, images = rows[:, 0], oracle.normalized(rows[:, 1:].reshape(-1, 3, 32, 32))
    onnx = options.data / "weights" / "resnet20_cifar10_optionA.onnx"
    option_a = oracle.onnxruntime_run(oracle.onnxruntime_session(onnx), images)
    stored = np.load(options.data / "demo" / "resnet20-cifar10_test1000_logits.npy")
    results = oracle.Results("model" + " " * 33, "schedule", "right", "difference", "verdict")
    for path, expected, right in ((options.data / "weights" / "resnet20-12fca82f.th", option_a, 915), (onnx, option_a, 915),
                                  (oracle.ROOT / "models" / "resnet20-cifar10.safetensors", stored, 882)):
        for schedule in ("latency", "throughput"):
            def check():
                ours = tool.run(path, images, schedule=schedule)
                count = int((ours.argmax(1) == classes).sum())
                difference = float(np.abs(ours - expected).max())
                return abs(count - right) <= 1 and difference <= LIMIT, f"{count}/1000", difference
            results.compare(check, path.name, schedule)
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
