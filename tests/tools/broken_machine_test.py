"""The tool on machines that fail it: a full disk, a folder that cannot be written, model files that change while they are used,
no memory, and an end in the middle of everything. An error or a clean end, and never half an output."""

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
import unittest

import pictures
from tool_case import CIFAR, MODEL, TOOL, ToolCase

LOADER_FAILED = 127  # the system's, before the tool begins
SANITIZED = os.environ.get("RESIDUA_SANITIZED") == "1"


class BrokenMachine(ToolCase):

    def setUp(self):
        super().setUp()
        values = [value for _, pixels in CIFAR for value in pictures.normalised(pixels)]
        (self.folder / "x.npy").write_bytes(pictures.npy((8, 3, 32, 32), values))
        self.photos = [self.image("photos/%d.png" % i, i) for i in range(8)]

    def commands(self, to):
        """(arguments, environment, what is written) of everything that writes files, into the folder `to`; a cache is no
        reason to fail."""
        run = ("run", "--model", MODEL, "--input", "x.npy", "--output", f"{to}/y.npy")
        cache = {"XDG_CACHE_HOME": str(self.folder / to / "cache")}
        return {
            "run": (run, {}),
            "pack": (("pack", "--model", MODEL, "--output", f"{to}/m.residua"), {}),
            "classify": (("classify", "--json", "--output", f"{to}/results.jsonl", *self.photos), {}),
            "heat maps": (("classify", "--json", "--heatmap", f"{to}/maps", *self.photos), {}),
            "trace": (("bench", "--model", MODEL, "--seconds", "0.01", "--trace", f"{to}/trace.json"), {}),
            "cache": (("classify", "--model", MODEL, "--cache", "--json", *self.photos), cache),
            "tuning": (("bench", "--model", MODEL, "--seconds", "0.01", "--batch", "1", "--tune", "--threads", "1"), cache),
        }

    def contents(self, folder):
        return {str(path.relative_to(self.folder)): path.read_bytes()
                for path in sorted((self.folder / folder).rglob("*")) if path.is_file()}


class Disk(BrokenMachine):

    def mount(self, options):
        if os.geteuid() != 0:
            self.skipTest("only root may mount a small disk; RLIMIT_FSIZE stands for it in other tests")
        (self.folder / "disk").mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "residua-test", self.folder / "disk"], capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("a small disk cannot be mounted here: " + done.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder / "disk"], check=False)

    def remount(self, options):
        subprocess.run(["mount", "-o", "remount," + options, self.folder / "disk"], check=True)

    def test_a_full_disk(self):
        self.mount("size=16m")
        for name, (arguments, environment) in self.commands("disk").items():
            with self.subTest(name):
                with contextlib.suppress(OSError), open(self.folder / "disk" / "fill", "wb", buffering=0) as fill:
                    while fill.write(bytes(4096)) == 4096:
                        pass
                before = self.contents("disk")
                process = self.tool(*arguments, environment=environment)
                self.check(process, 0 if environment else 1)
                self.assertIn("No space left on device", process.stderr)
                self.assertEqual(self.contents("disk"), before)
                (self.folder / "disk" / "fill").unlink()
                process = self.check(self.tool(*arguments, environment=environment), 0)
                self.assertEqual(process.stderr, "")
                self.assertGreater(len(self.contents("disk")), len(before) - 1)

    def test_a_disk_that_is_read_only(self):
        self.mount("size=16m")
        (self.folder / "disk" / "y.npy").write_text("older")
        (self.folder / "disk" / "cache").mkdir()
        self.remount("ro")
        before = self.contents("disk")
        for name, (arguments, environment) in self.commands("disk").items():
            with self.subTest(name):
                process = self.check(self.tool(*arguments, environment=environment), 0 if environment else 1)
                self.assertIn("Read-only file system", process.stderr)
                self.assertEqual(self.contents("disk"), before)

    def test_a_disk_that_fills_while_the_tool_writes(self):
        self.mount("size=32k")
        for name in ("run", "pack", "classify", "heat maps"):
            with self.subTest(name):
                arguments, _ = self.commands("disk")[name]
                process = self.tool(*arguments, *([] if name != "classify" else ["--top", 10] + self.photos * 40))
                if process.returncode != 0:
                    self.check(process, 1)
                    self.assertIn("No space left on device", process.stderr)
                self.assertFalse([path for path in self.contents("disk") if ".tmp" in path or ".residua." in path])


