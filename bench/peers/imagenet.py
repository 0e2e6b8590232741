"""How torchvision prepares a photo for an ImageNet network, with Pillow and numpy."""
import numpy as np
from PIL import Image, ImageOps

MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
STANDARD_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)


def preprocessed(path):
    """uint8 [1,3,224,224]: the upright photo, shorter side 256, bilinear, and of that the centre."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    width, height = (256 if side == min(image.size) else int(256 * side / min(image.size)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = int(round((width - 224) / 2)), int(round((height - 224) / 2))
    return np.asarray(image.crop((left, top, left + 224, top + 224))).transpose(2, 0, 1)[None]


def normalized(images):
    """uint8 [N,3,H,W] as torchvision's ToTensor and Normalize make it, in float32."""
    return (images.astype(np.float32) / np.float32(255) - MEAN) / STANDARD_DEVIATION
