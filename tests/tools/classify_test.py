"""residua classify, end to end."""

import json
import math
import os
import pathlib
import pty
import struct
import subprocess
import threading
import unittest

import pictures
from tool_case import CIFAR, LABELS, LOGITS, MODEL, ROOT, TOOL, ToolCase


def softmax(values):
    exponentials = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponentials) for value in exponentials]


class Results(ToolCase):

    def lines(self, *arguments, code=0, **options):
        process = self.check(self.tool("classify", "--json", *arguments, **options), code)
        return [json.loads(line) for line in process.stdout.splitlines()], process.stderr

    def test_probabilities_are_those_of_the_golden_logits(self):
        paths = [self.image("%d.png" % i, i) for i in range(8)]
        # Every split into batches, also one that does not come out even.
        for batch in (1, 3, 8, 100):
            lines, complaints = self.lines("--top", 10, "--batch", batch, *paths)
            self.assertEqual(complaints, "")
            self.assertEqual([line["path"] for line in lines], paths)
            for line, logits in zip(lines, LOGITS):
                self.assertEqual(list(line), ["path", "top"])
                expected = softmax(logits)
                order = sorted(range(10), key=lambda i: -expected[i])
                self.assertEqual([entry["index"] for entry in line["top"]], order)
                for entry in line["top"]:
                    self.assertEqual(list(entry), ["index", "label", "probability"])
                    self.assertEqual(entry["label"], LABELS[entry["index"]])
                    self.assertAlmostEqual(entry["probability"], expected[entry["index"]], delta=1e-4)

    def test_the_answer_does_not_depend_on_the_threads(self):
        paths = [self.image("%d.png" % i, i) for i in range(8)]
        one = self.check(self.tool("classify", "--json", "--threads", 1, *paths), 0)
        all_of_them = self.check(self.tool("classify", "--json", *paths), 0)
        self.assertEqual(one.stdout, all_of_them.stdout)

    def test_top(self):
        path = self.image("a.png", 0)
        for asked, given in ((1, 1), (5, 5), (10, 10), (1000, 10)):
            lines, _ = self.lines("--top", asked, path)
            self.assertEqual(len(lines[0]["top"]), given)
        lines, _ = self.lines(path)
        self.assertEqual(len(lines[0]["top"]), 5)

    def test_many_images_keep_their_order_and_failures_their_places(self):
        paths = []
        for i in range(60):
            if i % 7 == 2:
                paths.append("broken%d.png" % i)
                (self.folder / paths[-1]).write_bytes((self.folder / paths[0]).read_bytes()[:100])
            elif i % 7 == 5:
                paths.append("missing%d.png" % i)
            else:
                paths.append(self.image("%d.png" % i, i % 8))
        lines, complaints = self.lines("--top", 1, *paths, code=1)
        self.assertEqual([line["path"] for line in lines], paths)
        for i, line in enumerate(lines):
            if i % 7 in (2, 5):
                self.assertEqual(list(line), ["path", "error"])
                self.assertIn("residua: %s: %s" % (line["path"], line["error"]), complaints)
            else:
                best = max(range(10), key=lambda k: LOGITS[i % 8][k])
                self.assertEqual(line["top"][0]["index"], best)

    def test_a_folder_is_searched_and_sorted(self):
        for name, i in (("f/b.png", 1), ("f/deep/er/c.PNG", 2), ("f/a.png", 0), ("last.png", 3)):
            self.image(name, i)
        (self.folder / "f" / "notes.txt").write_text("no image")
        (self.folder / "f" / "loop").symlink_to("..")
        lines, complaints = self.lines("last.png", "f")
        self.assertEqual([line["path"] for line in lines], ["last.png", "f/a.png", "f/b.png", "f/deep/er/c.PNG"])
        self.assertEqual(complaints, "")

    def test_a_folder_without_images_and_a_path_that_is_not_there(self):
        (self.folder / "empty").mkdir()
        lines, complaints = self.lines("empty", "nowhere.png", self.image("a.png", 0), code=1)
        self.assertEqual([list(line) for line in lines], [["path", "error"], ["path", "error"], ["path", "top"]])
        self.assertIn("empty: no image", complaints)
        self.assertIn("nowhere.png: no such file", complaints)

    def test_a_list_on_standard_input(self):
        for i, name in enumerate(("a b.png", "f/c.png", "d.png")):
            self.image(name, i)
        lines, _ = self.lines("-", input="d.png\n\na b.png\r\nf\n")
        self.assertEqual([line["path"] for line in lines], ["d.png", "a b.png", "f/c.png"])
        lines, _ = self.lines("-", input="")
        self.assertEqual(lines, [])

    def start(self, *arguments):
        """The tool at work, with pipes to and from it."""
        process = subprocess.Popen([TOOL, "classify", "--model", MODEL, "--json", "--top", "1", *arguments], cwd=self.folder,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        for stream in (process.stdout, process.stderr):
            self.addCleanup(stream.close)
        return process

    def test_a_list_is_answered_as_it_comes(self):
        names = [self.image("%d.png" % i, i % 8) for i in range(20)]
        process = self.start("-")
        for names_at_once in (names[:1], names[1:3], names[3:]):
            process.stdin.write("".join(name + "\n" for name in names_at_once))
            process.stdin.flush()
            for name in names_at_once:
                self.assertEqual(json.loads(process.stdout.readline())["path"], name)
        process.stdin.close()
        self.assertEqual(process.stdout.read(), "")
        self.assertEqual((process.wait(), process.stderr.read()), (0, ""))

    def test_a_reader_who_goes_away_while_the_list_is_still_open(self):
        name = self.image("a.png", 0)
        process = self.start("-")
        process.stdin.write(name + "\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(name + "\n")
        process.stdin.flush()
        self.assertEqual((process.wait(), process.stderr.read()), (0, ""))
        process.stdin.close()

    def test_a_long_list_of_every_length_keeps_its_order(self):
        names = [self.image("%d.png" % i, i) for i in range(8)] + ["gone.png"]
        for count in (2, 3, 7, 33, 300):
            paths = [names[i * i % 9] for i in range(count)]
            for threads in (1, 3):
                process = self.tool("classify", "--json", "--top", 1, "--threads", threads, "--batch", 4, "-",
                                    input="".join(path + "\n" for path in paths))
                lines = [json.loads(line) for line in process.stdout.splitlines()]
                self.assertEqual([line["path"] for line in lines], paths)
                for line in lines:
                    if line["path"] != "gone.png":
                        image = int(line["path"][0])
                        self.assertEqual(line["top"][0]["index"], max(range(10), key=lambda k: LOGITS[image][k]))
                failures = ["residua: gone.png: no such file or folder"] * paths.count("gone.png")
                self.assertEqual(process.stderr.splitlines(), failures)
                self.assertEqual(process.returncode, 1 if failures else 0)

    def test_paths_of_any_bytes(self):
        name = b"caf\xe9 \"quoted\"\n.png"
        with open(os.path.join(os.fsencode(self.folder), name), "wb") as file:
            file.write((self.folder / self.image("a.png", 0)).read_bytes())
        lines, _ = self.lines(os.fsdecode(name))
        self.assertEqual(lines[0]["path"], "caf\ufffd \"quoted\"\n.png")

    def test_names_that_look_like_something_else(self):
        for name in ("run", "-odd.png"):
            self.image(name, 0)
        lines, _ = self.lines("--", "run", "-odd.png")
        self.assertEqual([line["path"] for line in lines], ["run", "-odd.png"])

    def test_labels_of_ones_own(self):
        (self.folder / "labels.txt").write_text("".join("thing %d\n" % i for i in range(10)))
        lines, _ = self.lines("--labels", "labels.txt", "--top", 1, self.image("a.png", 0))
        self.assertEqual(lines[0]["top"][0]["label"], "thing 3")

    def test_an_image_of_another_size_is_resized(self):
        _, pixels = CIFAR[1]
        rows = [pixels[y * 96:(y + 1) * 96] for y in range(32)]
        doubled = b"".join(b"".join(row[x:x + 3] * 2 for x in range(0, 96, 3)) for row in rows for _ in range(2))
        (self.folder / "big.png").write_bytes(pictures.png(64, 64, doubled))
        lines, _ = self.lines("big.png", "--top", 1)
        self.assertEqual(lines[0]["top"][0]["label"], "ship")

    def test_heat_maps(self):
        paths = [self.image("a/%d.png" % i, i) for i in range(5)]
        plain, _ = self.lines("a")
        lines, complaints = self.lines("--heatmap", "maps", "a")
        self.assertEqual(complaints, "")
        for line, path in zip(lines, paths):
            written = line.pop("heatmap")
            self.assertEqual(written, "maps/" + path + ".png")
            # As large as the image, and one that the tool itself reads.
            self.assertEqual(struct.unpack(">II", (self.folder / written).read_bytes()[16:24]), (32, 32))
        self.assertEqual(lines, plain)
        self.lines("maps")
        # Of the likeliest class, or the one that is asked for.
        best = plain[0]["top"][0]["label"]
        for chosen in (best, best.upper(), str(plain[0]["top"][0]["index"])):
            self.lines("--heatmap", "one.png", "--class", chosen, paths[0])
            self.assertEqual((self.folder / "one.png").read_bytes(),
                             (self.folder / "maps" / (paths[0] + ".png")).read_bytes())
        other = plain[0]["top"][-1]["label"]
        self.lines("--heatmap", "other.png", "--class", other, paths[0])
        self.assertNotEqual((self.folder / "other.png").read_bytes(), (self.folder / "one.png").read_bytes())
        self.assertIn("heat map: one.png", self.check(self.tool("classify", "--heatmap", "one.png", paths[0]), 0).stdout)

    def test_heat_maps_lie_on_the_object(self):
        # (left, top, right, bottom) on a drawn picture with both.
        places = {"ship": (20, 185, 240, 305), "airplane": (205, 50, 375, 130)}
        picture = ROOT / "docs" / "pictures" / "harbour.png"
        maps = {}
        for name in places:
            self.lines("--scales", 64, "--heatmap", "map.png", "--class", name, picture)
            width, height, pixels = pictures.read_png(self.folder / "map.png")
            self.assertEqual((width, height), (400, 400))
            maps[name] = pixels

        def light(pixels, place):
            left, top, right, bottom = place
            rows = [pixels[(y * 400 + left) * 3:(y * 400 + right) * 3] for y in range(top, bottom)]
            return sum(map(sum, rows)) / sum(map(len, rows))

        for name, other in (("ship", "airplane"), ("airplane", "ship")):
            self.assertGreater(light(maps[name], places[name]), 1.3 * light(maps[other], places[name]))

    def test_heat_maps_that_cannot_be(self):
        path = self.image("a.png", 0)
        before = (self.folder / path).read_bytes()
        self.assertIn("is the image itself", self.check(self.tool("classify", "--heatmap", path, path), 2).stderr)
        self.assertEqual((self.folder / path).read_bytes(), before)
        for arguments, what in ((["--class", "cat"], "--heatmap"), (["--heatmap", "m", "--class", "unicorn"], "unicorn"),
                                (["--heatmap", "m", "--class", "10"], "10 classes"), (["--heatmap", "m.png", path], "folder")):
            process = self.check(self.tool("classify", *arguments, path), 2)
            self.assertIn(what, process.stderr)
        self.assertEqual(self.names(), ["a.png"])
        # The images are done, and each that has no map is named.
        (self.folder / "taken").write_text("a file")
        process = self.check(self.tool("classify", "--json", "--heatmap", "taken", path), 1)
        self.assertIn("heat map", json.loads(process.stdout)["error"])
        self.assertIn("taken", process.stderr)

    def test_the_table(self):
        process = self.check(self.tool("classify", "--top", 2, self.image("a.png", 0), self.image("b.png", 1), "gone.png",
                                       environment={"LC_ALL": "C"}), 1)
        lines = process.stdout.splitlines()
        self.assertEqual([lines[0], lines[3], lines[4]], ["a.png", "", "b.png"])
        self.assertRegex(lines[1], r"^ +[0-9.]+ %  #+ *  cat$")
        self.assertEqual(len(lines), 7)
        self.assertEqual(lines[1].index("cat"), lines[5].index("ship"))
        self.assertEqual(process.stderr, "residua: gone.png: no such file or folder\n")

    def test_nothing_but_results_on_standard_output(self):
        paths = [self.image("%d.png" % i, i % 8) for i in range(30)]
        process = self.check(self.tool("classify", "--json", *paths), 0)
        self.assertEqual(process.stderr, "")
        self.assertEqual(len(process.stdout.splitlines()), 30)


class Endings(ToolCase):

    def test_bad_usage(self):
        path = self.image("a.png", 0)
        for arguments in ((), ("classify",), ("classify", "--top", "0", path), ("classify", "--threads", "0", path),
                          ("classify", "--batch", "0", path), ("classify", "--batch", "70000", path),
                          ("classify", "--nonsense", path), ("classify", "--top", "x", path), ("nonsense",),
                          ("classify", "--heatmap", "", path), ("classify", "--class", "", path)):
            process = self.check(self.tool(*arguments), 2)
            self.assertEqual(process.stdout, "", arguments)
            self.assertNotEqual(process.stderr, "", arguments)

    def test_an_unusable_model(self):
        path = self.image("a.png", 0)
        (self.folder / "text.onnx").write_text("this is no model")
        (self.folder / "empty").write_text("")
        (self.folder / "cut.safetensors").write_bytes(pathlib.Path(MODEL).read_bytes()[:50000])
        for model in ("missing.onnx", "text.onnx", "empty", "cut.safetensors", ".", path):
            process = self.check(self.tool("classify", "--model", model, path), 3)
            self.assertEqual(process.stdout, "")
            self.assertIn(model, process.stderr)
        process = self.check(self.tool("classify", path, environment={"RESIDUA_MODELS": "nowhere"}), 3)
        self.assertIn("nowhere", process.stderr)
        process = self.check(self.tool("classify", "--labels", "missing.txt", path), 3)
        self.assertIn("missing.txt", process.stderr)

    def test_the_model_folder_can_be_set(self):
        self.check(self.tool("classify", self.image("a.png", 0), environment={"RESIDUA_MODELS": os.path.dirname(MODEL)}), 0)

    def test_output_file(self):
        path = self.image("a.png", 0)
        to_pipe = self.check(self.tool("classify", "--json", path, "gone.png"), 1)
        to_file = self.check(self.tool("classify", "--json", path, "gone.png", "--output", "results.jsonl"), 1)
        self.assertEqual(to_file.stdout, "")
        self.assertEqual((self.folder / "results.jsonl").read_text(), to_pipe.stdout)
        self.assertEqual(self.names(), ["a.png", "results.jsonl"])

    def test_output_that_cannot_be_written(self):
        path = self.image("a.png", 0)
        for output in ("no/such/folder", ".", "a.png/below", "/dev/full"):
            process = self.check(self.tool("classify", path, "--output", output), 1)
            self.assertIn("%s: cannot be written" % output, process.stderr)
        self.assertEqual(self.names(), ["a.png"])

    def test_a_folder_that_is_read_only(self):
        path = self.image("a.png", 0)
        (self.folder / "locked").mkdir(mode=0o555)
        options = {}
        if os.geteuid() == 0:
            # Root may write anywhere: become nobody, if nobody can reach the tool.
            options = {"user": 65534, "group": 65534, "extra_groups": []}
            self.folder.chmod(0o755)
            try:
                reachable = self.tool("--version", **options).returncode == 0
            except PermissionError:
                reachable = False
            if not reachable:
                self.skipTest("root, and the tool lies where others may not go")
        process = self.check(self.tool("classify", "--model", MODEL, path, "--output", "locked/results", **options), 1)
        self.assertIn("locked/results: cannot be written: Permission denied", process.stderr)

    def test_a_reader_who_goes_away(self):
        paths = [self.image("%d.png" % i, i % 8) for i in range(40)]
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = self.tool("classify", "--json", *paths, stdout=write_end)
        os.close(write_end)
        self.assertEqual((process.returncode, process.stderr), (0, ""))

    def test_a_closed_standard_output(self):
        path = self.image("a.png", 0)
        shell = subprocess.run(["sh", "-c", '"$0" classify "$1" >&-', TOOL, path], cwd=self.folder,
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", timeout=60)
        self.assertEqual(shell.returncode, 1)
        self.assertEqual(shell.stderr, "residua: standard output: cannot be written: Bad file descriptor\n")
        # All three closed, and a file that would otherwise take the place of one of them.
        shell = subprocess.run(["sh", "-c", '"$0" classify "$1" --output results <&- >&- 2>&-', TOOL, path],
                               cwd=self.folder, timeout=60)
        self.assertEqual(shell.returncode, 0)
        self.assertTrue((self.folder / "results").read_text().startswith("a.png\n"))

    def test_a_full_disk(self):
        with open("/dev/full", "w") as full:
            process = self.tool("classify", self.image("a.png", 0), stdout=full)
        self.assertEqual(process.returncode, 1)
        self.assertIn("standard output: cannot be written: No space left on device", process.stderr)

    def test_progress_is_for_terminals_and_leaves_no_trace(self):
        paths = [self.image("%d.png" % i, i % 8) for i in range(40)]
        try:
            master, terminal = pty.openpty()
        except OSError as error:  # a container without /dev/pts
            self.skipTest("no terminal to be had here: %s" % error)
        process = subprocess.run([TOOL, "classify", "--model", MODEL, "--json", *paths], cwd=self.folder, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=terminal, env=dict(os.environ, TERM="xterm"), timeout=60)
        os.close(terminal)
        drawn = os.read(master, 100000).decode()
        os.close(master)
        self.assertEqual(process.returncode, 0)
        self.assertIn("/40", drawn)
        self.assertIn("images/s", drawn)
        self.assertTrue(drawn.endswith("\r\033[K"), repr(drawn))


if __name__ == "__main__":
    unittest.main()
