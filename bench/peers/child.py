"""One engine with one model and batch in a process of its own, idle until its parent asks for a burst.

    child.py --prepare ENGINE ONNX FOLDER               says the path of the model in the engine's own format
    child.py ENGINE MODEL BATCH THREADS CONFIGURATION   CONFIGURATION as JSON

Speaks JSON lines. First it says {"version", "load_seconds", "logits" (base64 of float32 [batch,classes])}; then it answers
each {"seconds", "at_least"} with {"times" (seconds of each run), "peak_mb", "resident_mb", "idle_cpu_seconds" (burnt since
the burst before)}. {"failure"} in place of an answer ends it, as the end of its input does.
"""
import base64
import contextlib
import json
import os
import sys
import time
from pathlib import Path

import engines

SEED = 1


@contextlib.contextmanager
def speech():
    """A function that says a JSON object to the parent; an exception inside is said as {"failure"}."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what engines print is no answer

        def say(value):
            print(json.dumps(value), file=answers, flush=True)

        try:
            yield say
        except Exception as error:  # whatever an engine may throw: the parent names it and leaves the engine out
            text = str(error).strip().splitlines() or [""]
            say({"failure": f"{type(error).__name__}: {text[0][:300]}"})


def memory():
    """Resident memory in MB (2^20 bytes): the most so far, and now."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return {"peak_mb": int(fields["VmHWM"].split()[0]) / 1024, "resident_mb": int(fields["VmRSS"].split()[0]) / 1024}


def burst(run, seconds, at_least):
    """Times in seconds of the runs made in `seconds`, after one that does not count: the caches were others' meanwhile."""
    run()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < at_least:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def serve(say, name, model, batch, threads, configuration):
    import numpy as np
    images = np.random.default_rng(SEED).standard_normal((batch, 3, 224, 224), np.float32)
    start = time.perf_counter()
    engine = engines.module(name).Engine(Path(model), batch, threads, configuration)
    loaded = time.perf_counter() - start
    logits = np.ascontiguousarray(engine.run(images), np.float32)
    say({"version": engine.version, "load_seconds": loaded, "logits": base64.b64encode(logits).decode()})
    rested = time.process_time()
    for line in sys.stdin:
        idle = time.process_time() - rested
        asked = json.loads(line)
        times = burst(lambda: engine.run(images), asked["seconds"], asked["at_least"])
        rested = time.process_time()
        say({"times": times, "idle_cpu_seconds": idle, **memory()})


def main():
    with speech() as say:
        if sys.argv[1] == "--prepare":
            name, model, folder = sys.argv[2:]
            Path(folder).mkdir(parents=True, exist_ok=True)
            say({"model": str(engines.module(name).prepare(Path(model), Path(folder)))})
        else:
            name, model, batch, threads, configuration = sys.argv[1:]
            serve(say, name, model, int(batch), int(threads), json.loads(configuration))


if __name__ == "__main__":
    main()
