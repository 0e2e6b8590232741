"""Parts of images whose answers are averaged."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ten_crops(image: NDArray[Any], height: int, width: int) -> List[NDArray[Any]]:
    """The four corners and the centre of an image [height, width, ...] and of its mirror image, as views.

    In torchvision's order: top left, top right, bottom left, bottom right, centre. With `model.resized` this is ten-crop
    testing (Krizhevsky et al., 2012):

        crops = residua.ten_crops(model.resized(photo), *model.input_size)
        probabilities = model(numpy.stack(crops), "probabilities").mean(axis=0)

    Raises ValueError where the image is smaller than a crop.
    """
    bottom, right = image.shape[0] - height, image.shape[1] - width
    if min(bottom, right) < 0 or min(height, width) < 1:
        raise ValueError(f"crops of {height} x {width} from an image of {image.shape[0]} x {image.shape[1]}: 1 x 1 to its "
                         "size expected")
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (round(bottom / 2), round(right / 2))]
    return [each[top:top + height, left:left + width] for each in (image, image[:, ::-1]) for top, left in corners]
