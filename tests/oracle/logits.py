"""ResNet-18 and ResNet-50 with real weights: the logits of 50 photos against PyTorch's.

Both file formats, both schedules. Good: every logit within 1e-4 and the same first class for all 50.
"""
import sys

import numpy as np

import oracle

LIMIT = 1e-4


def main():
    options = oracle.arguments(__doc__).parse_args()
    tool = oracle.Tool(options.tool)
    oracle.make_models(options, ("resnet18", "resnet50"))
    golden = options.data / "golden"
    images = oracle.normalized(np.load(golden / "imagenet50_resize256_crop224_uint8.npz")["images"])
    results = oracle.Results("model", "format", "schedule", "difference", "top-1 equal", "verdict")
    for name in ("resnet18", "resnet50"):
        expected = np.load(golden / f"{name}_imagenet50_logits.npy")
        for suffix in ("onnx", "safetensors"):
            for schedule in ("latency", "throughput"):
                def check():
                    ours = tool.run(options.models / f"{name}.{suffix}", images, schedule=schedule)
                    difference = float(np.abs(ours - expected).max())
                    equal = int((ours.argmax(1) == expected.argmax(1)).sum())
                    return difference <= LIMIT and equal == len(images), difference, f"{equal}/{len(images)}"
                results.compare(check, name, suffix, schedule)
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
