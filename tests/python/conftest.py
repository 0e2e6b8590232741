"""What the tests of the Python package share. Run them with tests/python/wheel_test.sh, or by pytest where residua is installed."""
import sys
from pathlib import Path

import numpy
import pytest

import residua

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
import pictures  # noqa: E402  the CIFAR images and PNG files of the tool's tests

MODEL = ROOT / "models" / "resnet20-cifar10.safetensors"


@pytest.fixture(scope="session")
def model():
    return residua.load(MODEL)


@pytest.fixture(scope="session")
def pixels():
    """The golden images, uint8 [8, 32, 32, 3]."""
    images = pictures.read_cifar(ROOT / "tests" / "golden" / "cifar10_first8.bin")
    return numpy.frombuffer(b"".join(image for _, image in images), numpy.uint8).reshape(8, 32, 32, 3)


@pytest.fixture(scope="session")
def normalised(pixels, model):
    """The same as a network takes them, float32 [8, 3, 32, 32]."""
    scaled = (pixels / 255 - numpy.array(model.mean)) / numpy.array(model.standard_deviation)
    return numpy.ascontiguousarray(scaled.transpose(0, 3, 1, 2), numpy.float32)


@pytest.fixture(scope="session")
def logits():
    """What PyTorch's logits are for the golden images, float32 [8, 10]."""
    return numpy.loadtxt(ROOT / "tests" / "golden" / "cifar10_first8_logits.txt", numpy.float32).reshape(8, 10)


@pytest.fixture
def photos(tmp_path):
    """The golden images as PNG files."""
    images = pictures.read_cifar(ROOT / "tests" / "golden" / "cifar10_first8.bin")
    paths = []
    for i, (_, image) in enumerate(images):
        paths.append(tmp_path / f"{i}.png")
        paths[-1].write_bytes(pictures.png(32, 32, image))
    return paths
