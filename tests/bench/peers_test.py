"""bench/peers without its engines: from a child's answers to ratios, table and chart."""
import argparse
import base64
import json
import math
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from array import array
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))

import chart
import engines
import machine
import measure
import report
import summary


def bursts(*milliseconds, runs=3):
    """A child's answers: a burst for each of `milliseconds`."""
    return [{"times": [one / 1e3] * runs, "peak_mb": 210.4, "resident_mb": 180.0, "idle_cpu_seconds": 0.01} for one in milliseconds]


def comparison(model="resnet18", batch=1, **times):
    """Of engines with these times by round; None: the engine failed. The peers are all but those called residua or before."""
    results = {name: {"failure": "no such instruction"} if rounds is None else
               {"configuration": "2 threads together", "difference": 1e-6} for name, rounds in times.items()}
    rounds = {name: bursts(*values) for name, values in times.items() if values}
    peers = [name for name in times if name not in ("residua", "before")]
    return summary.comparison(model, batch, results, rounds, None, "onnxruntime", peers) | {"weights": "random, seed 1"}


def data(*results):
    names = dict.fromkeys(name for one in results for name in one["engines"])
    return {"date": "2031-05-17T08:00:00+00:00", "settings": {"rounds": 3, "seconds": 0.5}, "left_out": {}, "results": list(results),
            "machine": {"cpu": "AMD EPYC", "core": "Zen 4", "threads": 2, "system": "Linux 6.1"},
            "engines": {name: {"version": "1.2", "peer": name != "residua"} for name in names}}


class Summary(unittest.TestCase):
    def test_relative_difference(self):
        self.assertEqual(summary.relative_difference([1.0, -4.0], [1.0, -4.0]), 0)
        self.assertAlmostEqual(summary.relative_difference([1.0, -3.0], [1.5, -4.0]), 0.25)
        for ours, theirs in (([1.0], [1.0, 2.0]), ([math.nan], [1.0]), ([1.0], [1.0, math.inf][1:]), ([1.0], [0.0])):
            self.assertEqual(summary.relative_difference(ours, theirs), math.inf)

    def test_figures_of_one_engine(self):
        figures = summary.engine(bursts(10.0, 12.0, 11.0), 4)
        self.assertAlmostEqual(figures["milliseconds"], 11.0)
        self.assertAlmostEqual(figures["minimum_ms"], 10.0)
        self.assertAlmostEqual(figures["images_per_second"], 4 / 0.011)
        self.assertAlmostEqual(figures["spread"], 2 / 11)
        self.assertEqual(figures["runs"], 9)

    def test_ratio_is_the_median_of_the_rounds_ratios(self):
        # The second round is slow for both: the ratio of the medians would be 12/10, each round says 1.2, 2.0, 1.5.
        found = comparison(residua=(10, 20, 8), onnxruntime=(12, 40, 12))
        self.assertAlmostEqual(found["ratio"], 1.5)
        self.assertEqual(len(found["ratios"]["onnxruntime"]["rounds"]), 3)

    def test_fastest_rounds_are_each_engines_own(self):
        self.assertAlmostEqual(summary.fastest_ratio([12, 40, 18], [20, 8, 10]), 1.5)

    def test_fastest_ratio_of_best_is_of_the_peer_with_the_fastest_round(self):
        # In the median onnxruntime is the faster one, in its fastest round openvino.
        found = comparison(residua=(10, 20, 30), onnxruntime=(30, 30, 30), openvino=(25, 50, 60), ncnn=None)
        self.assertEqual(found["best_peer"], "onnxruntime")
        self.assertAlmostEqual(summary.fastest_ratio_of_best(found, ["onnxruntime", "openvino", "ncnn"]), 2.5)

    def test_best_peer_is_no_build_of_ours_and_no_failure(self):
        found = comparison(residua=(10, 10), before=(5, 5), onnxruntime=(13, 13), openvino=(12, 12), ncnn=None)
        self.assertEqual(found["best_peer"], "openvino")
        self.assertAlmostEqual(found["ratio"], 1.2)
        self.assertAlmostEqual(found["ratios"]["before"]["median"], 0.5)
        self.assertNotIn("ncnn", found["ratios"])

    def test_without_residua_or_without_peers(self):
        self.assertNotIn("ratio", comparison(onnxruntime=(12,), openvino=(11,)))
        self.assertNotIn("best_peer", comparison(residua=(12,)))

    def test_slowdown_is_against_the_engines_own_quiet_time(self):
        found = summary.comparison("resnet18", 1, {"residua": {}}, {"residua": bursts(10, 10)}, {"residua": bursts(19, 21)}, None, [])
        self.assertAlmostEqual(found["engines"]["residua"]["busy"]["slowdown"], 2.0)


