"""residua run, bench, inspect and --version, end to end."""

import json
import math
import unittest

import pictures
from tool_case import CIFAR, LOGITS, MODEL, ToolCase


class Run(ToolCase):

    def input(self, name, shape, values, kind="f"):
        (self.folder / name).write_bytes(pictures.npy(shape, values, kind))
        return name

    def run_tool(self, *arguments, **options):
        return self.tool("run", "--model", MODEL, "--output", "y.npy", *arguments, **options)

    def test_logits_are_the_golden_ones(self):
        values = [value for _, pixels in CIFAR for value in pictures.normalised(pixels)]
        self.input("x.npy", (8, 3, 32, 32), values)
        for options in ((), ("--threads", 1), ("--schedule", "latency"), ("--schedule", "throughput"), ("--batch", 3)):
            process = self.check(self.run_tool("--input", "x.npy", *options), 0)
            self.assertEqual((process.stdout, process.stderr), ("", ""))
            shape, logits = pictures.read_npy(self.folder / "y.npy")
            self.assertEqual(shape, (8, 10))
            for found, expected in zip(logits, (value for row in LOGITS for value in row)):
                self.assertAlmostEqual(found, expected, delta=1e-4)
        self.assertEqual(self.names(), ["x.npy", "y.npy"])

    def test_inputs_that_do_not_fit_are_named_with_what_was_expected(self):
        values = [0.0] * 3072
        self.input("flat.npy", (3072,), values)
        self.input("nhwc.npy", (1, 32, 32, 3), values)
        self.input("none.npy", (0, 3, 32, 32), [])
        self.input("double.npy", (1, 3, 32, 32), values, "d")
        whole = (self.folder / self.input("whole.npy", (1, 3, 32, 32), values)).read_bytes()
        (self.folder / "cut.npy").write_bytes(whole[:-4])
        (self.folder / "text.npy").write_text("hello, this is text")
        for name, message in (("flat.npy", "shape [3072] found, [N, 3, height, width] expected"),
                              ("nhwc.npy", "shape [1, 32, 32, 3] found"), ("none.npy", "shape [0, 3, 32, 32] found"),
                              ("double.npy", "'<f8'"), ("cut.npy", "3071 are there"), ("text.npy", "is not a .npy file"),
                              ("gone.npy", "cannot be opened")):
            process = self.check(self.run_tool("--input", name), 1)
            self.assertIn("residua: %s: " % name, process.stderr)
            self.assertIn(message, process.stderr)
            self.assertFalse((self.folder / "y.npy").exists())

    def test_an_older_output_survives_a_failure(self):
        self.input("nhwc.npy", (1, 32, 32, 3), [0.0] * 3072)
        (self.folder / "y.npy").write_text("older")
        self.check(self.run_tool("--input", "nhwc.npy"), 1)
        self.assertEqual((self.folder / "y.npy").read_text(), "older")
        self.input("x.npy", (1, 3, 32, 32), [0.0] * 3072)
        self.check(self.tool("run", "--model", MODEL, "--input", "x.npy", "--output", "no/such/y.npy"), 1)

    def test_usage_and_model(self):
        self.input("x.npy", (1, 3, 32, 32), [0.0] * 3072)
        self.check(self.tool("run", "--model", MODEL, "--input", "x.npy"), 2)
        self.check(self.run_tool("--input", "x.npy", "--schedule", "fast"), 2)
        self.check(self.tool("run", "--model", "gone.onnx", "--input", "x.npy", "--output", "y.npy"), 3)


