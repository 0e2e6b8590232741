"""Residua beside onnxruntime, OpenVINO, PyTorch and ncnn: the same models, input, threads and precision, in turns, in one run.

For each model and batch, each engine is tried in the ways it offers (all threads together, a stream for each core, ...),
its fastest way goes into the rounds. Writes SLUG.json, SLUG.md and SLUG.svg, SLUG from the CPU's name, after every model.
Exit code 1 where an engine is missing, failed or gives other logits.
"""
import argparse
import datetime
import json
import os
import sys
from pathlib import Path

import chart
import engines
import machine
import measure
import models
import report
import summary

ROOT = models.ROOT


def labelled(text):
    name, equals, path = text.partition("=")
    if not equals or not name or not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=PATH of a libresidua.so")
    if name in engines.NAMES:
        raise argparse.ArgumentTypeError(f"'{name}' is taken")
    return name, str(Path(path).resolve())


def arguments():
    parser = argparse.ArgumentParser(prog="bench/peers/run.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short look: resnet18, 2 rounds of 0.3 s, into .scratch/benchmarks")
    parser.add_argument("--model", nargs="+", choices=models.FAMILY, help="[all]")
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--engine", nargs="+", choices=engines.NAMES, default=engines.NAMES, help="[all that are installed]")
    parser.add_argument("--passes", type=int, default=1,
                        help="times to go through all models; more of them put a model's rounds minutes apart [1]")
    parser.add_argument("--rounds", type=int, help="bursts of each engine in a pass [8]")
    parser.add_argument("--trials", type=int, help="bursts of each way to run a batch, before the rounds [3]")
    parser.add_argument("--seconds", type=float, help="of a burst [1.0]; two runs at least, after one that does not count")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds before each burst, for idle threads to fall asleep [0.1]")
    parser.add_argument("--threads", type=int, help="of each engine, on as many CPUs [all CPUs allowed]")
    parser.add_argument("--busy-core", action="store_true", help="measure again while another process keeps one CPU busy")
    parser.add_argument("--library", type=Path, default=ROOT / "build/engine/libresidua.so", help="[build/engine/libresidua.so]")
    parser.add_argument("--residua-label", metavar="NAME=PATH", action="append", type=labelled, default=[],
                        help="another libresidua.so to measure, under this name; repeatable")
    parser.add_argument("--schedule", choices=("auto", "latency", "throughput"), default="auto", help="of Residua [auto]")
    parser.add_argument("--torch-compile", action="store_true", help="try torch.compile too; needs a C++ compiler and minutes")
    parser.add_argument("--output", type=Path, help="folder of the results [docs/benchmarks]")
    parser.add_argument("--name", help="of the results' files [from the CPU]")
    parser.add_argument("--at-least", type=float, default=0.0, help="fail where Residua's speed over the best peer's is below this")
    parser.add_argument("--render", metavar="JSON", type=Path, help="measure nothing; write the table and chart of this file again")
    models.add_arguments(parser)
    options = parser.parse_args()
    short = options.quick
    options.model = options.model or (["resnet18"] if short else list(models.FAMILY))
    options.rounds = options.rounds or (2 if short else 8)
    options.trials = options.trials or (2 if short else 3)
    options.seconds = options.seconds or (0.3 if short else 1.0)
    options.output = options.output or ROOT / (".scratch/benchmarks" if short else "docs/benchmarks")
    allowed = len(os.sched_getaffinity(0))
    options.threads = options.threads or allowed
    if not 1 <= options.threads <= allowed:
        parser.error(f"--threads {options.threads}: this process may use {allowed} CPUs")
    if options.passes < 1:
        parser.error("--passes: 1 or more")
    if min(options.batch) < 1:
        parser.error("--batch: 1 or more")
    if "residua" in options.engine and not options.render and not options.library.is_file():
        parser.error(f"no {options.library}: build Residua (meson compile -C build), or give --library, or --engine without residua")
    return options


