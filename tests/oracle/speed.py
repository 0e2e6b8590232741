"""Time of one run beside onnxruntime's, in one process, in turns.

Residua through its C library and onnxruntime run the same file on the same threads: A B A B..., a round of each for a
fixed time; printed is the median over rounds of the ratio of their median times. Above 1: Residua is faster.
"""
import ctypes
import os
import statistics
import sys
import time

import numpy as np

import oracle

SCHEDULES = {"auto": 0, "latency": 1, "throughput": 2}


class ResiduaError(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 1020)]


class ContextOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("threads", ctypes.c_int32), ("schedule", ctypes.c_int),
                ("profile", ctypes.c_int32)]


class Input(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("format", ctypes.c_int), ("data", ctypes.c_void_p),
                ("batch", ctypes.c_int32), ("height", ctypes.c_int32), ("width", ctypes.c_int32)]


class Residua:
    """A model and one context, through the C interface."""

    def __init__(self, library, path, threads, schedule):
        self.library = ctypes.CDLL(str(library))
        self.error = ResiduaError()
        model, self.context = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(self.library.residua_model_load(os.fsencode(path), None, ctypes.byref(model), ctypes.byref(self.error)))
        options = ContextOptions(ctypes.sizeof(ContextOptions), threads, SCHEDULES[schedule], 0)
        self.check(self.library.residua_context_create(model, ctypes.byref(options), ctypes.byref(self.context),
                                                       ctypes.byref(self.error)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.error.message.decode())

    def run(self, images):
        batch, _, height, width = images.shape
        given = Input(ctypes.sizeof(Input), 0, images.ctypes.data, batch, height, width)
        output = np.empty((batch, 1000), np.float32)
        self.check(self.library.residua_context_run(self.context, ctypes.byref(given), ctypes.c_void_p(output.ctypes.data),
                                                    ctypes.c_size_t(output.size), ctypes.byref(self.error)))
        return output


def median_time(run, seconds):
    """Milliseconds of one run: two to warm up, then the median for `seconds`."""
    run(), run()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main():
    parser = oracle.arguments(__doc__)
    parser.add_argument("--library", default=None, help="libresidua.so [beside the tool: ../engine/libresidua.so]")
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--schedule", choices=SCHEDULES, default="auto")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side in a round")
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    oracle.make_models(options, (options.model,))
    path = options.models / f"{options.model}.onnx"
    library = options.library or options.tool.resolve().parents[1] / "engine" / "libresidua.so"
    images = np.random.default_rng(1).standard_normal((options.batch, 3, 224, 224), np.float32)
    ours = Residua(library, path, options.threads, options.schedule)
    session = oracle.onnxruntime_session(path, options.threads)

    difference = oracle.relative_difference(ours.run(images), oracle.onnxruntime_run(session, images))
    print(f"{options.model}, batch {options.batch}, {options.threads} threads, {options.schedule}; "
          f"difference of the outputs {difference:.2g}")
    print("round   residua ms   onnxruntime ms   ratio")
    ratios, totals = [], [[], []]
    for number in range(options.rounds):
        a = median_time(lambda: ours.run(images), options.seconds)
        b = median_time(lambda: oracle.onnxruntime_run(session, images), options.seconds)
        ratios.append(b / a)
        totals[0].append(a), totals[1].append(b)
        print(f"{number + 1:5}   {a:10.2f}   {b:14.2f}   {b / a:5.2f}", flush=True)
    ratio = statistics.median(ratios)
    print(f"median  {statistics.median(totals[0]):10.2f}   {statistics.median(totals[1]):14.2f}   {ratio:5.2f}\n")
    return 0 if difference <= 1e-4 and ratio >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
