"""The tool on every hostile file: the exit code, what is said, how long and how much memory it took, and what it opened."""
import os
import resource
import re
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from cases import ALL_WELL, CASES, Case
from make import write

TOOL = os.environ["RESIDUA_TOOL"]
SOURCE = Path(os.environ["RESIDUA_SOURCE_ROOT"])
SANITIZED = os.environ.get("RESIDUA_SANITIZED") == "1"
MODEL = SOURCE / "models" / "resnet20-cifar10.safetensors"
MOST_SECONDS, MOST_MEMORY = 20, 512 << 20
OPENED = re.compile(r'(?:open|openat|openat2|execve)\((?:[^,"]*, )?"((?:[^"\\]|\\.)*)"')


def command_of(case, folder):
    target = case.target or next(iter(case.files))
    model = folder / "m.onnx" if (folder / "m.onnx").exists() else MODEL
    return {
        "inspect": ["inspect", "--model", target, "--stage", "planned"],
        "classify": ["classify", "--model", str(model), "--threads", "1", target],
        "run": ["run", "--model", str(model), "--input", target, "--output", "out.npy", "--threads", "1"],
    }[case.command]


class Outcome:
    """One run of the tool in `folder`, traced where `trace` is a file."""

    def __init__(self, case, folder, trace=None):
        command = [TOOL, *command_of(case, folder)]
        if trace:
            command = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=open,openat,openat2,execve", "-o", str(trace), *command]
        environment = {**os.environ, "RESIDUA_LIMITS": case.limits, "HOME": str(folder), "RESIDUA_VERBOSE": ""}
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        try:
            self.said = process.communicate(timeout=120)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            self.said = process.communicate()[1] + " [killed: no end]"
        self.code, self.seconds = process.returncode, time.monotonic() - start
        self.opened = set(OPENED.findall(trace.read_text(errors="replace"))) if trace else set()


def outside(opened, folder):
    """Those of the opened paths that lie outside the folder, links followed."""
    paths = {os.path.realpath(os.path.join(folder, path)) for path in opened}
    return {path for path in paths if path != str(folder) and not path.startswith(f"{folder}/")}


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="residua-hostile-")
        cls.home = Path(os.path.realpath(cls.scratch.name))
        cls.folders = {case.name: write(case, cls.home / case.name) for case in CASES}

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_names_are_unique_and_there_are_many(self):
        self.assertEqual(len(self.folders), len(CASES))
        self.assertGreaterEqual(len(CASES), 60)

    def test_every_file_is_answered_as_it_must(self):
        for case in CASES:
            with self.subTest(case.name):
                folder = self.folders[case.name]
                found = Outcome(case, folder)
                self.assertEqual(found.code, case.code, found.said)
                self.assertIn(case.message, found.said)
                self.assertEqual(bool(found.said), case.code != ALL_WELL, found.said)
                self.assertNotIn("broken invariant", found.said)
                self.assertLess(found.seconds, MOST_SECONDS * (5 if SANITIZED else 1))
                self.assertFalse((folder / "owned").exists(), "code in the file was run")
                self.assertFalse((folder / "out.npy").exists(), "an output was written")
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        if not SANITIZED:
            self.assertLess(most, MOST_MEMORY)

    def test_errors_of_limits_say_how_to_raise_them(self):
        for case in CASES:
            if "more than the limit" not in case.message:
                continue
            with self.subTest(case.name):
                said = Outcome(case, self.folders[case.name]).said
                self.assertRegex(said, r"\d+, more than the limit [a-z_]+=\d+ \([^)]+\); "
                                       r"(RESIDUA_LIMITS=[a-z_]+=\d+ raises it|it cannot be raised so far)")

    def test_nothing_outside_the_folder_is_opened(self):
        if SANITIZED:
            self.skipTest("the leak checker does not run under strace; the plain build does this")
        self.assertTrue(shutil.which("strace"), "strace is missing: tools/setup.sh --with-checks installs it")
        trace = self.home / "trace"
        usual = set()  # libraries, the model in use, what the system tells of itself, time zones (zip archives have dates)
        golden = SOURCE / "tests" / "golden"
        for kind, target in (("inspect", MODEL), ("inspect", golden / "weights" / "option_a.pth"),
                             ("classify", golden / "image" / "files" / "rgb8.png"), ("run", MODEL)):
            case = next(case for case in CASES if case.command == kind)
            folder = self.folders[case.name]
            good = Case(case.name, case.files, "", ALL_WELL, kind, str(target))
            usual |= outside(Outcome(good, folder, trace).opened, folder)
        self.assertIn(str(MODEL), usual)
        for case in CASES:
            with self.subTest(case.name):
                folder = self.folders[case.name]
                found = Outcome(case, folder, trace)
                self.assertEqual(found.code, case.code)
                self.assertIn(TOOL, found.opened, "not traced")
                self.assertFalse(outside(found.opened, folder) - usual)


if __name__ == "__main__":
    unittest.main()
