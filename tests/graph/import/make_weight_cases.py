#!/usr/bin/env python3
"""Writes tests/golden/weights: tiny residual networks saved in every supported way, and what PyTorch computes with them.

    pip install torch safetensors numpy
    python3 tests/graph/import/make_weight_cases.py

Each network NET gives NET.expected.safetensors (input, logits) and weight files NET.*; where a file holds the weights in
another type, NET.TYPE.expected.safetensors holds the logits with the weights rounded to it.
"""
import argparse
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

OUT = Path(__file__).resolve().parents[2] / "golden" / "weights"


class Block(nn.Module):
    def __init__(self, cin, planes, stride, bottleneck, groups, width, option_a, shortcut):
        super().__init__()
        cout = planes * 4 if bottleneck else planes
        if bottleneck:
            w = planes * width // 64 * groups
            shapes = [(cin, w, 1, 1, 1), (w, w, 3, stride, groups), (w, cout, 1, 1, 1)]
        else:
            shapes = [(cin, planes, 3, stride, 1), (planes, planes, 3, 1, 1)]
        self.count = len(shapes)
        for n, (i, o, k, s, g) in enumerate(shapes, 1):
            setattr(self, f"conv{n}", nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False))
            setattr(self, f"bn{n}", nn.BatchNorm2d(o))
        self.skip, self.planes, self.option_a = None, planes, option_a and (stride != 1 or cin != cout)
        if not option_a and (stride != 1 or cin != cout):
            self.skip = shortcut
            setattr(self, shortcut, nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)))

    def forward(self, x):
        y = x
        for n in range(1, self.count + 1):
            y = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(y))
            y = F.relu(y) if n < self.count else y
        if self.skip:
            x = getattr(self, self.skip)(x)
        if self.option_a:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.planes // 4, self.planes // 4))
        return F.relu(y + x)


class Network(nn.Module):
    def __init__(self, blocks, channels, classes, bottleneck=False, groups=1, width=64, small_stem=False, option_a=False,
                 shortcut="downsample", classifier="fc"):
        super().__init__()
        self.small_stem, self.stages, self.classifier = small_stem, len(blocks), classifier
        cin = channels[0]
        self.conv1 = nn.Conv2d(3, cin, 3, 1, 1, bias=False) if small_stem else nn.Conv2d(3, cin, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(cin)
        for s, (count, planes) in enumerate(zip(blocks, channels)):
            layer = []
            for b in range(count):
                layer.append(Block(cin, planes, 2 if s and not b else 1, bottleneck, groups, width, option_a, shortcut))
                cin = planes * 4 if bottleneck else planes
            setattr(self, f"layer{s + 1}", nn.Sequential(*layer))
        setattr(self, classifier, nn.Linear(cin, classes))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = x if self.small_stem else F.max_pool2d(x, 3, 2, 1)
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return getattr(self, self.classifier)(x.mean((2, 3)))


def make(seed, **shape):
    torch.manual_seed(seed)
    net = Network(**shape).eval()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.weight.data.uniform_(0.5, 1.5)
            m.bias.data.normal_(0, 0.2)
            m.running_mean.normal_(0, 0.2)
            m.running_var.uniform_(0.5, 2)
    return net


def expected(net, name, size):
    torch.manual_seed(1)
    x = torch.randn(1, 3, size, size)
    with torch.no_grad():
        logits = net.double()(x.double()).float()
    save_file({"input": x, "logits": logits}, OUT / f"{name}.expected.safetensors")


def rounded(state, dtype):
    return OrderedDict((k, v.to(dtype) if v.is_floating_point() else v) for k, v in state.items())


def non_contiguous(state):
    """The same values: matrices stored transposed, convolutions channels-last, vectors as every second of a longer one."""
    out = OrderedDict()
    for k, v in state.items():
        if v.dim() == 2:
            v = v.t().contiguous().t()
        elif v.dim() == 4:
            v = v.contiguous(memory_format=torch.channels_last)
        elif v.dim() == 1:
            v = torch.stack([v, torch.full_like(v, 7)], 1)[:, 0]
        out[k] = v
    return out


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    shape = dict(blocks=(1, 1, 1), channels=(2, 4, 8), classes=5, small_stem=True, option_a=True, classifier="linear")

    net = make(1, **shape)
    state = OrderedDict((k, v.clone()) for k, v in net.state_dict().items() if "num_batches" not in k)
    expected(net, "option_a", 9)
    save_file(state, OUT / "option_a.safetensors")
    torch.save(net.float().state_dict(), OUT / "option_a.pth")
    parallel = OrderedDict(("module." + k, v) for k, v in state.items())
    torch.save({"epoch": 90, "state_dict": parallel, "best_prec1": torch.tensor(91.5), "args": argparse.Namespace(lr=0.1, nesterov=True),
                "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}},
               OUT / "option_a.checkpoint.legacy.pth", _use_new_zipfile_serialization=False)
    for label, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
        low = rounded(state, dtype)
        save_file(low, OUT / f"option_a.{label}.safetensors")
        net = make(1, **shape)
        net.load_state_dict(rounded(low, torch.float32), strict=False)
        expected(net, f"option_a.{label}", 9)

    net = make(2, blocks=(1, 1), channels=(2, 4), classes=3, bottleneck=True, groups=2, width=32)
    expected(net, "bottleneck", 15)
    strided = non_contiguous(OrderedDict((k, v) for k, v in net.float().state_dict().items() if "num_batches" not in k))
    torch.save(strided, OUT / "bottleneck.strided.pth")
    torch.save(strided, OUT / "bottleneck.strided.legacy.pth", _use_new_zipfile_serialization=False)

    net = make(3, blocks=(1, 1), channels=(2, 4), classes=4, small_stem=True, shortcut="shortcut", classifier="linear")
    expected(net, "projection", 8)
    save_file(net.float().state_dict(), OUT / "projection.safetensors", metadata={"labels": '["a", "b", "c", "d"]', "mean": "[0.5, 0.5, 0.5]"})
    torch.save({"model": rounded(net.state_dict(), torch.float64)}, OUT / "projection.f64.legacy.pth",
               _use_new_zipfile_serialization=False)
    for path in OUT.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    main()
