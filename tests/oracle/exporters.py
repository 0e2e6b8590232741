"""Networks as people bring them: exported and saved by PyTorch in many ways, against PyTorch itself. Needs torch, torchvision, timm.

ONNX from the old and the new exporter at several opsets, with fixed and dynamic batch, with batch norm kept, with
weights beside the file; state dicts as zip and legacy .pth and as safetensors, wrapped as training scripts wrap them, in half precisions.
Weights are random, batch norm statistics are not trivial. Good: difference at most 1e-4 of the largest logit.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import safetensors.torch
import timm
import torch
import torchvision

import oracle

LIMIT = 1e-4
SIDE = 64
BATCH = 3


def network(name):
    """A network in evaluation mode with seeded weights and batch norm statistics far from 0 and 1."""
    torch.manual_seed(5)
    library, model = name.split("/")
    made = getattr(torchvision.models, model)(num_classes=10) if library == "torchvision" else timm.create_model(model, num_classes=10)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return made.eval()


def answers(made, images):
    with torch.no_grad():
        return made(torch.from_numpy(images)).float().numpy()


def old_exporter(opset, batch=None, **settings):
    """`batch`: fixed in the file; None: left open."""
    def export(made, path):
        axes = None if batch else {"input": {0: "batch"}, "logits": {0: "batch"}}
        torch.onnx.export(made, torch.zeros(batch or BATCH, 3, SIDE, SIDE), str(path), opset_version=opset, dynamo=False,
                          input_names=["input"], output_names=["logits"], dynamic_axes=axes, **settings)
    return export


def new_exporter(opset, batch=None):
    def export(made, path):
        shapes = None if batch else ({0: torch.export.Dim("batch", min=1, max=64)},)
        torch.onnx.export(made, (torch.zeros(batch or BATCH, 3, SIDE, SIDE),), str(path), opset_version=opset, dynamo=True,
                          dynamic_shapes=shapes, external_data=False, verbose=False)
    return export


def weights_beside(made, path):
    old_exporter(17)(made, path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)


PRESERVE = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
EXPORTS = {
    "old, opset 9": old_exporter(9),
    "old, opset 9, batch 1 in the file": old_exporter(9, 1),
    "old, opset 11, batch 3 in the file": old_exporter(11, BATCH),
    "old, opset 13": old_exporter(13),
    "old, opset 17": old_exporter(17),
    "old, batch norm kept": old_exporter(13, **PRESERVE),
    "old, weights are inputs too": old_exporter(9, keep_initializers_as_inputs=True, **PRESERVE),
    "new, opset 18": new_exporter(18),
    "new, opset 18, batch 1 in the file": new_exporter(18, 1),
    "new, opset 18, batch 3 in the file": new_exporter(18, BATCH),
    "new, opset 20": new_exporter(20),
    "old, weights in a file beside": weights_beside,
}
EXPORTED = ("torchvision/resnet18", "torchvision/resnext50_32x4d", "timm/resnet18d", "timm/resnet26t",
            "timm/legacy_seresnet18", "timm/resnet18")

SAVED = ("torchvision/resnet18", "torchvision/resnet50", "torchvision/wide_resnet50_2", "timm/resnet18", "timm/resnet26",
         "timm/resnet18d", "timm/resnet50c", "timm/resnet50d", "timm/seresnet50", "timm/seresnext50_32x4d", "timm/resnetv2_50")


def save_legacy(value, path):
    torch.save(value, path, _use_new_zipfile_serialization=False)


def save_safetensors(state, path):
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def under_module(state):
    return {f"module.{name}": tensor for name, tensor in state.items()}


SAVES = {
    "zip .pth": ("pth", torch.save),
    "legacy .pth": ("pth", save_legacy),
    "state_dict and module.": ("th", lambda state, path: torch.save(
        {"state_dict": under_module(state), "epoch": 90, "best": 0.9, "optimizer": {"state": {}, "groups": [1]}}, path)),
    "legacy, state_dict": ("tar", lambda state, path: save_legacy({"state_dict": state, "arch": "resnet"}, path)),
    "safetensors": ("safetensors", save_safetensors),
}


def in_precision(made, dtype):
    """The state dict in another precision; the network then computes with those rounded weights in float32."""
    state = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in made.state_dict().items()}
    made.load_state_dict(state)
    return state


def main():
    parser = oracle.arguments(__doc__)
    parser.add_argument("--only", default="", help="what the network's name or the way it is saved must contain")
    options = parser.parse_args()
    tool = oracle.Tool(options.tool)
    images = np.random.default_rng(3).standard_normal((BATCH, 3, SIDE, SIDE), np.float32)
    results = oracle.Results("network" + " " * 20, "saved as" + " " * 26, "difference", "verdict")
    with tempfile.TemporaryDirectory() as folder:
        def compare(name, how, path, expected):
            def check():
                difference = oracle.relative_difference(tool.run(path, images), expected)
                return difference <= LIMIT, difference
            results.compare(check, name, how)

        for name in EXPORTED:
            made = network(name)
            expected = answers(made, images)
            for how, export in EXPORTS.items():
                if options.only not in f"{name}, {how}":
                    continue
                path = Path(folder) / "network.onnx"
                try:
                    with oracle.quietly():
                        export(made, path)
                except Exception as error:  # the exporter's own limits are no verdict on us
                    print(f"{name}, {how}: PyTorch does not export it: {type(error).__name__}: {str(error).splitlines()[0][:120]}")
                    continue
                compare(name, how, path, expected)
        for name in SAVED:
            for how, (suffix, save) in SAVES.items():
                if options.only not in f"{name}, {how}":
                    continue
                for dtype in (torch.float32, torch.float16, torch.bfloat16):
                    made = network(name)
                    state = in_precision(made, dtype)
                    path = Path(folder) / f"network.{suffix}"
                    save(state, path)
                    compare(name, f"{how}, {str(dtype).removeprefix('torch.')}", path, answers(made, images))
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
