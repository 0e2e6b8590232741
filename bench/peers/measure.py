"""Engines side by side: children in turns, on one (model, batch) at a time."""
import base64
import contextlib
import json
import math
import os
import select
import subprocess
import sys
import tempfile
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import engines
import summary

HERE = Path(__file__).parent
PATIENCE = 900  # seconds without an answer after which a child is given up
BURST_RUNS = 2  # timed runs in a burst at least


class Failure(Exception):
    """An engine that does not run here; the text says why."""


class Child:
    """A script of this folder as a process that speaks as child.py does."""

    def __init__(self, script, *words):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([sys.executable, "-B", str(HERE / script), *map(str, words)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, encoding="utf-8")

    def answer(self):
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            why = "ended" if ready else f"no answer in {PATIENCE} s"
            self.stop()
            self.errors.seek(0)
            text = self.errors.read().decode(errors="replace").strip().splitlines()
            raise Failure(f"{why} (exit code {self.process.returncode}){': ' + text[-1][:300] if text else ''}")
        said = json.loads(line)
        if "failure" in said:
            raise Failure(said["failure"])
        return said

    def ask(self, question):
        with contextlib.suppress(BrokenPipeError):  # then the answer says why
            print(json.dumps(question), file=self.process.stdin, flush=True)
        return self.answer()

    def burst(self, seconds):
        """What child.py answers to a burst of `seconds`."""
        return self.ask({"seconds": seconds, "at_least": BURST_RUNS})

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        self.errors.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()


@dataclass
class Contender:
    """An engine under the name it has in the report."""
    name: str
    engine: str
    extra: dict = field(default_factory=dict)  # added to each configuration
    version: str = ""
    child: Child | None = None

    @property
    def module(self):
        return engines.module(self.engine)


@contextlib.contextmanager
def busy_core(cpu):
    """A process that keeps `cpu` busy."""
    spinner = subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"])
    time.sleep(0.5)
    try:
        yield
    finally:
        spinner.kill()
        spinner.wait()


def keep_to(threads):
    """Leaves this process and its children `threads` CPUs, so that no engine can take more."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


class Comparison:
    """The contenders on one model and batch."""

    def __init__(self, options, contenders, model, onnx, batch):
        self.options, self.contenders, self.model, self.onnx, self.batch = options, contenders, model, onnx, batch
        self.results = {contender.name: {} for contender in contenders}
        self.chosen = {}  # {name: the configuration that the first pass found fastest}
        self.measured = {when: {contender.name: [] for contender in contenders} for when in ("quiet", "busy")}
        self.reference = None

    def run(self):
        """One pass: starts the engines, adds their rounds to those of the passes before, and ends the engines.

        Returns what report and chart are made of; see summary.py.
        """
        try:
            for contender in self.contenders:
                result = self.results[contender.name]
                try:
                    if "failure" not in result:
                        result.update(self.best_configuration(contender))
                except Failure as failure:
                    result["failure"] = str(failure)
            self.reference = self.judge()
            self.rounds("quiet")
            if self.options.busy_core:
                with busy_core(max(os.sched_getaffinity(0))):
                    self.rounds("busy")
        finally:
            for contender in self.contenders:
                self.stop(contender)
        return summary.comparison(self.model, self.batch, self.results, self.complete("quiet"),
                                  self.complete("busy") if self.options.busy_core else None, self.reference,
                                  [one.name for one in self.contenders if one.engine in engines.PEERS])

    def complete(self, when):
        """{name: [a child's answer for each round]} of the engines that ran all rounds so far."""
        return {name: bursts for name, bursts in self.measured[when].items() if "failure" not in self.results[name]}

    def stop(self, contender):
        if contender.child:
            contender.child.close()
            contender.child = None

    def drop(self, contender, why):
        self.results[contender.name]["failure"] = why
        self.stop(contender)

    def best_configuration(self, contender):
        """Starts a child for each way to run the batch, tries them in turns and keeps the fastest as contender.child.

        After the first pass that way alone is started.
        """
        model = self.onnx
        if hasattr(contender.module, "prepare"):
            preparation = Child("child.py", "--prepare", contender.engine, self.onnx, self.onnx.parent / contender.engine)
            try:
                model = preparation.answer()["model"]
            finally:
                preparation.close()
        started, failures = [], []
        try:
            ways = self.chosen.get(contender.name) or contender.module.candidates(self.batch, self.options.threads, self.options)
            for configuration in ways:
                child = Child("child.py", contender.engine, model, self.batch, self.options.threads,
                              json.dumps(configuration | contender.extra))
                try:
                    started.append((configuration, child, child.answer(), []))
                except Failure as failure:
                    child.close()
                    failures.append(f"{configuration['label']}: {failure}")
            if not started:
                raise Failure("; ".join(failures))
            for _ in range(self.options.trials if len(started) > 1 else 0):
                for _, child, _, times in started:
                    time.sleep(self.options.pause)
                    times.append(1e3 * summary.median(child.burst(self.options.seconds)["times"]))
            # The fastest burst of each: what else runs on the machine only ever slows one down.
            configuration, contender.child, hello, _ = min(started, key=lambda one: min(one[3], default=0))
        finally:
            for _, child, _, _ in started:
                if child is not contender.child:
                    child.close()
        contender.version = hello["version"]
        self.chosen[contender.name] = [configuration]
        trials = {way["label"]: min(times) for way, _, _, times in started if times}
        return {"configuration": configuration["label"], "load_seconds": hello["load_seconds"], "logits": hello["logits"],
                **({"trials_ms": trials} if trials else {}), **({"failed_configurations": failures} if failures else {})}

    def judge(self):
        """Drops engines whose logits differ from the reference's: onnxruntime's, or the first peer's. Returns its name."""
        answers = {}
        for contender in self.contenders:
            if contender.child:
                answers[contender.name] = array("f", base64.b64decode(self.results[contender.name].pop("logits")))
        reference = next((one.name for one in sorted(self.contenders, key=lambda one: one.engine != "onnxruntime")
                          if one.engine in engines.PEERS and one.name in answers), None)
        for contender in self.contenders:
            if contender.name in answers and reference:
                difference = summary.relative_difference(answers[contender.name], answers[reference])
                self.results[contender.name]["difference"] = difference if math.isfinite(difference) else None
                if not difference <= summary.LIMIT:
                    self.drop(contender, f"logits differ from {reference}'s by {difference:.2g} of the largest; "
                                         f"{summary.LIMIT:g} is allowed")
        return reference

    def rounds(self, when):
        """Adds a child's answer for each round to self.measured[when]; each round begins with the next engine."""
        measured = self.measured[when]
        before = max(map(len, measured.values()), default=0)
        for number in range(before, before + self.options.rounds):
            turn = number % len(self.contenders)
            for contender in self.contenders[turn:] + self.contenders[:turn]:
                if contender.child is None:
                    continue
                time.sleep(self.options.pause)  # until the engine before has stopped waiting for more
                try:
                    measured[contender.name].append(contender.child.burst(self.options.seconds))
                except Failure as failure:
                    self.drop(contender, f"in round {number + 1} ({when}): {failure}")
