"""The rest of the family on seeded random weights, against onnxruntime: both formats, odd batch and odd image size.

Good: the largest difference is at most 1e-4 of the largest logit.
"""
import sys

import numpy as np

import oracle

NAMES = ("resnet34", "resnet101", "resnet152", "resnext50_32x4d", "wide_resnet50_2")
SHAPES = ((1, 3, 224, 224), (5, 3, 224, 224), (1, 3, 192, 256), (5, 3, 192, 256))
LIMIT = 1e-4


def main():
    parser = oracle.arguments(__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    options = parser.parse_args()
    tool = oracle.Tool(options.tool)
    oracle.make_models(options, options.names)
    results = oracle.Results("model" + " " * 11, "shape" + " " * 12, "format", "difference", "verdict")
    for name in options.names:
        session = oracle.onnxruntime_session(options.models / f"{name}.onnx")
        for shape in SHAPES:
            images = np.random.default_rng(7).standard_normal(shape, np.float32)
            expected = oracle.onnxruntime_run(session, images)
            for suffix in ("onnx", "safetensors"):
                def check():
                    difference = oracle.relative_difference(tool.run(options.models / f"{name}.{suffix}", images), expected)
                    return difference <= LIMIT, difference
                results.compare(check, name, "x".join(map(str, shape)), suffix)
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
