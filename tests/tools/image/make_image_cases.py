"""Writes tests/golden/image: what Pillow (and torchvision's arithmetic on top of it) makes of images.

    python make_image_cases.py [EVALUATION_DATA]

Needs Pillow, numpy and torchvision. resize.txt, preprocess.txt: digests of resized noise. files/, files.txt: small images of
every kind and the digests of their pixels. With the evaluation data also odd.txt, photos.txt: digests of its images.
"""
import io
import os
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps
from torchvision.transforms import functional

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden" / "image"
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
INTERPOLATIONS = {"bilinear": functional.InterpolationMode.BILINEAR, "bicubic": functional.InterpolationMode.BICUBIC}


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def noise(width, height):
    """The bytes that the C++ tests make too: the high bytes of a linear congruential sequence."""
    state, data = 1, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        data.append(state >> 24)
    return Image.frombytes("RGB", (width, height), bytes(data))


def write_lines(name, heading, lines):
    (GOLDEN / name).write_text(f"# {heading}\n" + "".join(line + "\n" for line in lines))


def resize_cases():
    sizes = [(1, 1, 1, 1), (1, 1, 5, 7), (2, 1, 1, 1), (1, 9, 1, 2), (7, 1, 3, 1), (3, 3, 2, 2), (4, 4, 4, 4), (5, 4, 5, 9),
             (5, 9, 5, 4), (9, 5, 4, 5), (4, 5, 9, 5), (16, 16, 8, 8), (17, 13, 5, 31), (31, 6, 64, 3), (50, 40, 49, 41),
             (64, 48, 21, 16), (100, 3, 7, 3), (3, 100, 3, 7), (123, 77, 64, 40), (40, 64, 123, 77), (211, 150, 5, 4),
             (300, 2, 1, 1), (2, 300, 33, 20), (97, 101, 96, 100), (20, 40, 15, 30), (20, 40, 15, 29), (30, 80, 21, 56), (9, 40, 30, 39), (9, 40, 30, 41), (37, 41, 38, 42), (200, 160, 26, 33)]
    lines = []
    for width, height, new_width, new_height in sizes:
        for name, pillow_filter in FILTERS.items():
            resized = noise(width, height).resize((new_width, new_height), pillow_filter)
            lines.append(f"{width} {height} {new_width} {new_height} {name} {fnv1a(resized.tobytes())}")
    write_lines("resize.txt", "source width, height, resized width, height, filter, digest of the RGB bytes", lines)


def preprocess_cases():
    cases = [(60, 45, 32, 28, 28), (45, 60, 32, 28, 28), (32, 50, 32, 28, 28), (50, 32, 32, 32, 32), (33, 32, 32, 31, 30),
             (21, 40, 11, 8, 6), (40, 21, 12, 9, 13), (10, 30, 8, 12, 12), (30, 10, 8, 12, 12), (9, 7, 5, 20, 16), (1, 1, 7, 5, 5),
             (3, 200, 4, 6, 8), (150, 113, 36, 33, 33), (5, 5, 5, 9, 2), (41, 27, 19, 16, 18)]
    lines = []
    for width, height, shorter, out_width, out_height in cases:
        for name, interpolation in INTERPOLATIONS.items():
            image = functional.resize(noise(width, height), shorter, interpolation)
            image = functional.center_crop(image, [out_height, out_width])
            assert image.size == (out_width, out_height)
            lines.append(f"{width} {height} {shorter} {out_width} {out_height} {name} {fnv1a(image.tobytes())}")
    write_lines("preprocess.txt", "source width, height, shorter side, output width, height, filter, digest", lines)