def installed(name):
    """The version of the engine's package, or a reason why it can't run."""
    import importlib.metadata
    for package in engines.module(name).PACKAGES:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return f"the package {package} is not installed"
    return ""


def contenders_of(options):
    """(contenders, {name: why it is left out})"""
    left_out = {name: why for name in options.engine if name in engines.PEERS and (why := installed(name))}
    found = [measure.Contender(name, name, {"library": str(options.library.resolve())} if name == "residua" else {})
             for name in options.engine if name not in left_out]
    first = 1 if found and found[0].name == "residua" else 0
    found[first:first] = [measure.Contender(name, "residua", {"library": path}) for name, path in options.residua_label]
    return found, left_out


def write(data, folder, name):
    report.write_whole(folder / f"{name}.json", json.dumps(data, indent=1) + "\n")
    report.write_whole(folder / f"{name}.svg", chart.svg(data))
    report.write_whole(folder / f"{name}.md", report.markdown(data, f"{name}.svg"))


def show(done):
    """A comparison on the terminal."""
    print(f"\n{done['model']}, batch {done['batch']}")
    ours = done["engines"].get(summary.OURS, {}).get("rounds_ms")
    for name, figures in done["engines"].items():
        if "failure" in figures:
            print(f"  {name:14} FAILED: {figures['failure']}")
            continue
        ratio = done.get("ratios", {}).get(name, {}).get("median")
        difference = figures.get("difference")
        text = f"ratio {ratio:5.2f}, of the fastest {summary.fastest_ratio(figures['rounds_ms'], ours):5.2f}" if ratio else ""
        print(f"  {name:14} {figures['milliseconds']:9.2f} ms {figures['images_per_second']:8.1f}/s  {text:34}  "
              f"spread {100 * figures['spread']:3.0f} %  "
              f"{figures['peak_mb']:5.0f} MB  {f'difference {difference:.1g}' if difference is not None else ''}  "
              f"{figures['configuration']}"
              + (f"  busy: {figures['busy']['slowdown']:.2f} x" if "busy" in figures else ""), flush=True)


def main():
    options = arguments()
    if options.render:
        write(json.loads(options.render.read_text(encoding="utf-8")), options.render.parent, options.render.stem)
        return 0
    contenders, left_out = contenders_of(options)
    for name, why in left_out.items():
        print(f"peers: {name} is left out: {why}", file=sys.stderr)
    here = machine.describe(options.threads)
    measure.keep_to(options.threads)
    settings = {key: getattr(options, key)
                for key in ("threads", "passes", "rounds", "trials", "seconds", "pause", "schedule", "torch_compile")}
    data = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": here,
            "settings": settings | {"precision": "float32", "input": [3, 224, 224], "difference_allowed": summary.LIMIT},
            "engines": {}, "left_out": left_out, "results": []}
    print(f"{machine.title(here)}: {len(contenders)} engines, {report.rounds_text(settings)}; ratio: their time over Residua's")
    files = {model: models.onnx_file(options, model) for model in options.model}
    comparisons = [measure.Comparison(options, contenders, model, files[model][0], batch)
                   for model in options.model for batch in options.batch]
    done = {}  # by comparison, of the last pass that measured it
    for _ in range(options.passes):
        for comparison in comparisons:
            done[comparison] = comparison.run() | {"weights": files[comparison.model][1]}
            data["results"] = list(done.values())
            data["engines"] = {one.name: {"version": one.version, "peer": one.engine in engines.PEERS} for one in contenders}
            show(done[comparison])
            write(data, options.output, options.name or here["slug"])
    print(f"\nwritten: {options.output / (options.name or here['slug'])}.json, .md, .svg")
    good = not any("failure" in one for result in done.values() for one in result["engines"].values())
    return 0 if good and not left_out and all(one.get("ratio", 1e9) >= options.at_least for one in done.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
