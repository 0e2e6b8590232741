"""Features for classifiers of your own, in the way of scikit-learn, which is not needed for it."""
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Union

import numpy

from . import _residua
from .photos import batches_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FeatureExtractor:
    """A transformer from photos to features: fit does nothing, transform gives float32 [photos, features].

    model: what residua.load gives, or the path of a model file, which is loaded at the first use (and in each process
    that a pickled or cloned extractor goes to). output: a tensor's name; "pooled" is what the network's own classifier
    reads. Other tensors are flattened to one row an image.
    """

    def __init__(self, model: Union[str, "os.PathLike[str]", _residua.Model], output: str = "pooled"):
        self.model = model
        self.output = output

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters, as scikit-learn's clone and search ask for them."""
        return {"model": self.model, "output": self.output}

    def set_params(self, **parameters: Any) -> FeatureExtractor:
        """Sets parameters by name; returns the extractor."""
        for name, value in parameters.items():
            if name not in self.get_params():
                raise ValueError(f"FeatureExtractor has no parameter '{name}'; it has model and output")
            setattr(self, name, value)
        self.__dict__.pop("_loaded", None)
        return self

    def fit(self, X: Any, y: Any = None) -> FeatureExtractor:
        """Nothing to learn; returns the extractor."""
        return self

    def transform(self, X: Union[Iterable[Union[str, "os.PathLike[str]"]], NDArray[Any]]) -> NDArray[numpy.float32]:
        """X: paths of image files (decoded by Pillow), or images as a Model takes them."""
        if "_loaded" not in self.__dict__:
            self._loaded = self.model if isinstance(self.model, _residua.Model) else _residua.load(self.model)
        batches = [X] if isinstance(X, numpy.ndarray) and X.ndim >= 3 else batches_of(X, self._loaded)
        rows = [self._loaded(images, self.output).reshape(len(images), -1) for images in batches]
        return numpy.concatenate(rows) if rows else numpy.empty((0, 0), numpy.float32)

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[numpy.float32]:
        """The same as transform."""
        return self.transform(X)

    def __getstate__(self) -> dict[str, Any]:
        return self.get_params()
