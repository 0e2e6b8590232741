"""Compares the image decoders and preprocessing with Pillow, file by file.

    python images.py IMAGE_TO_RAW EVALUATION_DATA [--all]

IMAGE_TO_RAW is the built tests/tools/image/image_to_raw. Prints a line for every file where the two do not simply agree (with
--all for every file), then the counts. Exit code 1 where the tool crashed, or decoded pixels that differ from Pillow's.
"""
import argparse
import collections
import pathlib
import subprocess
import sys
import warnings

import numpy as np
from PIL import Image, ImageOps

EXPECTED_EXIT_CODES = (0, 1)


def ours(tool, path, *arguments):
    """The pixels, or the reason of a refusal as text."""
    done = subprocess.run([tool, path, *map(str, arguments)], capture_output=True, check=False)
    if done.returncode not in EXPECTED_EXIT_CODES or b"Sanitizer" in done.stderr or b"runtime error" in done.stderr:
        return None, f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[-600:]}"
    if done.returncode == 1:
        return None, done.stderr.decode().strip()
    head, raw = done.stdout.split(b"\n", 1)
    width, height = map(int, head.split())
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3), ""


def pillows(path):
    try:
        image = Image.open(path)
        image.load()
        gray16 = image.mode.startswith("I") and image.format == "PNG"
        upright = ImageOps.exif_transpose(image)
        if gray16:  # Pillow clips at 255; the high byte is the agreed answer
            return np.repeat((np.asarray(upright) >> 8).astype(np.uint8)[..., None], 3, 2), ""
        return np.asarray(upright.convert("RGB")), ""
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return None, f"{type(error).__name__}: {str(error).replace(str(path), path.name)}"


def compare(tool, path):
    mine, my_reason = ours(tool, path)
    theirs, their_reason = pillows(path)
    if mine is None and my_reason.startswith("exit code"):
        return "CRASH", my_reason
    if mine is None and theirs is None:
        return "both refuse", f"{my_reason} | {their_reason}"
    if mine is None:
        return "we refuse, Pillow reads", my_reason
    if theirs is None:
        return "we read, Pillow refuses", their_reason
    if mine.shape != theirs.shape:
        return "DIFFERENT SIZE", f"{mine.shape} instead of {theirs.shape}"
    difference = np.abs(mine.astype(int) - theirs.astype(int))
    if difference.any():
        return "DIFFERENT", f"at most {difference.max()}, {np.count_nonzero(difference)} of {difference.size} values"
    return "equal", ""


def check_photos(tool, data):
    """Preprocessing against the golden crops, which are of the photos as stored, not turned as EXIF says."""
    crops = np.load(data / "golden" / "imagenet50_resize256_crop224_uint8.npz")["images"]
    rows = (data / "imagenet50" / "labels.tsv").read_text().splitlines()[1:]
    equal, wrong = 0, 0
    for row, crop in zip(rows, crops):
        path = data / "imagenet50" / row.split("\t")[0]
        mine, reason = ours(tool, path, 256, 224, "bilinear")
        if mine is not None and np.array_equal(mine, crop.transpose(1, 2, 0)):
            equal += 1
            continue
        image = Image.open(path)
        upright = ImageOps.exif_transpose(image)
        if mine is not None and upright.size != image.size:
            longer = int(256 * max(upright.size) / min(upright.size))
            size = (256, longer) if upright.width <= upright.height else (longer, 256)
            left, top = (int(round((side - 224) / 2.0)) for side in size)
            resized = upright.convert("RGB").resize(size, Image.Resampling.BILINEAR)
            if np.array_equal(mine, np.asarray(resized.crop((left, top, left + 224, top + 224)))):
                print(f"{path.name}: equal to Pillow's after exif_transpose; the golden crop is of the photo as stored")
                equal += 1
                continue
        wrong += 1
        print(f"{path.name}: preprocessing differs. {reason}")
    print(f"preprocessing: {equal} of {equal + wrong} photos equal")
    return wrong == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    counts = collections.Counter()
    for folder in ("odd", "photos", "imagenet50"):
        for path in sorted((options.data / folder).rglob("*")):
            if not path.is_file() or path.suffix in ("", ".md", ".txt", ".tsv", ".README"):
                continue
            verdict, detail = compare(options.tool, path)
            counts[folder, verdict] += 1
            if options.all or verdict not in ("equal", "both refuse"):
                print(f"{verdict:24} {path.relative_to(options.data)}  {detail}")
    for (folder, verdict), count in sorted(counts.items()):
        print(f"{folder:12} {verdict:24} {count}")
    good = check_photos(options.tool, options.data)
    return 0 if good and not any(verdict.isupper() for _, verdict in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
