"""How torchvision prepares a photo for an ImageNet network, with Pillow and numpy."""
import numpy as np
from PIL import Image, ImageOps

MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
STANDARD_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)


def upright(path):
    """The photo in RGB, turned as its EXIF data ask."""
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def central_crop(photo):
    """uint8 [1,3,224,224] of a photo whose shorter side becomes 256, bilinear, and of that the centre; and what of the photo that
    shows: (left, top, right, bottom) in shares of its width and height."""
    width, height = (256 if side == min(photo.size) else int(256 * side / min(photo.size)) for side in photo.size)
    image = photo.resize((width, height), Image.Resampling.BILINEAR)
    left, top = int(round((width - 224) / 2)), int(round((height - 224) / 2))
    crop = image.crop((left, top, left + 224, top + 224))
    return np.asarray(crop).transpose(2, 0, 1)[None], (left / width, top / height, (left + 224) / width, (top + 224) / height)


def preprocessed(path):
    """uint8 [1,3,224,224] of a photo file."""
    return central_crop(upright(path))[0]


def normalized(images):
    """uint8 [N,3,H,W] as torchvision's ToTensor and Normalize make it, in float32."""
    return (images.astype(np.float32) / np.float32(255) - MEAN) / STANDARD_DEVIATION