def pixels(source):
    """The expected RGB image, or None where Pillow refuses."""
    try:
        image = Image.open(source)
        image.load()
        if image.mode.startswith("I"):  # 16-bit gray: the high byte
            gray = (np.asarray(ImageOps.exif_transpose(image)) >> 8).astype(np.uint8)
            return Image.fromarray(gray).convert("RGB")
        return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def picture(width, height):
    """Something with edges, gradients and a corner of its own."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / max(width - 1, 1)
    green = 255 * y / max(height - 1, 1)
    blue = 128 + 100 * np.sin(x / 2.0) * np.cos(y / 3.0)
    rgb = np.stack([red, green, blue], 2).astype(np.uint8)
    rgb[: height // 3, : width // 4] = [250, 20, 30]
    return Image.fromarray(rgb)


def exif(orientation, big_endian=True, field_type=3):
    order = ">" if big_endian else "<"
    value = struct.pack(order + ("HH" if field_type == 3 else "I"), *([orientation, 0] if field_type == 3 else [orientation]))
    head = b"MM" if big_endian else b"II"
    return head + struct.pack(order + "HIHHHI", 42, 8, 1, 0x0112, field_type, 1) + value + bytes(4)


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, color_type, depth, interlaced=False, extra=(), late=(), claimed=None):
    """samples: [height, width, channels] of whole numbers below 2^depth. extra, late: chunks before and after the pixels.
    claimed: another height and width for the header."""
    height, width = claimed or samples.shape[:2]

    def packed(part):
        rows = b""
        for row in part:
            bits = "".join(f"{int(v):0{depth}b}" for v in row.reshape(-1))
            bits += "0" * (-len(bits) % 8)
            rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
        return rows

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        raw = b"".join(packed(part) for part in parts if part.size)
    else:
        raw = packed(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(raw, 9)), *late, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


def png_files():
    random = np.random.default_rng(3)

    def draw(channels, depth):
        return random.integers(0, 1 << depth, (13, 19, channels))

    palette = (b"PLTE", random.integers(0, 256, 3 * 16, dtype=np.uint8).tobytes())
    for depth in (1, 2, 4, 8, 16):
        yield f"gray{depth}.png", png(draw(1, depth), 0, depth)
        yield f"gray{depth}_interlaced.png", png(draw(1, depth), 0, depth, True)
    for depth in (1, 2, 4):
        yield f"palette{depth}.png", png(draw(1, depth), 3, depth, extra=[palette])
    yield "palette4_interlaced.png", png(draw(1, 4), 3, 4, True, extra=[palette])
    yield "palette8_transparent.png", png(draw(1, 8) % 16, 3, 8, extra=[palette, (b"tRNS", b"\0\x80\xff")])
    for depth in (8, 16):
        yield f"gray_alpha{depth}.png", png(draw(2, depth), 4, depth)
        yield f"rgb{depth}.png", png(draw(3, depth), 2, depth)
        yield f"rgba{depth}.png", png(draw(4, depth), 6, depth, True)
    yield "gray8_transparent.png", png(draw(1, 8), 0, 8, extra=[(b"tRNS", b"\0\x07")])
    yield "rgb8_gamma.png", png(draw(3, 8), 2, 8, extra=[(b"gAMA", struct.pack(">I", 100000))])
    yield "one_pixel.png", png(random.integers(0, 256, (1, 1, 3)), 2, 8)
    yield "exif6.png", png(draw(3, 8), 2, 8, extra=[(b"eXIf", exif(6))])
    yield "exif8_late.png", png(draw(3, 8), 2, 8, late=[(b"eXIf", exif(8, False))])
    # refused: an index beyond the palette, more pixels than the limit, more than the file can hold
    yield "bad_palette_index.png", png(draw(1, 8) % 17, 3, 8, extra=[palette])
    yield "bad_size.png", png(draw(3, 8), 2, 8, claimed=(60000, 50000))
    yield "bad_few_bytes.png", png(draw(3, 8), 2, 8, claimed=(9000, 9000))


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg_files():
    image = picture(37, 26)
    yield "baseline420.jpg", saved(image, "JPEG", quality=90)
    yield "baseline422.jpg", saved(image, "JPEG", quality=90, subsampling=1)
    yield "baseline444.jpg", saved(image, "JPEG", quality=90, subsampling=0)
    yield "restarts.jpg", saved(image, "JPEG", quality=80, restart_marker_blocks=1)
    yield "progressive.jpg", saved(image, "JPEG", quality=90, progressive=True)
    yield "gray.jpg", saved(image.convert("L"), "JPEG", quality=90)
    yield "gray_progressive.jpg", saved(image.convert("L"), "JPEG", quality=90, progressive=True)
    yield "rgb.jpg", saved(image, "JPEG", quality=90, keep_rgb=True)
    cmyk = saved(image.convert("CMYK"), "JPEG", quality=90)
    yield "cmyk.jpg", cmyk
    marker = cmyk.index(b"\xff\xee\x00\x0eAdobe")
    yield "ycck.jpg", cmyk[: marker + 15] + b"\x02" + cmyk[marker + 16 :]
    yield "cmyk_no_adobe.jpg", cmyk[:marker] + cmyk[marker + 16 :]
    yield "one_pixel.jpg", saved(picture(1, 1), "JPEG")
    yield "no_end_marker.jpg", saved(image, "JPEG", quality=90)[:-2]
    for orientation in range(1, 10):
        block = b"Exif\0\0" + exif(orientation, orientation % 2 == 0, 4 if orientation == 7 else 3)
        yield f"exif{orientation}.jpg", saved(image, "JPEG", quality=70, exif=block)


def riff(chunks):
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_files():
    image = picture(37, 26)
    clear = image.copy()
    clear.putalpha(Image.fromarray(np.tile(np.arange(37, dtype=np.uint8) * 6, (26, 1))))
    yield "lossy.webp", saved(image, "WEBP", quality=80)
    yield "lossless.webp", saved(image, "WEBP", lossless=True)
    yield "lossy_alpha.webp", saved(clear, "WEBP", quality=80, exact=True)
    yield "lossless_alpha.webp", saved(clear, "WEBP", lossless=True, exact=True)
    yield "exif5.webp", saved(image, "WEBP", lossless=True, exif=exif(5))
    yield "animation.webp", saved(image, "WEBP", save_all=True, lossless=True, append_images=[image.rotate(180)])
    # the first frame covers a part of the canvas only
    frame = saved(picture(9, 8), "WEBP", lossless=True)[12:]
    place = [struct.pack("<I", v)[:3] for v in (2, 3, 8, 7, 100)]
    yield "animation_part.webp", riff([
        (b"VP8X", struct.pack("<I", 2) + struct.pack("<I", 19)[:3] + struct.pack("<I", 16)[:3]),
        (b"ANIM", bytes(6)), (b"ANMF", b"".join(place) + b"\2" + frame)])


def file_cases():
    folder = GOLDEN / "files"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    lines = []
    for name, data in [*jpeg_files(), *png_files(), *webp_files()]:
        (folder / name).write_bytes(data)
        # Pillow wants the end marker; all pixels are there without it.
        whole = data + b"\xff\xd9" if name == "no_end_marker.jpg" else data
        image = None if name.startswith("bad_") else pixels(io.BytesIO(whole))
        assert image or name.startswith("bad_"), name
        lines.append(f"{name} {image.width} {image.height} {fnv1a(image.tobytes())}" if image else f"{name} 0 0 refused")
    write_lines("files.txt", "file, width, height, digest of the RGB bytes", lines)


# Pillow reads these, though they are damaged: the decoder warns that pixels are made up, or a checksum is wrong.
DAMAGED = {
    "dc-predictor-overflow.jpg",  # image data that ends early
    "1cbb1bb37d62c44f67374cd451643dc4.jpg",
    "7997b6b229f25315d33f5c7085e37500.jpg",
    "8e5e74dbf9b68a322fbb9512db837329.jpg",
    "b55977028a3a574336966b6536640fc9.jpg",
    "28c74d9284d9836017fd519f6932efd8.jpg",  # scans out of order
    "f6b4389c3cf0f5997b2e5a4b905aea8d.jpg",
    "subtract-with-overflow.jpg",
    "5482a54657765056f1a94116a8dbffe7.jpg",  # a bad Huffman code
    "xcsn0g01.png",  # a wrong checksum
}


def evaluation_cases(data):
    lines = []
    for path in sorted((data / "odd").rglob("*")) + sorted((data / "photos").iterdir()):
        if path.suffix not in (".jpg", ".jpeg", ".png") or path.name in DAMAGED:
            continue
        image = pixels(path)
        if image:
            lines.append(f"{path.relative_to(data)} {image.width} {image.height} {fnv1a(image.tobytes())}")
    write_lines("odd.txt", "file of the evaluation data, width, height, digest of the RGB bytes", lines)

    lines = []
    crops = np.load(data / "golden" / "imagenet50_resize256_crop224_uint8.npz")["images"]
    # The golden crops are of photos as stored; the one that EXIF turns is taken from Pillow.
    rows = (data / "imagenet50" / "labels.tsv").read_text().splitlines()[1:]
    assert len(rows) == len(crops)
    for row, crop in zip(rows, crops):
        path = data / "imagenet50" / row.split("\t")[0]
        image = Image.open(path)
        if ImageOps.exif_transpose(image).size != image.size:
            crop = np.asarray(functional.center_crop(functional.resize(pixels(path), 256), 224)).transpose(2, 0, 1)
        lines.append(f"imagenet50/{path.name} {fnv1a(np.ascontiguousarray(crop.transpose(1, 2, 0)).tobytes())}")
    write_lines("photos.txt", "photo of the evaluation data, digest of its RGB bytes after resize 256, crop 224", lines)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    resize_cases()
    preprocess_cases()
    file_cases()
    if len(sys.argv) > 1:
        evaluation_cases(pathlib.Path(sys.argv[1]))
