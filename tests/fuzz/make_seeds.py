"""Writes what the fuzzers start from, one folder a target: python3 make_seeds.py FOLDER

Files of tests/golden that are small, the hostile ones of tests/hostile, and what seed_models.py builds: nothing binary is
kept for this alone."""
import random
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "hostile"))

import onnx_bytes  # noqa: E402
import packed_bytes  # noqa: E402
import pth_bytes  # noqa: E402
import seed_models  # noqa: E402
from cases import CASES  # noqa: E402

LARGEST = 20_000


def golden(folder, ending):
    return [path.read_bytes() for path in sorted((TESTS / "golden" / folder).glob(ending))]


def hostile(*starts, ending=""):
    """The file that each case is about."""
    for case in CASES:
        name = case.target or next(iter(case.files))
        if case.name.startswith(starts) and name.endswith(ending) and isinstance(case.files[name], bytes):
            yield case.files[name]


def sidecars():
    for case in CASES:
        content = case.files.get("m.onnx.json")
        if isinstance(content, bytes):
            yield content
    yield b'{"input_size": [224, 200], "resize": 256, "interpolation": "bicubic", "labels": ["a", "b"]}'
    yield b'{}\0[0.5, 0.5, 0.5]\0[1, 1, 1]\x00224\x00256\0["a"]\0bilinear'


def tunings():
    head = b'{"format": "residua tuning 1", "host": "fuzz", "layers": '
    for layers in (b"{}", b'{"conv 3x3": {"direct": 0.5, "winograd 4x4": 0.25}}', b'{"a": {"b": -1}}', b'{"a": 7}', b"[[]]"):
        yield head + layers + b"}"
    yield head.replace(b"fuzz", b"other") + b"{}}"
    yield b"[" * 3000


def packed(content):
    """As tests/fuzz/packed.cpp takes it: the length of what follows the index, in eighths, then both."""
    return bytes([3]) + content + bytes(24)


def pickles():
    for case in CASES:
        content = case.files.get("m.pth", b"")
        if case.name.startswith(("pickle_", "tensor_")) and content.startswith(b"PK"):
            start = content.index(b"m/data.pkl") + len(b"m/data.pkl")
            yield content[start:content.index(b"PK", start)]


def graphs():
    choices = random.Random(20151210)
    for length in (8, 16, 32, 64, 128) * 12:
        yield bytes(choices.randrange(256) for _ in range(length))


# What a decoded image is resized to, and which way it goes, as tests/fuzz/image.cpp takes it: directly, as a file, and to
# the 13 pixels that the pictures of tests/golden are high.
ENDS = (bytes([32, 48]), bytes([32, 50]), bytes([12, 24]), bytes([200, 6]))


def images(ending, *starts):
    for number, content in enumerate([*golden("image/files", ending), *hostile(*starts)]):
        yield from (content + end for end in (ENDS if number < 12 else ENDS[number % 2:number % 2 + 1]))


def no_images():
    """Files of other formats, which only their start tells."""
    for start in (b"", b"GIF89a", b"BM", b"P6 1 1 255 ", b"II*\0", b"\0\0\0\x1cftypavif", b"%PDF-1.7", b"text, no image"):
        yield start.ljust(16, b"\0") + bytes([32, 50])


SEEDS = {
    "onnx": [*golden("onnx", "*.onnx"), onnx_bytes.model(), *seed_models.onnx_files(), *hostile("onnx_", "external_")],
    "safetensors": [*golden("weights", "*.safetensors"), *seed_models.safetensors_files(), *hostile("safetensors_")],
    "pth_zip": [*golden("weights", "*[!y].pth"), pth_bytes.pth(), *hostile("zip_", "pickle_", "tensor_")],
    "pth_legacy": [*golden("weights", "*.legacy.pth"), pth_bytes.legacy(), *hostile("legacy_")],
    "pickle": [*pickles(), *seed_models.pickles()],
    "packed": [packed(packed_bytes.index()), *[packed(content[64:-24]) for content in hostile("packed_")]],
    "text": [packed_bytes.NETWORK.encode(), *golden("passes", "*"), *golden("onnx", "*.txt")],
    "sidecar": list(sidecars()),
    "npy": list(hostile("npy_")),
    "jpeg": [*images("*.jpg", "image_jpeg"), *no_images()],
    "png": list(images("*.png", "image_png", "exif_")),
    "webp": list(images("*.webp", "image_webp")),
    "tuning": list(tunings()),
    "graph": list(graphs()),
}

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target, seeds in SEEDS.items():
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        small = [seed for seed in seeds if len(seed) <= LARGEST]
        for number, seed in enumerate(small):
            (folder / f"seed{number:03}").write_bytes(seed)
