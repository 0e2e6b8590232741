"""residua --tune and --memory-limit, end to end. The user's own cache is never touched."""

import json
import sys
import unittest
from pathlib import Path

import pictures
from tool_case import CIFAR, MODEL, ToolCase

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "hostile"))
import packed_bytes  # noqa: E402


class Tuned(ToolCase):

    def setUp(self):
        super().setUp()
        self.cache = self.folder / "cache"
        self.environment = {"XDG_CACHE_HOME": str(self.cache)}

    def kept(self):
        files = list(self.cache.rglob("*.json")) if self.cache.is_dir() else []
        self.assertLessEqual(len(files), 1)
        return files[0] if files else None

    def bench(self, *arguments, environment=None):
        return self.check(self.tool("bench", "--model", MODEL, "--seconds", "0.01", "--threads", 1, *arguments,
                                    environment=environment or self.environment), 0)

    def dispatch(self, *arguments):
        process = self.bench(*arguments, environment={**self.environment, "RESIDUA_VERBOSE": "dispatch"})
        return [line for line in process.stderr.splitlines() if "(convolution)" in line]

    def test_the_first_run_measures_and_the_second_reads(self):
        first = self.dispatch("--tune")
        written = self.kept().stat().st_mtime_ns
        content = json.loads(self.kept().read_text())
        self.assertEqual(content["format"], "residua tuning 1")
        self.assertTrue(any("as measured here" in line for line in first))
        self.assertEqual(self.dispatch("--tune"), first)
        self.assertEqual(self.kept().stat().st_mtime_ns, written)
        # What is equal was measured once: 21 convolutions, far fewer kinds.
        self.assertLess(len(content["layers"]), 15)
        # Another batch is another measurement, added to the file.
        self.bench("--tune", "--batch", 2)
        self.assertGreater(len(json.loads(self.kept().read_text())["layers"]), len(content["layers"]))

    def test_without_the_option_nothing_is_read_or_written(self):
        plain = self.dispatch()
        self.assertIsNone(self.kept())
        self.bench("--tune")
        content = json.loads(self.kept().read_text())
        for times in content["layers"].values():
            for name in times:
                times[name] = 1.0 if name == "onednn" else 9.0
        text = json.dumps(content["layers"], separators=(",", ":"), sort_keys=True)
        content["checksum"] = str(packed_bytes.checksum(text.encode()))
        self.kept().write_text(json.dumps(content))
        self.assertEqual(self.dispatch(), plain)
        self.assertTrue(all("onednn" in line.split("->")[1].split(";")[0] for line in self.dispatch("--tune")))

    def test_a_cache_that_cannot_be_used_fails_nothing(self):
        self.bench("--tune")
        self.kept().write_text("not json")
        process = self.bench("--tune")
        self.assertIn("damaged", process.stderr)
        self.assertEqual(self.bench("--tune").stderr, "")
        for place in ("/proc/self", str(self.folder / "file")):
            (self.folder / "file").write_text("")
            process = self.bench("--tune", environment={"XDG_CACHE_HOME": place})
            self.assertIn("not kept", process.stderr)

    def test_run_and_classify_take_both(self):
        options = ("--tune", "--memory-limit", "0.5", "--threads", 1)
        image = self.image("cat.png", 0)
        process = self.check(self.tool("classify", image, *options, environment=self.environment), 0)
        self.assertEqual(process.stderr, "")
        self.assertIsNotNone(self.kept())
        (self.folder / "x.npy").write_bytes(pictures.npy((1, 3, 32, 32), pictures.normalised(CIFAR[0][1]), "f"))
        self.check(self.tool("run", "--model", MODEL, "--input", "x.npy", "--output", "y.npy", *options,
                             environment=self.environment), 0)


class Limited(ToolCase):

    def steps(self, *arguments):
        process = self.check(self.tool("inspect", "--model", MODEL, "--stage", "planned", "--format", "json", *arguments), 0)
        return [step for segment in json.loads(process.stdout)["segments"] for step in segment["steps"]]

    def winograd(self, *arguments):
        return [step["name"] for step in self.steps(*arguments) if step["implementation"].startswith("winograd")]

    def test_less_memory_less_winograd(self):
        unlimited = self.winograd()
        self.assertEqual(self.winograd("--memory-limit", 0), unlimited)
        self.assertEqual(self.winograd("--memory-limit", 1000), unlimited)
        some, none = self.winograd("--memory-limit", 0.5), self.winograd("--memory-limit", "0.000001")
        self.assertEqual(none, [])
        self.assertTrue(0 < len(some) <= len(unlimited))
        reasons = [rejected["reason"] for step in self.steps("--memory-limit", "0.000001")
                   for rejected in step["rejected"] if rejected["implementation"].startswith("winograd")]
        self.assertTrue(any("memory limit" in reason for reason in reasons))

    def test_the_text_gives_reasons(self):
        process = self.check(self.tool("inspect", "--model", MODEL, "--stage", "planned"), 0)
        self.assertIn("because", process.stdout)
        self.assertIn("multiplications an image", process.stdout)

    def test_usage(self):
        for value in ("-1", "much", "1e12"):
            self.check(self.tool("bench", "--model", MODEL, "--memory-limit", value), 2)
        self.check(self.tool("inspect", "--model", MODEL, "--memory-limit", "5"), 2)
        self.check(self.tool("inspect", "--model", MODEL, "--tune"), 2)


if __name__ == "__main__":
    unittest.main()
