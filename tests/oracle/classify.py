"""From photo to probability: `residua classify` on 50 photos against Pillow's preprocessing and PyTorch's logits.

Good: the same first class for all, and every probability shown within 2e-3. The golden logits are of the photos as stored;
for the few that EXIF turns, onnxruntime on Pillow's turned image says what is right.
"""
import sys

import numpy as np
from PIL import Image

import oracle

LIMIT = 2e-3
ORIENTATION = 0x0112


def main():
    options = oracle.arguments(__doc__).parse_args()
    tool = oracle.Tool(options.tool)
    oracle.make_models(options, ("resnet18", "resnet50"))
    folder = options.data / "imagenet50"
    paths = [folder / line.split("\t")[0] for line in (folder / "labels.tsv").read_text().splitlines()[1:]]
    turned = [i for i, path in enumerate(paths) if Image.open(path).getexif().get(ORIENTATION, 1) != 1]
    results = oracle.Results("model", "format", "photos", "difference", "top-1 equal", "verdict")
    for name in ("resnet18", "resnet50"):
        logits = np.load(options.data / "golden" / f"{name}_imagenet50_logits.npy").copy()
        session = oracle.onnxruntime_session(options.models / f"{name}.onnx")
        for i in turned:
            logits[i] = oracle.onnxruntime_run(session, oracle.normalized(oracle.preprocessed(paths[i])))
        expected = oracle.softmax(logits)
        for suffix in ("onnx", "safetensors"):
            def check():
                lines = tool.classify(options.models / f"{name}.{suffix}", paths)
                if [line["path"] for line in lines] != [str(path) for path in paths]:
                    return False, "paths or their order differ"
                difference = max(abs(entry["probability"] - expected[i, entry["index"]])
                                 for i, line in enumerate(lines) for entry in line["top"])
                equal = sum(line["top"][0]["index"] == row.argmax() for line, row in zip(lines, expected))
                return difference <= LIMIT and equal == len(paths), float(difference), f"{equal}/{len(paths)}"
            results.compare(check, name, suffix, len(paths))
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
