"""Images a second from Python beside the tool's, at batch 16, in turns.

    python tests/soak/python_speed.py [TOOL=build/tools/residua [MODEL=resnet18 [ROUNDS=30 [SECONDS=0.5]]]]

To be run by a Python that has the package. MODEL is a file, or an architecture that gets random weights. Prints a line a
round and the median of their ratios; exits 1 when that is below 0.97.
"""
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy

import residua

BATCH = 16
tool, name, rounds, seconds = [*sys.argv[1:], *["build/tools/residua", "resnet18", "30", "0.5"][len(sys.argv) - 1:]]
model = residua.load(name) if Path(name).exists() else residua.random(name)
images = numpy.full((BATCH, model.channels, *model.input_size), 0.5, numpy.float32)


def run_for(length):
    """Images a second."""
    runs, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < length:
        model(images)
        runs += 1
    return BATCH * runs / elapsed


def from_python():
    run_for(min(float(seconds) / 10, 0.5))  # as the tool warms up
    return run_for(float(seconds))


def from_the_tool():
    command = [tool, "bench", "--model", name, "--batch", str(BATCH), "--seconds", seconds, "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    return json.loads(done.stdout)["images_per_second"]


ratios = []
for _ in range(int(rounds)):
    python, from_tool = from_python(), from_the_tool()
    ratios.append(python / from_tool)
    print(f"{name}: {python:.1f} images/s from Python, {from_tool:.1f} by the tool: {ratios[-1]:.3f}", flush=True)
print(f"{name}, median: {statistics.median(ratios):.3f}")
sys.exit(0 if statistics.median(ratios) >= 0.97 else 1)
