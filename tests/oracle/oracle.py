"""What the scripts here share: where things lie, the tool as a black box, tables of results."""
import argparse
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench" / "peers"))  # what the benchmark and these scripts share stands there

import models
import summary
from imagenet import central_crop, normalized, preprocessed, upright  # for the scripts, as the next
from models import make_models


def arguments(description):
    """A parser with the options that every script takes."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--tool", type=Path, default=os.environ.get("RESIDUA_TOOL", ROOT / "build/tools/residua"),
                        help="the built residua [RESIDUA_TOOL, build/tools/residua]")
    models.add_arguments(parser)
    return parser


class Tool:
    """build/tools/residua, through its command line alone."""

    def __init__(self, path):
        self.path = path

    def call(self, *words, **options):
        done = subprocess.run([str(self.path), *map(str, words)], capture_output=True, text=True, check=False, **options)
        if done.returncode != 0:
            raise RuntimeError(f"residua {words[0]} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
        return done.stdout

    def run(self, model, images, **options):
        """The first output of `model` on float32 NCHW images."""
        with tempfile.TemporaryDirectory() as folder:
            x, y = Path(folder) / "x.npy", Path(folder) / "y.npy"
            np.save(x, np.ascontiguousarray(images, np.float32))
            words = [word for name, value in options.items() for word in (f"--{name}", value)]
            self.call("run", "--model", model, "--input", x, "--output", y, *words)
            return np.load(y)

    def classify(self, model, paths, top=5):
        lines = self.call("classify", "--model", model, "--json", "--top", top, *paths).splitlines()
        return [json.loads(line) for line in lines]


class Results:
    """Prints a line per comparison as it is made, and remembers whether all were good."""

    def __init__(self, *columns):
        self.widths = [max(len(column), 12) for column in columns]
        self.count = self.bad = 0
        self._line(columns)

    def _line(self, cells):
        print("  ".join(f"{cell:{width}}" for cell, width in zip(cells, self.widths)), flush=True)

    def row(self, good, *cells):
        self.count += 1
        self.bad += not good
        self._line([*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells), "ok" if good else "FAILED"])

    def compare(self, function, *cells):
        """A row whose verdict and last cells come from `function`, which may fail outright."""
        try:
            good, *more = function()
        except (RuntimeError, OSError, ValueError) as error:
            good, more = False, [str(error)]
        self.row(good, *cells, *more)

    def exit_code(self):
        print(f"{self.count - self.bad} of {self.count} good\n")
        return 1 if self.bad or self.count == 0 else 0  # nothing compared is nothing shown


@contextlib.contextmanager
def quietly():
    """Without what PyTorch's exporters print."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def softmax(logits):
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def relative_difference(ours, theirs):
    """Largest difference over the largest value; infinite where the shapes differ or something is not finite."""
    if ours.shape != theirs.shape:
        return float("inf")
    return summary.relative_difference(ours.ravel().tolist(), theirs.ravel().tolist())


def onnxruntime_session(path):
    import onnxruntime
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def onnxruntime_run(session, images):
    return session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(images, np.float32)})[0]
