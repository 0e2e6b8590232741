"""The Markdown of a measurement, and how its files are written. Standard library only."""
import os
from pathlib import Path

import machine
import summary

TITLES = {"residua": "Residua", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch", "ncnn": "ncnn"}


def title(name):
    return TITLES.get(name, name)


def write_whole(path, text):
    """The file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def table(head, rows):
    """Lines of a Markdown table; all columns but the first two to the right."""
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def names_of(data):
    """Engines in the order of the measurement: those with a result somewhere."""
    return [name for name in data["engines"] if any("milliseconds" in one["engines"].get(name, {}) for one in data["results"])]


def per_engine(data, head, cell):
    """A table of a row for each model and batch, a column for each engine; `cell` gives an engine's text."""
    names = names_of(data)
    rows = []
    for one in data["results"]:
        found = [one["engines"].get(name, {}) for name in names]
        rows.append([one["model"], str(one["batch"]), *(cell(name, figures, one) if "milliseconds" in figures else "–"
                                                        for name, figures in zip(names, found))])
    return table(["model", "batch", *(f"{title(name)}{head}" for name in names)], rows)


def speed_cell(name, figures, one):
    text = f"{figures['images_per_second']:.1f}"
    return f"**{text}**" if figures["milliseconds"] == min(
        other["milliseconds"] for other in one["engines"].values() if "milliseconds" in other) else text


def ratio_cell(name, figures, one):
    found = one.get("ratios", {}).get(name)
    return f"{found['median']:.2f}" if found else "1"


def fastest_cell(name, figures, one):
    if name not in one.get("ratios", {}):
        return "1"
    return f"{summary.fastest_ratio(figures['rounds_ms'], one['engines'][summary.OURS]['rounds_ms']):.2f}"


def overall(data, ratio_of=lambda one: one["ratio"]):
    """Geometric means over the models of Residua's speed over the best peer's, for each batch: {batch: ratio}."""
    found = {}
    for one in data["results"]:
        if "ratio" in one:
            found.setdefault(one["batch"], []).append(ratio_of(one))
    return {batch: summary.geometric_mean(ratios) for batch, ratios in found.items()}


def means_text(means):
    return ", ".join(f"**{ratio:.2f}** at batch {batch}" for batch, ratio in means.items())


def failures(data):
    """Why engines are missing, one line each."""
    lines = [f"- {title(name)}: left out: {why}" for name, why in data["left_out"].items()]
    for one in data["results"]:
        for name, figures in one["engines"].items():
            if "failure" in figures:
                lines.append(f"- {title(name)}, {one['model']}, batch {one['batch']}: {figures['failure']}")
    return lines


def rounds_text(settings):
    """How often an engine ran, and how long; files from before there were passes have one."""
    passes = settings.get("passes", 1)
    return f"{f'{passes} passes of ' if passes > 1 else ''}{settings['rounds']} rounds of {settings['seconds']:g} s"


def markdown(data, chart=None):
    """The report; `chart`: the SVG's name beside it."""
    settings = data["settings"]
    lines = [f"# Side by side: {machine.title(data['machine'])}", ""]
    means = overall(data)
    if means:
        peers = [name for name, one in data["engines"].items() if one["peer"]]
        fastest = overall(data, lambda one: summary.fastest_ratio_of_best(one, peers))
        lines += ["Residua's speed over the best other engine's, geometric mean over models: "
                  f"{means_text(means)}; of the fastest bursts: {means_text(fastest)}.", ""]
    if chart:
        lines += [f"![Speed of each engine by model and batch]({chart})", ""]
    lines += ["Images per second, float32; the fastest in bold:", "", *per_engine(data, "", speed_cell), ""]
    if any("ratios" in one for one in data["results"]):
        lines += ["Their time over Residua's, median over rounds of the ratio in a round (above 1: Residua is faster):", "",
                  *per_engine(data, "", ratio_cell), "",
                  "The same of each engine's fastest burst, whatever the round: where other people's work on the machine comes and "
                  "goes, the closest to a machine of one's own:", "",
                  *per_engine(data, "", fastest_cell), ""]
    cuda = "+cu" in data["engines"].get("torch", {}).get("version", "")
    lines += ["Most memory held, MB, Python and loading included"
              + (" (PyTorch's is a build with CUDA, whose libraries count):" if cuda else ":"), "",
              *per_engine(data, "", lambda name, figures, one: f"{figures['peak_mb']:.0f}"), ""]
    if any("busy" in figures for one in data["results"] for figures in one["engines"].values()):
        lines += ["Time with one core kept busy by another process over the quiet time, the engine's own:", "",
                  *per_engine(data, "", lambda name, figures, one:
                              f"{figures['busy']['slowdown']:.2f}" if "busy" in figures else "–"), ""]
    lines += ["How each engine ran fastest, and so is compared:", "",
              *per_engine(data, "", lambda name, figures, one: figures["configuration"]), ""]
    bad = failures(data)
    lines += ["Not everything ran:", "", *bad, ""] if bad else []
    lines += [f"Measured {data['date'][:10]} by `bench/peers/run.sh`: {rounds_text(settings)} for each engine, in turns, each in a "
              f"process of its own. Largest difference of the rounds from each other: {spread_text(data)}. Versions: " + ", ".join(
                  f"{title(name)} {one['version']}" for name, one in data["engines"].items() if one["version"]) +
              f". {data['machine']['system']}. Weights: " + ", ".join(sorted({one["weights"] for one in data["results"]})) + "."]
    return "\n".join(lines) + "\n"


def spread_text(data):
    spreads = [figures["spread"] for one in data["results"] for figures in one["engines"].values() if "spread" in figures]
    return f"{100 * summary.median(spreads):.0f} % in the median, {100 * max(spreads):.0f} % at worst" if spreads else "none"
