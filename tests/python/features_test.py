"""Tensors in between: by name, several of one run, and as features for other classifiers."""
import pickle

import numpy
import pytest

import residua

from conftest import MODEL


def test_outputs_by_name(model, pixels, logits):
    assert (model(pixels, "logits") == model(pixels)).all()
    several = model(pixels, ["probabilities", "logits"])
    assert list(several) == ["probabilities", "logits"]
    assert numpy.allclose(several["probabilities"].sum(axis=1), 1, atol=1e-5)
    with pytest.raises(residua.MismatchError, match="nothing"):
        model(pixels, "nothing")
    twice = model(pixels, ["logits", "pooled", "logits"])
    assert list(twice) == ["logits", "pooled"] and (twice["logits"] == several["logits"]).all()
    with pytest.raises(TypeError, match="outputs"):
        model(pixels, 3)
    with pytest.raises(residua.InvalidArgumentError, match="at least one"):
        model(pixels, [])
    with pytest.raises(residua.InvalidArgumentError, match="one output only"):
        model(pixels, ["logits"], out=numpy.empty((8, 10), numpy.float32))


def test_every_listed_tensor_can_be_had(model, pixels):
    for name, _, shape in model.tensors():
        assert model(pixels, name).shape == (8, *shape[1:]), name


def test_shapes_follow_the_images(model):
    for side, batch in ((32, 1), (40, 2), (32, 3)):
        *_, (name, _, shape) = [tensor for tensor in model.tensors(height=side, width=side) if len(tensor[2]) == 4]
        images = numpy.zeros((batch, 3, side, side), numpy.float32)
        assert model(images, name).shape == (batch, *shape[1:])


def test_features_are_one_row_an_image(model, pixels):
    features = model.features(pixels)
    assert features.shape == (8, 64) and model.features(pixels[:0]).shape == (0, 64)
    assert numpy.allclose(model.features(pixels[3]), features[3:4], atol=1e-5)


def test_counters_count(pixels):
    model = residua.load(MODEL)
    model(pixels)
    model(pixels[0])
    with pytest.raises(residua.MismatchError):
        model(pixels, "nothing")
    counters = model.counters()
    assert (counters["runs"], counters["images"]) == (2, 9) and counters["run_ms"] > 0


def test_extractor(photos, pixels, model):
    for extractor in (residua.FeatureExtractor(model), residua.FeatureExtractor(MODEL)):
        assert numpy.allclose(extractor.fit(photos).transform(photos), model.features(pixels), atol=1e-5)
        assert numpy.allclose(extractor.fit_transform(pixels), model.features(pixels), atol=1e-5)
    extractor = pickle.loads(pickle.dumps(residua.FeatureExtractor(MODEL, output="logits")))
    assert extractor.transform(photos).shape == (8, 10)
    assert extractor.set_params(output="pooled").get_params()["output"] == "pooled"
    with pytest.raises(ValueError, match="no parameter 'depth'"):
        extractor.set_params(depth=3)
