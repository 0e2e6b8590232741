"""What the scripts here share: where things lie, the tool as a black box, tables of results."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
STANDARD_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)


def arguments(description):
    """A parser with the options that every script takes."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--tool", type=Path, default=os.environ.get("RESIDUA_TOOL", ROOT / "build/tools/residua"),
                        help="the built residua [RESIDUA_TOOL, build/tools/residua]")
    parser.add_argument("--data", type=Path, default=os.environ.get("RESIDUA_TEST_DATA", ROOT / "../shared/data"),
                        help="the evaluation data [RESIDUA_TEST_DATA, ../shared/data]")
    parser.add_argument("--models", type=Path, default=os.environ.get("RESIDUA_TEST_MODELS", ROOT / ".scratch/models"),
                        help="where made models are kept [RESIDUA_TEST_MODELS, .scratch/models]")
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
        return 1 if self.bad else 0


def normalized(images):
    """uint8 [N,3,H,W] as torchvision's ToTensor and Normalize make it, in float32."""
    return (images.astype(np.float32) / np.float32(255) - MEAN) / STANDARD_DEVIATION


def softmax(logits):
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def relative_difference(ours, theirs):
    """Largest difference over the largest value; infinite where the shapes differ or something is not finite."""
    if ours.shape != theirs.shape or not np.isfinite(ours).all():
        return float("inf")
    return float(np.abs(ours.astype(np.float64) - theirs).max() / np.abs(theirs).max())


def make_models(options, names):
    """Makes NAME.onnx and NAME.safetensors with the evaluation data's make_models.py where they are not there yet."""
    missing = [name for name in names if not (options.models / f"{name}.onnx").exists()
               or not (options.models / f"{name}.safetensors").exists()]
    if missing:
        subprocess.run([sys.executable, str(options.data / "make_models.py"), str(options.models), *missing], check=True,
                       stdout=sys.stderr)


def onnxruntime_session(path, threads=0):
    import onnxruntime
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def onnxruntime_run(session, images):
    return session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(images, np.float32)})[0]
