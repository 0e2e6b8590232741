"""Ten crops, flips, several scales, ensembles and whole photos with real weights, against PyTorch and onnxruntime. Needs torch, torchvision.

On 50 photos, from the files on: `residua classify` against Pillow, torchvision's transforms and PyTorch's networks, every one of
1000 probabilities. On a photo of 1024 x 768: `residua run` against onnxruntime on the same network made fully convolutional. Good:
the same first class for all, and probabilities within 1e-4; logits and class map within 1e-4 of the largest.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import safetensors.torch
import torch
import torchvision
from onnx import helper, numpy_helper
from PIL import Image
from torchvision.transforms import v2 as transforms

import oracle

LIMIT = 1e-4
NAMES = ("resnet18", "resnet50")
SCALES = (224, 256, 384, 480, 640)  # He et al., 2015
WIDTH, HEIGHT = 1024, 768


def network(options, name):
    made = getattr(torchvision.models, name)()
    made.load_state_dict(safetensors.torch.load_file(options.models / f"{name}.safetensors"), strict=False)
    return made.eval()


def as_input(image):
    return torch.from_numpy(oracle.normalized(np.asarray(image).transpose(2, 0, 1)[None]))


def resized(photo, side):
    return transforms.functional.resize(photo, [side], transforms.InterpolationMode.BILINEAR)


def ten_crops(image):
    return list(transforms.functional.ten_crop(image, [224, 224]))


def with_mirror(views):
    return [each for view in views for each in (view, transforms.functional.horizontal_flip(view))]


# The options of `residua classify`, and the views of a photo that they are to mean.
WAYS = {
    "--crops ten": lambda photo: ten_crops(resized(photo, 256)),
    "--crops ten-square": lambda photo: ten_crops(transforms.functional.center_crop(resized(photo, 256), [256, 256])),
    "--flip": lambda photo: with_mirror([transforms.functional.center_crop(resized(photo, 256), [224, 224])]),
    "--crops whole": lambda photo: [resized(photo, 256)],
    "--scales full": lambda photo: [photo],
    "--scales " + ",".join(map(str, SCALES)) + " --flip": lambda photo: with_mirror([resized(photo, side) for side in SCALES]),
}
SLOW = ("--scales",)  # on the first photos only


def probabilities(made, views):
    """The mean over the views."""
    inputs = [as_input(view) for view in views]
    if all(each.shape == inputs[0].shape for each in inputs):
        inputs = [torch.cat(inputs)]
    with torch.inference_mode():
        return np.concatenate([torch.softmax(made(each).double(), 1).numpy() for each in inputs]).mean(axis=0)


def compare_classified(tool, models, words, paths, expected):
    words = [word for model in models for word in ("--model", model)] + words
    lines = [oracle.json.loads(line) for line in tool.call("classify", "--json", "--top", 1000, *words, *paths).splitlines()]
    difference, equal = 0.0, 0
    for line, row in zip(lines, expected, strict=True):
        found = np.empty(len(row))
        for entry in line["top"]:
            found[entry["index"]] = entry["probability"]
        difference = max(difference, float(np.abs(found - row).max()))
        equal += line["top"][0]["index"] == row.argmax()
    return difference <= LIMIT and equal == len(paths), difference, f"{equal}/{len(paths)}"


def fully_convolutional(path):
    """The network with its classifier as a 1x1 convolution before the average: outputs "class_map" and "logits"."""
    model = onnx.load(path)
    graph = model.graph
    pool = next(node for node in graph.node if node.op_type == "GlobalAveragePool")
    classifier = next(node for node in graph.node if node.op_type == "Gemm")
    weight = next(item for item in graph.initializer if item.name == classifier.input[1])
    assert next(a.i for a in classifier.attribute if a.name == "transB") == 1
    kernel = numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array(kernel[:, :, None, None], weight.name))
    kept = [node for node in graph.node if node not in (pool, classifier) and node.op_type != "Flatten"]
    del graph.node[:]
    graph.node.extend(kept)
    graph.node.append(helper.make_node("Conv", [pool.input[0], weight.name, classifier.input[2]], ["class_map"]))
    graph.node.append(helper.make_node("ReduceMean", ["class_map"], ["logits"], axes=[2, 3], keepdims=0))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("class_map", onnx.TensorProto.FLOAT, ["N", len(kernel), "h", "w"]))
    graph.output.append(helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", len(kernel)]))
    onnx.checker.check_model(model)
    return model


def compare_whole(options, tool, results, photo):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        photo.save(folder / "photo.png")
        images = as_input(photo).numpy()
        np.save(folder / "x.npy", images)
        for name in NAMES:
            onnx.save(fully_convolutional(options.models / f"{name}.onnx"), folder / "whole.onnx")
            session = oracle.onnxruntime_session(folder / "whole.onnx")
            class_map, logits = session.run(None, {session.get_inputs()[0].name: images})
            for suffix in ("onnx", "safetensors"):
                model = options.models / f"{name}.{suffix}"
                tool.call("run", "--model", model, "--input", folder / "x.npy", "--output", folder / "y.npz",
                          "--output-tensor", "logits", "--output-tensor", "class_map")
                found = np.load(folder / "y.npz")
                for tensor, expected in (("logits", logits), ("class_map", class_map)):
                    difference = oracle.relative_difference(found[tensor], expected)
                    results.row(difference <= LIMIT, f"{name}.{suffix}", f"{WIDTH} x {HEIGHT}, {tensor}", 1, difference, "")
                results.compare(lambda: compare_classified(tool, [model], ["--scales", "full"], [folder / "photo.png"],
                                                           oracle.softmax(logits)),
                                f"{name}.{suffix}", f"{WIDTH} x {HEIGHT}, --scales full", 1)


def main():
    parser = oracle.arguments(__doc__)
    parser.add_argument("--photos", type=int, default=50, help="how many photos [50]")
    parser.add_argument("--only", choices=WAYS, help="one of the ways to look at the photos, by its options, and no whole photo")
    options = parser.parse_args()
    tool = oracle.Tool(options.tool)
    oracle.make_models(options, NAMES)
    folder = options.data / "imagenet50"
    paths = [folder / line.split("\t")[0] for line in (folder / "labels.tsv").read_text().splitlines()[1:]][:options.photos]
    photos = [oracle.upright(path) for path in paths]
    results = oracle.Results("model" + " " * 20, "options" + " " * 35, "photos", "difference", "top-1 equal", "verdict")
    made = {name: network(options, name) for name in NAMES}
    for way, views_of in WAYS.items():
        if options.only not in (None, way):
            continue
        few = min(10, len(paths)) if way.startswith(SLOW) else len(paths)
        expected = {name: np.array([probabilities(each, views_of(photo)) for photo in photos[:few]]) for name, each in made.items()}
        ensembles = {(name,): rows for name, rows in expected.items()}
        ensembles[NAMES] = np.mean(list(expected.values()), axis=0)
        for names, rows in ensembles.items():
            models = [options.models / f"{name}.safetensors" for name in names]
            results.compare(lambda: compare_classified(tool, models, way.split(), paths[:few], rows), " + ".join(names), way, few)
    if options.only is None:
        compare_whole(options, tool, results, photos[0].resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
