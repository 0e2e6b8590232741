"""Writes weights.json and imagenet1k.txt: the weights of residual networks that torchvision and timm publish.

  python3 models/make_catalogue.py     (pip install torchvision timm first; nothing is fetched)

Both packages say of each set where it is and how images are prepared for it. The names of files carry the first eight
digits of their SHA-256.
"""
import json
import math
import pathlib
import re

import timm
import torchvision.models as models

FOLDER = pathlib.Path(__file__).parent
TORCHVISION = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
               "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"]
TIMM = ["%s.%s_in1k" % (network, recipe) for recipe in ("a1", "a2", "a3")
        for network in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")]


def row(name, url, input_size, resize, interpolation, mean, std, labels, **more):
    digest = re.search(r"-([0-9a-f]{8})\.pth$", url).group(1)
    return {"name": name, **more, "url": url, "sha256": digest,
            "preset": {"input_size": input_size, "resize": resize, "interpolation": interpolation,
                       "mean": list(mean), "std": list(std), "labels": labels}}


def torchvision_rows():
    for network in TORCHVISION:
        sets = models.get_model_weights(network)
        for weights in sets:
            transform = weights.transforms()
            more = {"alias": network} if weights is sets.DEFAULT else {}
            yield row("%s.%s" % (network, weights.name.lower()), weights.url, transform.crop_size[0],
                      transform.resize_size[0], transform.interpolation.value, transform.mean, transform.std,
                      "imagenet1k.txt", **more, megabytes=round(weights.meta["_file_size"] * 1.048576, 1),
                      top1=weights.meta["_metrics"]["ImageNet-1K"]["acc@1"])


def timm_rows():
    for name in TIMM:
        settings = timm.get_pretrained_cfg(name)
        size = settings.input_size[-1]
        if not re.search(r"-[0-9a-f]{8}\.pth$", settings.url or "") or settings.crop_mode != "center":
            print("left out:", name, settings.url)
            continue
        # timm's own rule: the shorter side is the crop's over its share, rounded down.
        yield row(name, settings.url, size, math.floor(size / settings.crop_pct), settings.interpolation, settings.mean,
                  settings.std, "imagenet1k.txt")


rows = [*torchvision_rows(), *timm_rows()]
lines = ",\n".join("  " + json.dumps(entry) for entry in rows)
(FOLDER / "weights.json").write_text('{"weights": [\n' + lines + "\n]}\n")
names = models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
(FOLDER / "imagenet1k.txt").write_text("".join(name + "\n" for name in names), encoding="utf-8")
