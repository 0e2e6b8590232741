"""What the end-to-end tests of the tool share. Run by meson, which sets RESIDUA_TOOL and RESIDUA_SOURCE_ROOT."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import pictures

TOOL = os.environ["RESIDUA_TOOL"]
ROOT = pathlib.Path(os.environ["RESIDUA_SOURCE_ROOT"])
MODEL = str(ROOT / "models" / "resnet20-cifar10.safetensors")
LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CIFAR = pictures.read_cifar(ROOT / "tests" / "golden" / "cifar10_first8.bin")
LOGITS = [[float(value) for value in line.split()]
          for line in (ROOT / "tests" / "golden" / "cifar10_first8_logits.txt").read_text().splitlines()]


class ToolCase(unittest.TestCase):
    """Each test has a folder of its own, and runs the tool in it."""

    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="residua-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def tool(self, *arguments, environment=None, **options):
        """The finished process, with stdout and stderr as text."""
        settings = {key: value for key, value in os.environ.items() if not key.startswith("RESIDUA_")}
        settings.update(environment or {})
        options.setdefault("stdout", subprocess.PIPE)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([TOOL, *map(str, arguments)], stderr=subprocess.PIPE, cwd=self.folder, env=settings,
                              encoding="utf-8", errors="surrogateescape", timeout=120, **options)

    def check(self, process, code):
        """That it ended with this code, and that every complaint is one of ours."""
        self.assertEqual(process.returncode, code, process.stderr)
        return process

    def image(self, name, index):
        """Writes CIFAR image `index` as a PNG of that name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures.png(32, 32, CIFAR[index][1]))
        return name

    def names(self):
        """Everything in the folder, to see that nothing stray is left."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