class FakeChild:
    def __init__(self, log, name):
        self.log, self.name, self.closed = log, name, False

    def burst(self, seconds):
        self.log.append(self.name)
        if self.name == "ncnn" and self.log.count("ncnn") == 2:
            raise measure.Failure("ended")
        return bursts(10)[0]

    def close(self):
        self.closed = True


class Measure(unittest.TestCase):
    def comparison(self, **logits):
        log = []
        contenders = [measure.Contender(name, name, child=FakeChild(log, name)) for name in logits]
        made = measure.Comparison(argparse.Namespace(rounds=3, pause=0, seconds=0), contenders, "resnet18", Path("x.onnx"), 1)
        for name, values in logits.items():
            made.results[name]["logits"] = base64.b64encode(array("f", values).tobytes()).decode()
        return made, log

    def test_an_engine_that_disagrees_is_not_ranked(self):
        made, log = self.comparison(residua=[1, 2], openvino=[1, 2.1], onnxruntime=[1, 2.00001])
        self.assertEqual(made.judge(), "onnxruntime")
        self.assertIn("differ", made.results["openvino"]["failure"])
        self.assertNotIn("failure", made.results["residua"])
        made.rounds("quiet")
        self.assertEqual(set(made.complete("quiet")), {"residua", "onnxruntime"})
        self.assertNotIn("openvino", log)

    def test_each_round_begins_with_the_next_engine(self):
        made, log = self.comparison(residua=[1], onnxruntime=[1], openvino=[1])
        made.rounds("quiet")
        self.assertEqual(log, ["residua", "onnxruntime", "openvino", "onnxruntime", "openvino", "residua",
                               "openvino", "residua", "onnxruntime"])

    def test_an_engine_that_ends_midway_is_left_out(self):
        made, _ = self.comparison(residua=[1], ncnn=[1])
        made.rounds("quiet")
        self.assertEqual(set(made.complete("quiet")), {"residua"})
        self.assertIn("round 2", made.results["ncnn"]["failure"])

    def test_a_pass_adds_its_rounds_and_keeps_the_configuration(self):
        log, started = [], []
        logits = base64.b64encode(array("f", [1, 2]).tobytes()).decode()

        class Started(FakeChild):
            def __init__(self, script, engine, model, batch, threads, configuration):
                super().__init__(log, engine)
                self.label = json.loads(configuration)["label"]
                started.append(self.label)

            def answer(self):
                return {"version": "1.2", "load_seconds": 0.1, "logits": logits}

            def burst(self, seconds):
                super().burst(seconds)
                return bursts(20 if self.label == "slow" else 10)[0]

        module = argparse.Namespace(candidates=lambda batch, threads, options: [{"label": "slow"}, {"label": "fast"}])
        options = argparse.Namespace(rounds=2, trials=1, pause=0, seconds=0, threads=1, busy_core=False)
        with mock.patch.object(measure, "Child", Started), mock.patch.object(engines, "module", lambda name: module):
            made = measure.Comparison(options, [measure.Contender("onnxruntime", "onnxruntime")], "resnet18", Path("x.onnx"), 1)
            first, second = made.run(), made.run()
        self.assertEqual(started, ["slow", "fast", "fast"])
        self.assertEqual([len(one["engines"]["onnxruntime"]["rounds_ms"]) for one in (first, second)], [2, 4])
        self.assertEqual(second["engines"]["onnxruntime"]["configuration"], "fast")
        self.assertEqual(second["engines"]["onnxruntime"]["trials_ms"], {"slow": 20, "fast": 10})
        self.assertIsNone(made.contenders[0].child)

    def test_a_child_says_why_it_fails(self):
        for words, text in ((("child.py", "nonsense", "x", 1, 1, "{}"), "ModuleNotFoundError"), (("report.py",), "ended")):
            child = measure.Child(*words)
            self.addCleanup(child.close)
            with self.assertRaisesRegex(measure.Failure, text):
                child.answer()

    def test_ways_to_cut_a_batch(self):
        self.assertEqual([(way["workers"], way["threads"], way["images"]) for way in engines.splits(16, 2)],
                         [(1, 2, 16), (2, 1, 8), (2, 1, 1)])
        for batch, threads in ((1, 2), (16, 1), (3, 2)):
            self.assertEqual(len(engines.splits(batch, threads)), 1)
        self.assertEqual(len(engines.splits(2, 2)), 2)


