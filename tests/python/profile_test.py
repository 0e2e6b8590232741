"""Where a run's time went, and runs without the algorithms that mix neighbours."""
import dataclasses
import json

import numpy
import pytest

import residua

from conftest import MODEL


def test_layers_and_trace(model, pixels):
    profile = model.profile(pixels)
    assert profile.images == 8 and 1 <= profile.threads <= residua.cpu_budget() and profile.context_bytes > 0
    assert [layer.op for layer in profile.layers].count("convolution") >= 19
    assert all(layer.name and layer.implementation and layer.milliseconds >= 0 for layer in profile.layers)
    assert 0 < sum(layer.milliseconds for layer in profile.layers) <= profile.total_ms
    assert abs(sum(layer.gflop for layer in profile.layers) / 8 - 0.0816) < 0.002  # 40.8 million multiply-adds an image
    events = json.loads(profile.trace)["traceEvents"]
    assert {event["name"] for event in events} >= {layer.name for layer in profile.layers}
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.images = 0


def test_a_new_shape_is_told(pixels):
    model = residua.load(MODEL)
    first, second = model.profile(pixels[:3]), model.profile(pixels[:3])
    assert first.planned and 0 < first.planning_ms <= first.total_ms and not second.planned
    assert model.counters()["runs"] == 2


def test_a_profile_is_of_the_outputs_asked_for(model, pixels):
    assert len(model.profile(pixels, "pooled").layers) < len(model.profile(pixels, ["pooled", "logits"]).layers)
    assert model.profile(pixels[0]).images == 1
    with pytest.raises(residua.InvalidArgumentError, match="at least one"):
        model.profile(pixels[:0])
    with pytest.raises(residua.MismatchError, match="nothing"):
        model.profile(pixels, "nothing")


def test_direct_runs_have_no_transforms(model, normalised):
    direct = residua.load(MODEL, direct=True)
    assert numpy.abs(direct(normalised) - model(normalised)).max() < 1e-4

    def transforms(profile):
        return [layer for layer in profile.layers if layer.implementation.startswith(("winograd", "strassen", "tiles"))]

    assert transforms(model.profile(normalised)) and not transforms(direct.profile(normalised))
    photo = numpy.zeros((3, 64, 64), numpy.float32)
    assert transforms(residua.random("resnet18").profile(photo))
    assert not transforms(residua.random("resnet18", direct=True).profile(photo))
