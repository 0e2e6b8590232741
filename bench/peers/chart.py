"""The chart of a measurement as SVG. Standard library only.

A column for each batch, a group of bars for each model, a bar for each engine: its length is the speed relative to
Residua's, the number at its end images per second. Colours are Okabe and Ito's, which colour-blind people tell apart, and
bars stand in the legend's order for who reads them without colour; the picture brings its own ground, light or dark as the
reader's screen is.
"""
from html import escape

import machine
import report

COLOURS = {"residua": "#D55E00", "openvino": "#0072B2", "onnxruntime": "#56B4E9", "torch": "#E69F00", "ncnn": "#009E73"}
OTHERS = ("#CC79A7", "#8C6BB1", "#999999")  # further builds of ours
BAR, GAP, GROUP_GAP = 13, 2, 16  # pixels
MARGIN, NAME_WIDTH, NUMBER_WIDTH, COLUMN_GAP, WIDTH = 24, 132, 54, 28, 960
TOP = 118
STYLE = """
  text { font-family: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; font-size: 12px; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 } .quiet { fill: #59636e } .name { font-weight: 600 }
  .number { font-size: 10.5px; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; paint-order: stroke }
  .best { font-weight: 700 } .ground { fill: #ffffff; stroke: #d1d9e0 } .line { stroke: #59636e; stroke-dasharray: 2 3 }
  .grid { stroke: #e4e8ec }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .quiet { fill: #9198a1 } .ground { fill: #0d1117; stroke: #3d444d } .line { stroke: #9198a1 }
    .grid { stroke: #21262d } .number { stroke: #0d1117 }
  }
  @media print { text { fill: #000000 } .quiet { fill: #333333 } .ground { fill: #ffffff } .line { stroke: #333333 }
    .number { stroke: #ffffff } }
"""


def colours(names):
    others = iter(OTHERS * len(names))
    return {name: COLOURS.get(name) or next(others) for name in names}


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x, y, to_y, kind):
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{to_y:.1f}" class="{kind}"/>'


def speeds(one):
    """Images per second by engine, of a model and batch."""
    return {name: figures["images_per_second"] for name, figures in one["engines"].items() if "images_per_second" in figures}


def yardstick(found):
    """What a bar of length 1 stands for: Residua's speed, or the best one's where Residua is not there."""
    return found.get("residua") or max(found.values(), default=1.0)


def legend(names, paint):
    parts, x = [], MARGIN
    for name in names:
        parts.append(f'<rect x="{x:.1f}" y="66" width="12" height="12" rx="2" fill="{paint[name]}"/>')
        parts.append(text(x + 17, 76.5, report.title(name)))
        x += 46 + 6.4 * len(report.title(name))
    return parts


def bars(found, names, paint, x, y, unit):
    """The bars of one group, a place for each engine whether it has a result or not."""
    parts, best = [], max(found.values(), default=0)
    for place, name in enumerate(names):
        top = y + place * (BAR + GAP)
        if name not in found:
            parts.append(text(x + 4, top + 10.5, f"{report.title(name)}: no result", "quiet number"))
            continue
        length = max(found[name] / yardstick(found) * unit, 1)
        number = f"{found[name]:.0f}" if found[name] >= 100 else f"{found[name]:.1f}"
        parts.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{length:.1f}" height="{BAR}" rx="2" fill="{paint[name]}">'
                     f"<title>{escape(report.title(name))}: {found[name]:.1f} images/s</title></rect>")
        parts.append(text(x + length + 5, top + 10.5, number, "number best" if found[name] == best else "number"))
    return parts


def svg(data):
    names = report.names_of(data)
    paint = colours(names)
    batches = sorted({one["batch"] for one in data["results"]})
    models = list(dict.fromkeys(one["model"] for one in data["results"]))
    found = {(one["model"], one["batch"]): speeds(one) for one in data["results"]}
    group = max(len(names), 1) * (BAR + GAP) - GAP
    bottom = TOP + len(models) * (group + GROUP_GAP) - GROUP_GAP
    column = (WIDTH - 2 * MARGIN - NAME_WIDTH - COLUMN_GAP * (len(batches) - 1)) / max(len(batches), 1)
    longest = max((speed / yardstick(one) for one in found.values() for speed in one.values()), default=1.0)
    unit = (column - NUMBER_WIDTH) / max(longest, 1.0)
    means = report.overall(data)
    parts = [text(MARGIN, 32, "Residual networks on a CPU: images per second, float32", "title"),
             text(MARGIN, 52, f"{machine.title(data['machine'])}, {data['date'][:10]}. Bars: speed relative to Residua's.", "quiet"),
             *legend(names, paint)]
    for number, batch in enumerate(batches):
        x = MARGIN + NAME_WIDTH + number * (column + COLUMN_GAP)
        mean = f"(mean: {means[batch]:.2f} × the best other engine)" if batch in means and len(models) > 1 else ""
        parts.append(text(x, TOP - 10, f"batch {batch}", "name"))
        if mean:
            parts.append(text(x + 66, TOP - 10, mean, "quiet number"))
        parts += [line(x + unit * quarter / 4, TOP - 3, bottom + 3, "grid") for quarter in range(1, 4)]
        parts.append(line(x + unit, TOP - 3, bottom + 3, "line"))
        for row, model in enumerate(models):
            y = TOP + row * (group + GROUP_GAP)
            if number == 0:
                parts.append(text(x - 12, y + group / 2 + 4, model, "name", "end"))
            if (model, batch) in found:
                parts += bars(found[model, batch], names, paint, x, y, unit)
        parts.append(text(x + unit, bottom + 17, "1", "quiet number", "middle"))
        parts.append(text(x, bottom + 17, "0", "quiet number", "middle"))
        parts.append(text(x + unit / 2, bottom + 17, "½", "quiet number", "middle"))
    height = bottom + 30
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
            f'aria-label="Images per second of each engine by model and batch">\n<style>{STYLE}</style>\n'
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" class="ground"/>\n'
            + "\n".join(parts) + "\n</svg>\n")
