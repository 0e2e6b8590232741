"""From image files to classes. Pillow decodes; it is asked for only when it is needed."""
from __future__ import annotations

import concurrent.futures
import os
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator, List, NamedTuple, Optional, Union

import numpy

from . import _residua

if TYPE_CHECKING:
    from numpy.typing import NDArray

PathLike = Union[str, "os.PathLike[str]"]
_BUNDLED = Path(__file__).parent / "models" / "resnet20-cifar10.safetensors"
_BATCH = 16  # photos that are decoded ahead and run at once: enough for throughput, a few MB


class Class(NamedTuple):
    """One answer: the class's index, its label ("" where the model has none) and its probability."""
    index: int
    label: str
    probability: float


def load_photo(path: PathLike) -> NDArray[numpy.uint8]:
    """The pixels of an image file, uint8 [height, width, 3], RGB, turned as its EXIF data says.

    Raises ImportError without Pillow, and OSError for a file that Pillow can't read.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("decoding photos needs Pillow: pip install 'residua[photos]', or give arrays to a Model") from error
    with Image.open(path) as image:
        return numpy.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def batches_of(paths: Iterable[PathLike], model: _residua.Model) -> Iterator[NDArray[numpy.uint8]]:
    """The photos, prepared for the model, uint8 [up to 16, height, width, 3]. Raises what load_photo raises."""
    files = list(paths)
    with concurrent.futures.ThreadPoolExecutor(_residua.cpu_budget()) as pool:
        for start in range(0, len(files), _BATCH):
            yield numpy.stack(list(pool.map(lambda path: model.preprocess(load_photo(path)), files[start:start + _BATCH])))


def classify(paths: Union[PathLike, Iterable[PathLike]], model: Optional[_residua.Model] = None, *,
             top: int = 5) -> List[List[Class]]:
    """The `top` most probable classes of each image file, most probable first, in the order of the paths.

    paths: one path, or any number of them. model: what residua.load gives; None: the bundled demonstration model, which
    knows ten kinds of things. Raises what load_photo and the model raise.
    """
    files = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if top < 1:
        raise ValueError(f"top is {top}: at least 1 expected")
    if model is None:
        model = _residua.load(_BUNDLED)
    labels = model.labels
    answers: List[List[Class]] = []
    for images in batches_of(files, model):
        values = model(images, "probabilities")
        for row, best in zip(values, _residua.top_k(values, top)):
            answers.append([Class(i, labels[i] if labels else "", float(row[i])) for i in best])
    return answers
