"""residua evaluate, end to end."""

import base64
import fcntl
import html.parser
import json
import math
import pathlib
import re
import signal
import subprocess
import time
import unittest

from tool_case import CIFAR, LABELS, LOGITS, MODEL, TOOL, ToolCase


def wilson(right, images):
    """As Wilson wrote it: where |share - p| is z standard deviations of p. By bisection, not by the closed form."""
    share, z = right / images, 1.959963984540054

    def bound(low, high, inside):
        for _ in range(200):
            middle = (low + high) / 2
            within = abs(share - middle) <= z * math.sqrt(middle * (1 - middle) / images)
            low, high = (middle, high) if within != inside else (low, middle)
        return (low + high) / 2

    return bound(0, share, True), bound(share, 1, False)


def order_of(i):
    return sorted(range(10), key=lambda k: -LOGITS[i][k])


class Evaluate(ToolCase):

    def labels_file(self, truths, name="labels.tsv", heading="file\tindex\tname\n"):
        """Images photos/0.png, ... of CIFAR's first eight in turn, and a file that says what they show."""
        lines = ["%d.png\t%d\tname of %d" % (i, truth, truth) for i, truth in enumerate(truths)]
        for i in range(len(truths)):
            self.image("photos/%d.png" % i, i % 8)
        (self.folder / name).write_text(heading + "\n".join(lines) + "\n")
        return name

    def evaluate(self, *arguments, code=0, folder="photos", **options):
        return self.check(self.tool("evaluate", "--json", "report.json", *arguments, folder, **options), code)

    def report(self, *arguments, **options):
        self.evaluate(*arguments, **options)
        return json.loads((self.folder / "report.json").read_text())

    def refused(self, *arguments, code=2, **options):
        process = self.check(self.tool("evaluate", *arguments, **options), code)
        self.assertEqual(process.stdout, "")
        return process.stderr

    # Some right, some wrong.
    TRUTHS = [CIFAR[i % 8][0] if i % 3 else (CIFAR[i % 8][0] + i) % 10 for i in range(40)]

    def check_figures(self, report):
        ranks = [order_of(i % 8).index(truth) for i, truth in enumerate(self.TRUTHS)]
        self.assertEqual((report["images"], report["failed"]), (40, 0))
        for key, most in (("top1", 1), ("top5", 5)):
            right = sum(rank < most for rank in ranks)
            self.assertTrue(0 < right < 40)
            low, high = wilson(right, 40)
            self.assertEqual(report[key]["right"], right)
            self.assertAlmostEqual(report[key]["share"], right / 40, places=5)
            self.assertAlmostEqual(report[key]["low"], low, places=5)
            self.assertAlmostEqual(report[key]["high"], high, places=5)
        pairs = {}
        for i, truth in enumerate(self.TRUTHS):
            if ranks[i] > 0:
                pairs[truth, order_of(i % 8)[0]] = pairs.get((truth, order_of(i % 8)[0]), 0) + 1
        self.assertEqual({(entry["truth"]["index"], entry["guess"]["index"]): entry["images"]
                          for entry in report["confusions"]}, pairs)
        counts = [entry["images"] for entry in report["confusions"]]
        self.assertEqual(counts, sorted(counts, reverse=True))
        self.assertEqual({entry["index"]: (entry["images"], entry["top1"]["right"], entry["top5"]["right"])
                          for entry in report["classes"]},
                         {c: (self.TRUTHS.count(c), *(sum(truth == c and rank < most for truth, rank in zip(self.TRUTHS, ranks))
                                                      for most in (1, 5))) for c in set(self.TRUTHS)})
        shares = [entry["top1"]["share"] for entry in report["classes"]]
        self.assertEqual(shares, sorted(shares))
        self.assertEqual(sorted(entry["path"] for entry in report["wrong"]),
                         sorted("photos/%d.png" % i for i in range(40) if ranks[i] > 0))
        margins = [entry["guess_probability"] - entry["probability"] for entry in report["wrong"]]
        self.assertEqual(margins, sorted(margins, reverse=True))
        for entry in report["wrong"]:
            i = int(pathlib.Path(entry["path"]).stem)
            self.assertEqual((entry["truth"]["index"], entry["rank"]), (self.TRUTHS[i], ranks[i] + 1))
            self.assertEqual(entry["truth"]["label"], LABELS[self.TRUTHS[i]])

    def test_figures_are_those_of_the_golden_logits(self):
        self.labels_file(self.TRUTHS)
        for options in ((), ("--threads", 1, "--batch", 3)):
            report = self.report("--labels-file", "labels.tsv", *options)
            self.check_figures(report)
            self.assertGreater(report["images_per_second"], 0)
        process = self.evaluate("--labels-file", "labels.tsv")
        right = report["top1"]["right"]
        self.assertIn("%d of 40" % right, process.stdout)
        self.assertIn("%.1f to %.1f %%" % tuple(100 * bound for bound in wilson(right, 40)), process.stdout)
        self.assertIn("images/s", process.stdout)
        self.assertIn("Confused most often", process.stdout)

    def test_ways_to_write_labels(self):
        self.labels_file([CIFAR[i][0] for i in range(8)])
        for text in ("".join("%d.png\t%s\n" % (i, LABELS[CIFAR[i][0]].upper()) for i in range(8)),
                     "".join("%d.png %d\r\n" % (i, CIFAR[i][0]) for i in range(8))):
            (self.folder / "other.tsv").write_text(text)
            self.assertEqual(self.report("--labels-file", "other.tsv")["top1"]["right"], 8)

    def test_a_folder_for_each_class(self):
        for i in range(8):
            self.image("named/%s/%d.png" % (LABELS[CIFAR[i][0]], i), i)
            self.image("numbered/%d/deep/%d.png" % (CIFAR[i][0], i), i)
        for i in range(10):  # in the order of their names, as torchvision takes them
            (self.folder / ("sorted/n%04d" % (7 * i))).mkdir(parents=True)
        for i in range(8):
            self.image("sorted/n%04d/%d.png" % (7 * CIFAR[i][0], i), i)
        for folder in ("named", "numbered", "sorted"):
            report = self.report(folder=folder)
            self.assertEqual((report["top1"]["right"], report["images"]), (8, 8), folder)
        (self.folder / "sorted/.thumbnails").mkdir()  # another program's
        self.assertEqual(self.report(folder="sorted")["top1"]["right"], 8)
        # Ten folders for ten classes, but most say by name which: order says nothing.
        for name in sorted(set(LABELS) - {LABELS[CIFAR[i][0]] for i in range(8)})[1:]:
            (self.folder / "named" / name).mkdir()
        while len(list((self.folder / "named").iterdir())) < 10:
            (self.folder / "named" / ("zebra%d" % len(list((self.folder / "named").iterdir())))).mkdir()
        self.assertRegex(self.refused("named"), "'zebra[0-9]' is no label and no number of a class, as others are")
        (self.folder / "hollow/cat").mkdir(parents=True)
        self.assertIn("no image in its folders", self.refused("hollow"))
        (self.folder / "flat").mkdir()
        self.assertIn("one for each class expected", self.refused("flat"))
        self.assertIn("gone", self.refused("gone"))

    def test_labels_that_differ_in_capitals_alone(self):
        # As ImageNet's two: the dog and the jacket.
        labels = list(LABELS)
        one, other = CIFAR[0][0], next(truth for truth, *_ in CIFAR if truth != CIFAR[0][0])
        labels[one], labels[other] = "Cardigan", "cardigan"
        (self.folder / "labels.txt").write_text("\n".join(labels) + "\n")
        for i in range(8):
            self.image("named/%s/%d.png" % (labels[CIFAR[i][0]], i), i)
        report = self.report("--labels", "labels.txt", folder="named")
        self.assertEqual((report["top1"]["right"], report["images"]), (8, 8))
        (self.folder / "both.tsv").write_text("Cardigan/0.png\tCARDIGAN\n")
        self.assertIn("both.tsv:1: 2 classes are called 'CARDIGAN': %d (" % min(one, other),
                      self.refused("--labels", "labels.txt", "--labels-file", "both.tsv", "named"))

    def test_images_without_suffixes_may_be_listed(self):
        for i in range(2):
            (self.folder / self.image("photos/%d.png" % i, i)).rename(self.folder / ("photos/val_%d" % i))
        (self.folder / "list.txt").write_text("val_0 %d\nval_1 %d\n" % (CIFAR[0][0], CIFAR[1][0]))
        report = self.report("--labels-file", "list.txt")
        self.assertEqual((report["top1"]["right"], report["images"]), (2, 2))

    def test_a_killed_run_goes_on(self):
        truths = [self.TRUTHS[i % 40] for i in range(2000)]
        self.labels_file(truths)
        options = ("--labels-file", "labels.tsv", "--batch", "2")
        whole = self.report(*options)
        process = subprocess.Popen([TOOL, "evaluate", *options, "--threads", "1", "--resume", "state.jsonl", "photos"],
                                   cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        state = self.folder / "state.jsonl"
        deadline = time.monotonic() + 60
        while not state.exists() or state.read_bytes().count(b"\n") < 20:
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGKILL)
        process.wait()
        lines = state.read_bytes().count(b"\n")
        self.assertLess(lines, 2001)
        resumed = self.report(*options, "--resume", "state.jsonl")
        self.assertEqual(resumed["from_state"], lines - 1)
        self.assertEqual(state.read_bytes().count(b"\n"), 2001)
        again = self.report(*options, "--resume", "state.jsonl")
        self.assertEqual((again["from_state"], again["seconds"]), (2000, 0))
        for report in (resumed, again):
            for key in ("images", "top1", "top5"):
                self.assertEqual(report[key], whole[key])
            self.assertEqual({entry["path"] for entry in report["wrong"]}, {entry["path"] for entry in whole["wrong"]})

    def test_what_the_state_says_is_taken_and_a_torn_line_is_not(self):
        self.labels_file(self.TRUTHS)
        options = ("--labels-file", "labels.tsv", "--resume", "state.jsonl")
        self.check_figures(self.report(*options))
        state = self.folder / "state.jsonl"
        lines = state.read_text().splitlines(keepends=True)
        entry = json.loads(lines[1])
        entry["guesses"] = [[(entry["truth"] + 1) % 10, 0.987654]]
        entry["rank"], entry["probability"] = 9, 0.001
        for torn in ("", lines[11][:1], lines[11][:-1]):
            state.write_text(lines[0] + json.dumps(entry) + "\n" + "".join(lines[2:11]) + torn)
            report = self.report(*options)
            self.assertEqual(report["from_state"], 10)
            marked, = [wrong for wrong in report["wrong"] if wrong["guess_probability"] == 0.987654]
            self.assertEqual(marked["path"], "photos/%d.png" % entry["image"])
            self.assertEqual(len(state.read_text().splitlines()), 41)
        for beginning in ("", lines[0][:30], lines[0][:-1]):
            state.write_text(beginning)
            self.check_figures(self.report(*options))

    def test_a_state_of_something_else_is_refused(self):
        self.labels_file(self.TRUTHS)
        options = ("--labels-file", "labels.tsv", "--resume", "state.jsonl", "photos")
        self.check(self.tool("evaluate", *options), 0)
        state = self.folder / "state.jsonl"
        whole = state.read_bytes()
        self.labels_file(self.TRUTHS[::-1], "other.tsv")
        self.assertIn("other images", self.refused("--labels-file", "other.tsv", *options[2:]))
        weights = bytearray(pathlib.Path(MODEL).read_bytes())
        weights[-3] ^= 1
        (self.folder / "other.safetensors").write_bytes(weights)
        (self.folder / "other.safetensors.json").write_text(json.dumps({"labels": LABELS}))
        self.assertIn("another model", self.refused("--model", "other.safetensors", *options))
        (self.folder / "same.safetensors").write_bytes(pathlib.Path(MODEL).read_bytes())
        (self.folder / "same.safetensors.json").write_text(json.dumps({"labels": LABELS, "resize": 40}))
        self.assertIn("prepares images otherwise", self.refused("--model", "same.safetensors", *options))
        # The same names in another folder: other files.
        self.image("others/0.png", 1)
        self.assertIn("other images: others/0.png has", self.refused(*options[:-1], "others"))
        self.assertEqual(state.read_bytes(), whole)
        lines = whole.splitlines(keepends=True)
        for damaged in (b"{}\n", b"not JSON\n", lines[5].replace(b'"truth":', b'"truth":1'),
                        re.sub(rb'"guesses":\[\[\d+', b'"guesses":[[77', lines[5])):
            state.write_bytes(b"".join(lines[:5]) + damaged + b"".join(lines[6:]))
            self.assertIn("state.jsonl:6: damaged", self.refused(*options))
        for other in (b"dear diary\n", b"dear diary", b'{"residua_evaluation": 1}\n'):
            state.write_bytes(other)
            self.assertIn("no state of an evaluation", self.refused(*options))
            self.assertEqual(state.read_bytes(), other)
        state.write_bytes(whole)
        with open(state, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.assertIn("in use", self.refused(*options))
        self.check(self.tool("evaluate", *options), 0)

    def test_a_model_is_itself_packed_and_out_of_the_cache(self):
        self.labels_file(self.TRUTHS)
        options = ("--labels-file", "labels.tsv", "--resume", "state.jsonl")
        cache = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        self.report(*options)
        self.report("--cache", "--labels-file", "labels.tsv", environment=cache)
        self.assertTrue(any(path.is_file() for path in (self.folder / "cache").rglob("*")))
        self.assertEqual(self.report("--cache", *options, environment=cache)["from_state"], 40)
        self.check(self.tool("pack", "--model", MODEL, "--output", "packed.residua"), 0)
        self.assertEqual(self.report("--model", "packed.residua", *options)["from_state"], 40)

    def test_images_that_fail_count_nowhere_and_are_tried_again(self):
        self.labels_file(self.TRUTHS)
        good = (self.folder / "photos/7.png").read_bytes()
        (self.folder / "photos/7.png").write_bytes(good[:90])
        (self.folder / "photos/8.png").unlink()
        options = ("--labels-file", "labels.tsv", "--resume", "state.jsonl")
        for known in (0, 38):
            report = self.report(*options, code=1)
            self.assertEqual((report["images"], report["failed"], report["from_state"]), (38, 2, known))
            self.assertEqual([entry["path"] for entry in report["failures"]], ["photos/7.png", "photos/8.png"])
        process = self.evaluate(*options, code=1)
        self.assertIn("residua: photos/7.png: ", process.stderr)
        self.assertIn("2 images failed", process.stdout)
        (self.folder / "photos/7.png").write_bytes(good)
        self.image("photos/8.png", 0)
        self.check_figures(self.report(*options))

    def test_labels_that_make_no_sense_are_named_with_their_line(self):
        self.labels_file([0])
        for text, message in (("0.png\t10\n", "bad.tsv:1: class 10 is beyond the model's: a number from 0 to 9"),
                              ("0.png\t-1\n", "bad.tsv:1: class -1"),
                              ("file\tclass\n0.png\tzebra\n", "bad.tsv:2: no class is called 'zebra'"),
                              ("0.png\t0\n0.png\t1\n", "bad.tsv:2: 0.png is there a second time"),
                              ("0.png\t0\n./0.png\t1\n", "bad.tsv:2: ./0.png is there a second time"),
                              ("0.png\n", "bad.tsv:1: a file and its class expected"), ("", "names no image"),
                              ("file\tindex\n", "names no image")):
            (self.folder / "bad.tsv").write_text(text)
            self.assertIn(message, self.refused("--labels-file", "bad.tsv", "photos"))
        self.assertIn("gone.tsv: cannot be opened", self.refused("--labels-file", "gone.tsv", "photos"))
        self.assertIn("gone: no such folder", self.refused("--labels-file", "labels.tsv", "gone"))
        self.refused("--labels-file", "labels.tsv")
        self.assertIn("--html", self.refused("--labels-file", "labels.tsv", "--worst", "3", "photos"))
        for options in (("--json", "a", "--html", "./a"), ("--resume", "a", "--json", "a"), ("--html", "labels.tsv")):
            self.assertIn("as well", self.refused("--labels-file", "labels.tsv", *options, "photos"))
            self.assertFalse((self.folder / "a").exists())
        self.refused("--labels-file", "labels.tsv", "--html", "no/such/page.html", "photos", code=1)


class Page(html.parser.HTMLParser):
    """Sees that elements are closed in order, and what they hold."""

    VOID = {"meta", "link", "img", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.kinds, self.words, self.addresses = [], [], [], "", []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.kinds.append(tag)
        for key, value in attributes:
            if key in ("src", "href"):
                self.addresses.append(value)
            assert not key.startswith("on"), key
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words += data


class Html(ToolCase):

    def page(self, *arguments, code=0):
        self.check(self.tool("evaluate", "--html", "page.html", *arguments), code)
        return Page((self.folder / "page.html").read_text())

    def test_the_page_shows_what_was_most_wrong_and_needs_nothing_else(self):
        names = ["<script>alert(1)<&script>.png", "a'b\"c.png", "c&amp;.png", "ä d.png"]
        (self.folder / "labels.tsv").write_text("".join(
            "%s\t%d\n" % (name, (CIFAR[i][0] + 1) % 10) for i, name in enumerate(names)), encoding="utf-8")
        for i, name in enumerate(names):
            self.image("photos/" + name, i)
        (self.folder / "names.txt").write_text("".join("<i>%s & co</i>\n" % label for label in LABELS))
        page = self.page("--labels-file", "labels.tsv", "--labels", "names.txt", "photos")
        self.assertNotIn("script", page.kinds)
        for name in names:
            self.assertIn(name, page.words)
        self.assertIn("<i>%s & co</i>" % LABELS[CIFAR[0][0]], page.words)
        self.assertIn("0 of 4 images", page.words)
        self.assertEqual(len(page.images), 8)  # each photo, and where the network saw what it named
        self.assertEqual(len({image["src"] for image in page.images}), 8)
        for image in page.images:
            kind, data = image["src"].split(",", 1)
            self.assertEqual(kind, "data:image/jpeg;base64")
            jpeg = base64.b64decode(data, validate=True)
            self.assertEqual((jpeg[:3], jpeg[-2:]), (b"\xff\xd8\xff", b"\xff\xd9"))
            self.assertTrue(image["alt"])
        self.assertTrue(all(address.startswith("data:") for address in page.addresses))
        text = (self.folder / "page.html").read_text()
        self.assertNotIn("://", text)
        self.assertIn("default-src 'none'", text)
        for most in (0, 1, 3):
            self.assertEqual(len(self.page("--labels-file", "labels.tsv", "--worst", most, "photos").images), 2 * most)
        # What was wrong and can no longer be read is left out.
        self.check(self.tool("evaluate", "--labels-file", "labels.tsv", "--resume", "s", "photos"), 0)
        photo = self.folder / "photos" / names[1]
        photo.write_bytes(b"x" * photo.stat().st_size)  # damaged since
        self.assertEqual(len(self.page("--labels-file", "labels.tsv", "--resume", "s", "photos").images), 6)

    def test_a_perfect_network_has_nothing_to_show(self):
        for i in range(8):
            self.image("photos/%s/%d.png" % (LABELS[CIFAR[i][0]], i), i)
        page = self.page("photos")
        self.assertEqual(page.images, [])
        self.assertIn("8 of 8 images", page.words)
        self.assertNotIn("Most wrong", page.words)


if __name__ == "__main__":
    unittest.main()