class Report(unittest.TestCase):
    def test_table(self):
        found = report.markdown(data(comparison(residua=(10,), onnxruntime=(20,), ncnn=None),
                                     comparison("resnet50", residua=(40,), onnxruntime=(20,), ncnn=(25,))), "x.svg")
        self.assertIn("| resnet18 | 1 | **100.0** | 50.0 | – |", found)
        self.assertIn("| resnet50 | 1 | 25.0 | **50.0** | 40.0 |", found)
        self.assertIn("| resnet18 | 1 | 1 | 2.00 | – |", found)
        self.assertIn("- ncnn, resnet18, batch 1: no such instruction", found)
        self.assertIn("models: **1.00** at batch 1", found)  # 2 and 1/2
        self.assertIn("bursts: **1.00** at batch 1", found)
        self.assertIn("(x.svg)", found)

    def test_what_is_left_out_is_named(self):
        made = data(comparison(residua=(10,)))
        made["left_out"] = {"openvino": "the package openvino is not installed"}
        self.assertIn("OpenVINO: left out: the package", report.markdown(made))

    def test_nothing_ran(self):
        self.assertIn("no such instruction", report.markdown(data(comparison(residua=None))))

    def test_files_are_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "new" / "file.md"
            report.write_whole(path, "one")
            report.write_whole(path, "two")
            self.assertEqual(path.read_text(encoding="utf-8"), "two")
            self.assertEqual(list(path.parent.iterdir()), [path])

    def test_results_are_json(self):
        made = data(comparison(residua=(10,), onnxruntime=(20,)))
        self.assertEqual(json.loads(json.dumps(made)), made)


class Chart(unittest.TestCase):
    SVG = "{http://www.w3.org/2000/svg}"

    def bars(self, made):
        """Widths of an engine's bars by title, and all texts."""
        root = xml.etree.ElementTree.fromstring(chart.svg(made))
        found = {}
        for rectangle in root.iter(f"{self.SVG}rect"):
            for title in rectangle.iter(f"{self.SVG}title"):
                found.setdefault(title.text.split(":")[0], []).append(float(rectangle.get("width")))
        return found, [element.text for element in root.iter(f"{self.SVG}text")]

    def test_bars_are_relative_to_residua(self):
        found, texts = self.bars(data(comparison(residua=(10,), onnxruntime=(20,)),
                                      comparison("resnet50", batch=16, residua=(10,), onnxruntime=(5,))))
        widths, theirs = found["Residua"], found["ONNX Runtime"]
        self.assertAlmostEqual(widths[0], widths[1], places=1)
        self.assertAlmostEqual(theirs[0], widths[0] / 2, places=0)
        self.assertAlmostEqual(theirs[1], widths[0] * 2, places=0)
        self.assertLessEqual(theirs[1], chart.WIDTH / 2)
        for text in ("resnet18", "resnet50", "batch 1", "batch 16", "100", "50.0"):
            self.assertIn(text, texts)

    def test_failures_keep_their_place(self):
        _, texts = self.bars(data(comparison(residua=(10,), ncnn=None), comparison("resnet50", residua=(10,), ncnn=(12,))))
        self.assertIn("ncnn: no result", texts)

    def test_names_are_escaped_and_coloured_apart(self):
        made = data(comparison(**{"residua": (10,), "before": (11,), "<a&b>": (12,), "onnxruntime": (20,)}))
        found, _ = self.bars(made)
        self.assertIn("<a&b>", found)
        paint = chart.colours(report.names_of(made))
        self.assertEqual(len(set(paint.values())), 4)

    def test_without_residua_and_empty(self):
        self.bars(data(comparison(onnxruntime=(20,), openvino=(21,))))
        self.bars(data(comparison(residua=None)))


class Machine(unittest.TestCase):
    def test_slugs(self):
        for cpu, core, cpus, expected in (
                ("AMD EPYC", "Zen 4", 2, "amd-epyc-zen4-2-cores"),
                ("AMD Ryzen 9 7950X 16-Core Processor", "Zen 4", 1, "amd-ryzen-9-7950x-zen4-1-core"),
                ("Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", "", 8, "intel-xeon-platinum-8375c-8-cores")):
            self.assertEqual(machine.slug(cpu, core, cpus), expected)

    def test_microarchitecture(self):
        sets = ["avx2", "avx512f"]
        self.assertEqual(machine.microarchitecture("AuthenticAMD", 0x19, 0x11, sets), "Zen 4")
        self.assertEqual(machine.microarchitecture("AuthenticAMD", 0x1A, 0x02, sets), "Zen 5")
        self.assertEqual(machine.microarchitecture("GenuineIntel", 6, 0x6A, sets), "")
        self.assertEqual(machine.microarchitecture("GenuineIntel", 6, 0x8F, [*sets, "amx_tile"]), "AMX")

    def test_this_machine(self):
        self.assertIn(machine.describe(1)["cpu"], machine.title(machine.describe(1)))


if __name__ == "__main__":
    unittest.main()
