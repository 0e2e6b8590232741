"""`residua classify` beside the usual Python way, from photo files to classes: Pillow in worker processes, then OpenVINO.

Both see the same folder of JPEGs, longer side 500 pixels, in turns. The tool's time is that of its whole command, start
and loading included; Python's is without them. Writes SLUG-photos.json and .md. Exit code 1 where first classes differ.
"""
import argparse
import contextlib
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import machine
import measure
import models
import report
import summary

ROOT = models.ROOT
SIDE, QUALITY = 500, 90
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def arguments():
    parser = argparse.ArgumentParser(prog="bench/peers/run.sh photos", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="resnet18, 100 files, 2 rounds, into .scratch/benchmarks")
    parser.add_argument("--model", nargs="+", choices=models.FAMILY, help="[resnet18 resnet50]")
    parser.add_argument("--photos", type=Path, help="folder of photos to make the files from [imagenet50 of the evaluation data]")
    parser.add_argument("--count", type=int, help="files [400]; photos are repeated as needed")
    parser.add_argument("--rounds", type=int, help="[6]")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, help="of each side, on as many CPUs [all CPUs allowed]")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds before each turn [0.1]")
    parser.add_argument("--tool", type=Path, default=ROOT / "build/tools/residua", help="[build/tools/residua]")
    parser.add_argument("--output", type=Path, help="folder of the results [docs/benchmarks]")
    parser.add_argument("--name", help="of the results' files [from the CPU]")
    models.add_arguments(parser)
    options = parser.parse_args()
    options.model = options.model or (["resnet18"] if options.quick else ["resnet18", "resnet50"])
    options.count = options.count or (100 if options.quick else 400)
    options.rounds = options.rounds or (2 if options.quick else 6)
    options.output = options.output or ROOT / (".scratch/benchmarks" if options.quick else "docs/benchmarks")
    options.photos = options.photos or options.data / "imagenet50"
    allowed = len(os.sched_getaffinity(0))
    options.threads = options.threads or allowed
    if not 1 <= options.threads <= allowed:
        parser.error(f"--threads {options.threads}: this process may use {allowed} CPUs")
    if not options.tool.is_file():
        parser.error(f"no {options.tool}: build Residua (meson compile -C build), or give --tool")
    if not options.photos.is_dir():
        parser.error(f"no {options.photos}: give a folder of photos with --photos")
    return options


def make_photos(source, count):
    """A folder of `count` JPEG files made from the photos in `source`; the same one as long as those stay as they are."""
    from PIL import Image, ImageOps
    originals = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)[:count]
    if not originals:
        raise SystemExit(f"photos: no photo in {source}")
    folder = ROOT / ".scratch/photos"
    made = {"source": str(source.resolve()), "count": count, "newest": max(path.stat().st_mtime for path in originals)}
    note, files = folder / "made.json", folder / "files"
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) == made:
        return files
    shutil.rmtree(folder, ignore_errors=True)
    files.mkdir(parents=True)
    for index in range(count):
        path = files / f"{index:05}.jpg"
        if index >= len(originals):
            shutil.copyfile(files / f"{index % len(originals):05}.jpg", path)
            continue
        image = ImageOps.exif_transpose(Image.open(originals[index])).convert("RGB")
        size = [max(1, round(side * SIDE / max(image.size))) for side in image.size]
        image.resize(size, Image.Resampling.LANCZOS).save(path, quality=QUALITY)
    report.write_whole(note, json.dumps(made))
    return files


def classify(options, onnx, files):
    """(seconds of the whole command, first classes in the order of names)"""
    command = [options.tool, "classify", "--model", onnx, "--json", "--top", 1, "--threads", options.threads,
               "--batch", options.batch, files]
    start = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise measure.Failure(f"residua classify ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    lines = sorted(map(json.loads, done.stdout.splitlines()), key=lambda line: line["path"])
    return seconds, [line["top"][0]["index"] for line in lines]


def compare(options, model, onnx, files):
    """JSON: images per second of both by round, and whether they agree."""
    with contextlib.ExitStack() as stack:
        ways = {}
        for workers in range(1, max(2, options.threads) + 1):
            one = measure.Child("pillow_way.py", onnx, files, workers, options.threads, options.batch)
            stack.callback(one.close)
            version = one.answer()["version"]
            ways[workers] = (one.ask({})["seconds"], one)  # the first turn also warms the files up
        for workers, (_, one) in ways.items():
            time.sleep(options.pause)
            ways[workers] = (one.ask({})["seconds"], one)
        workers = min(ways, key=lambda count: ways[count][0])
        python = ways[workers][1]
        classify(options, onnx, files)
        ours, theirs, different = [], [], 0
        for _ in range(options.rounds):
            time.sleep(options.pause)
            seconds, classes = classify(options, onnx, files)
            ours.append(seconds)
            time.sleep(options.pause)
            answer = python.ask({})
            theirs.append(answer["seconds"])
            different = max(different, sum(a != b for a, b in zip(classes, answer["classes"], strict=True)))
    return {"model": model, "workers": workers, "openvino": version, "first_classes_different": different,
            "residua_images_per_second": options.count / summary.median(ours),
            "python_images_per_second": options.count / summary.median(theirs),
            "ratio": summary.ratio(theirs, ours), "residua_seconds": ours, "python_seconds": theirs,
            "python_seconds_by_workers": {str(count): seconds for count, (seconds, _) in ways.items()}}


def markdown(data):
    rows = [[one["model"], f"OpenVINO {one['openvino']}, Pillow in {one['workers']}", f"{one['residua_images_per_second']:.1f}",
             f"{one['python_images_per_second']:.1f}",
             f"{one['ratio']['median']:.2f}", str(one["first_classes_different"])] for one in data["results"]]
    lines = [f"# From photo files to classes: {machine.title(data['machine'])}", "", *report.table(
        ["model", "beside", "`residua classify`, images/s", "Pillow and OpenVINO, images/s", "ratio", "first classes that differ"],
        rows), "",
        f"{data['count']} JPEG files, longer side {SIDE} pixels, batch {data['batch']}, {data['rounds']} rounds in turns, measured "
        f"{data['date'][:10]} by `bench/peers/run.sh photos`. Residua's time is that of the whole command, start and loading "
        "included; Python's is without them. Pillow has its best number of worker processes. Ratio: median over rounds."]
    return "\n".join(lines) + "\n"


def main():
    options = arguments()
    here = machine.describe(options.threads)
    measure.keep_to(options.threads)
    files = make_photos(options.photos, options.count)
    data = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": here,
            "count": options.count, "batch": options.batch, "rounds": options.rounds, "results": []}
    name = f"{options.name or here['slug']}-photos"
    for model in options.model:
        try:
            done = compare(options, model, models.onnx_file(options, model)[0], files)
        except measure.Failure as failure:
            print(f"photos: {model}: {failure}", file=sys.stderr)
            return 1
        data["results"].append(done)
        print(f"{model}: residua classify {done['residua_images_per_second']:.1f}/s, Pillow and OpenVINO "
              f"{done['python_images_per_second']:.1f}/s (worker processes: {done['workers']}), ratio {done['ratio']['median']:.2f}, "
              f"first classes that differ: {done['first_classes_different']} of {options.count}", flush=True)
        report.write_whole(options.output / f"{name}.json", json.dumps(data, indent=1) + "\n")
        report.write_whole(options.output / f"{name}.md", markdown(data))
    print(f"written: {options.output / name}.json, .md")
    return 1 if any(one["first_classes_different"] for one in data["results"]) else 0


if __name__ == "__main__":
    sys.exit(main())
