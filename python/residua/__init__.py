"""Residua runs residual networks (ResNet and its relatives) on CPUs.

    import residua
    model = residua.load("resnet50.onnx")
    logits = model(images)                  # uint8 [batch, height, width, 3], or normalised float32 [batch, 3, height, width]
    features = model.features(images)       # [batch, 512 or 2048]; model(images, "layer1.0.relu") for any other tensor
    residua.classify(["photo.jpg"], model)  # from image files on; needs Pillow
    model.profile(images).layers            # where the time goes

A model may be called from any number of threads at once; the interpreter's lock is released while the network runs. What
the library reports is raised as a residua.Error, by status: see residua.errors.
"""
from ._residua import Model, architectures, cpu_budget, load, random, softmax, top_k, version
from .crops import ten_crops
from .errors import (CancelledError, DeadlineError, Error, FileError, InternalError, InvalidArgumentError, LimitError,
                     MalformedError, MismatchError, OutOfMemoryError, UnsupportedError)
from .features import FeatureExtractor
from .photos import Class, classify, load_photo
from .profiles import Layer, Profile

__version__ = version()["version"]
__all__ = ["CancelledError", "Class", "DeadlineError", "Error", "FeatureExtractor", "FileError", "InternalError",
           "InvalidArgumentError", "Layer", "LimitError", "MalformedError", "MismatchError", "Model", "OutOfMemoryError",
           "Profile", "UnsupportedError", "architectures", "classify", "cpu_budget", "load", "load_photo", "random",
           "softmax", "ten_crops", "top_k", "version"]