class Bench(ToolCase):

    KEYS = ["model", "batch", "threads", "schedule", "precision", "isa", "iterations", "latency_ms", "images_per_second",
            "load_ms", "first_run_ms", "peak_rss_mb", "gflop_per_image", "percent_of_peak"]

    def report(self, *arguments):
        process = self.check(self.tool("bench", "--json", "--seconds", "0.05", *arguments), 0)
        self.assertEqual(process.stderr, "")
        return json.loads(process.stdout)

    def test_json(self):
        report = self.report("--model", MODEL, "--threads", 1)
        self.assertEqual(list(report), self.KEYS)
        latency = report["latency_ms"]
        self.assertEqual(list(latency), ["min", "p50", "p90", "p99", "mean"])
        self.assertTrue(0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"])
        self.assertGreaterEqual(report["iterations"], 3)
        self.assertEqual((report["model"], report["batch"], report["threads"], report["precision"]), (MODEL, 1, 1, "fp32"))
        self.assertIn(report["schedule"], ("latency", "throughput"))
        # 40.6 million multiply-adds in the convolutions and the last layer; the projections add a little.
        self.assertTrue(0.08 < report["gflop_per_image"] < 0.085, report["gflop_per_image"])
        for key in ("images_per_second", "load_ms", "first_run_ms", "peak_rss_mb", "percent_of_peak"):
            self.assertTrue(report[key] > 0 and math.isfinite(report[key]), key)

    def test_layers(self):
        report = self.report("--model", MODEL, "--per-layer", "--batch", 2, "--threads", 1, "--schedule", "latency")
        self.assertEqual(list(report), self.KEYS + ["layers"])
        self.assertEqual((report["batch"], report["schedule"]), (2, "latency"))
        for layer in report["layers"]:
            self.assertEqual(list(layer), ["name", "op", "implementation", "ms", "gflop", "gflops_per_second"])
        self.assertAlmostEqual(sum(layer["gflop"] for layer in report["layers"]), 2 * report["gflop_per_image"], delta=1e-3)
        self.assertGreater(sum(layer["ms"] for layer in report["layers"]), 0)

    def test_trace(self):
        report = self.report("--model", MODEL, "--trace", "trace.json")
        self.assertEqual(list(report), self.KEYS)
        trace = json.loads((self.folder / "trace.json").read_text())
        events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
        self.assertGreater(len(events), 20)
        self.assertTrue(all(event["dur"] >= 0 for event in events))
        process = self.tool("bench", "--model", MODEL, "--seconds", "0.05", "--trace", "no/such/folder/t")
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("no/such/folder", process.stderr)

    def test_an_architecture_and_a_size(self):
        report = self.report("--model", "resnet18", "--image-size", "64x32", "--schedule", "throughput")
        self.assertEqual((report["model"], report["schedule"]), ("resnet18", "throughput"))
        self.assertTrue(0.05 < report["gflop_per_image"] < 0.3, report["gflop_per_image"])

    def test_text(self):
        process = self.check(self.tool("bench", "--model", MODEL, "--seconds", "0.05", "--per-layer"), 0)
        for part in ("images per second", "GFLOP", "p50", "implementation"):
            self.assertIn(part, process.stdout)
        self.assertTrue(all(line == line.rstrip() for line in process.stdout.splitlines()))

    def test_usage_and_model(self):
        for arguments in ((), ("--model", MODEL, "--precision", "int4"), ("--model", MODEL, "--seconds", "0"),
                          ("--model", MODEL, "--image-size", "0"), ("--model", MODEL, "--image-size", "3x"),
                          ("--model", MODEL, "--batch", "65537"), ("--model", MODEL, "--threads", "-1")):
            self.assertEqual(self.check(self.tool("bench", *arguments), 2).stdout, "")
        process = self.check(self.tool("bench", "--model", "resnet51"), 3)
        self.assertIn("resnet50", process.stderr)  # the names that it knows


class Inspect(ToolCase):

    def text(self, *arguments):
        process = self.check(self.tool("inspect", "--model", MODEL, *arguments), 0)
        self.assertEqual(process.stderr, "")
        return process.stdout

    def test_every_stage_in_every_format(self):
        for stage in ("imported", "optimized", "planned"):
            text = self.text("--stage", stage)
            self.assertIn("# parameters", text)
            self.assertIn("# input         3 x 32 x 32", text)
            self.assertIsInstance(json.loads(self.text("--stage", stage, "--format", "json")), dict)
            self.assertTrue(self.text("--stage", stage, "--format", "dot").startswith("digraph"))

    def test_the_optimized_network_is_the_default_and_the_shorter_one(self):
        self.assertEqual(self.text(), self.text("--stage", "optimized"))
        self.assertLess(self.text().count("\nnode"), self.text("--stage", "imported").count("\nnode"))

    def test_options_of_a_plan_need_one(self):
        self.text("--stage", "planned", "--batch", 4, "--image-size", 64, "--threads", 1, "--schedule", "throughput")
        process = self.check(self.tool("inspect", "--model", MODEL, "--batch", 4), 2)
        self.assertIn("--stage planned", process.stderr)

    def test_usage_and_model(self):
        self.check(self.tool("inspect"), 2)
        self.check(self.tool("inspect", "--model", MODEL, "--format", "xml"), 2)
        self.check(self.tool("inspect", "--model", MODEL, "--stage", "half"), 2)
        self.check(self.tool("inspect", "--model", "gone.onnx"), 3)


class Program(ToolCase):

    def test_version(self):
        lines = self.check(self.tool("--version"), 0).stdout.splitlines()
        self.assertRegex(lines[0], r"^residua \d+\.\d+\.\d+$")
        self.assertEqual([line.split(": ")[0] for line in lines[1:]],
                         ["compiler", "oneDNN", "instruction sets", "instruction set in use"])
        values = dict(line.split(": ") for line in lines[1:])
        self.assertIn(values["instruction set in use"], values["instruction sets"].split(", "))
        capped = self.check(self.tool("--version", environment={"RESIDUA_MAX_ISA": "sse2"}), 0).stdout
        self.assertIn("instruction set in use: sse2\n", capped)

    def test_help(self):
        for command in ((), ("classify",), ("run",), ("bench",), ("inspect",)):
            process = self.check(self.tool(*command, "--help"), 0)
            self.assertIn("Example", process.stdout)
            self.assertEqual(process.stderr, "")
        with open("/dev/full", "w") as full:
            self.assertEqual(self.tool("--help", stdout=full).returncode, 1)


if __name__ == "__main__":
    unittest.main()