class ChangedFiles(BrokenMachine):
    """A packed file's weights are read where they are mapped, run after run."""

    def start(self, model):
        process = subprocess.Popen([TOOL, "classify", "--model", model, "--json", "--top", "1", "--threads", "1", "-"],
                                   cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        for stream in (process.stdin, process.stdout, process.stderr):
            self.addCleanup(stream.close)
        return process

    def ask(self, process):
        process.stdin.write(self.photos[0] + "\n")
        process.stdin.flush()
        return process.stdout.readline()

    def packed(self):
        self.check(self.tool("pack", "--model", MODEL, "--output", "m.residua"), 0)
        return self.folder / "m.residua"

    def end(self, process):
        process.stdin.close()
        return process.wait(), process.stderr.read()

    def test_a_model_that_vanishes_or_is_replaced_while_in_use(self):
        model = self.packed()
        process = self.start("m.residua")
        first = self.ask(process)
        self.assertIn("label", first)
        other = self.folder / "other"
        other.write_bytes(bytes(10))
        other.rename(model)
        self.assertEqual(self.ask(process), first)
        model.unlink()
        self.assertEqual(self.ask(process), first)
        self.assertEqual(self.end(process), (0, ""))

    def test_a_model_that_is_written_to_while_in_use(self):
        def overwritten(model):
            with open(model, "r+b") as file:
                file.seek(-1000, os.SEEK_END)
                file.write(b"\x55" * 500)

        for name, change in (("cut short", lambda model: os.truncate(model, 5000)), ("emptied", lambda model: os.truncate(model, 0)),
                             ("grown", lambda model: os.truncate(model, 10_000_000)), ("overwritten", overwritten)):
            with self.subTest(name):
                model = self.packed()
                process = self.start("m.residua")
                self.assertIn("label", self.ask(process))
                time.sleep(0.02)  # clocks of files tick in milliseconds
                change(model)
                self.assertNotIn("label", self.ask(process))
                code, said = self.end(process)
                self.assertIn(code, (1, 3))
                self.assertIn("m.residua: was written to while it was in use", said)

    def test_a_model_that_is_cut_short_again_and_again(self):
        """Whenever it happens, also in the middle of a run: an error, and the answers before it are right."""
        model = self.packed()
        content = model.read_bytes()
        expected = None
        for pause in range(20):
            model.write_bytes(content)
            process = self.start("m.residua")
            answer = self.ask(process)
            expected = expected or answer
            cut = threading.Timer(pause / 4000, os.truncate, (model, 4096))
            cut.start()
            with contextlib.suppress(BrokenPipeError):
                while "error" not in answer and answer:
                    self.assertEqual(answer, expected)
                    answer = self.ask(process)
            cut.join()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            self.assertIn(process.wait(), (1, 3))
            self.assertRegex(process.stderr.read(), "was written to while|was cut short while")


class NoMemory(BrokenMachine):

    def test_however_little_memory_there_is(self):
        if SANITIZED:
            self.skipTest("sanitizers take 20 TB of addresses")
        outcomes = set()
        for megabytes in (*range(4, 80, 4), *range(80, 400, 20)):
            limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
            # The loader ends the process, or a library while it is loaded, one by throwing, OpenMP's by exiting: before the
            # tool has begun.
            start = self.tool("--version", preexec_fn=limit)
            if start.returncode == LOADER_FAILED or (start.returncode == -signal.SIGABRT and "terminate called" in start.stderr):
                continue
            if start.returncode == 1 and not start.stdout and "libgomp: Out of memory" in start.stderr:
                continue
            # Where that leaves too little for anything, the tool says so itself, here and below.
            if start.stderr != "residua: out of memory\n":
                self.assertEqual(start.returncode, 0, f"{megabytes} MB: {start.stderr}")
            else:
                self.assertEqual((start.returncode, start.stdout), (1, ""), f"{megabytes} MB")
            for name in ("run", "pack", "classify"):
                arguments, _ = self.commands(".")[name]
                process = self.tool(*arguments, "--threads", 2, preexec_fn=limit)
                self.assertIn(process.returncode, (0, 1, 3, LOADER_FAILED), f"{name}, {megabytes} MB: {process.stderr}")
                if process.returncode != 0:
                    self.assertTrue(process.stderr, f"{name}, {megabytes} MB: nothing is said")
                outcomes.add(process.returncode)
                self.assertFalse([path for path in self.names() if ".tmp" in path or ".residua." in path])
        self.assertIn(0, outcomes)
        self.assertTrue(outcomes & {1, 3})


class Killed(BrokenMachine):

    def test_a_process_killed_at_any_time(self):
        (self.folder / "out").mkdir()
        for name, (arguments, environment) in self.commands("out").items():
            with self.subTest(name):
                begin = time.monotonic()
                self.check(self.tool(*arguments, environment=environment), 0)
                lasts = time.monotonic() - begin
                good = self.contents("out")
                turns = 6 if SANITIZED else 15
                for turn in range(turns):
                    process = subprocess.Popen([TOOL, *map(str, arguments)], cwd=self.folder, env={**os.environ, **environment},
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    time.sleep(lasts * turn / (turns - 1))
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    for path, content in self.contents("out").items():
                        if path in good and name not in ("trace", "tuning"):  # which hold times
                            self.assertEqual(content, good[path])
                        elif path not in good:  # a stand-in that nobody takes for the file
                            self.assertTrue(path.rpartition("/")[2].startswith("."), path)
                process = self.check(self.tool(*arguments, environment=environment), 0)
                self.assertEqual(process.stderr, "")
                for path in self.contents("out"):
                    os.unlink(self.folder / path)


if __name__ == "__main__":
    unittest.main()
