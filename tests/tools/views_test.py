"""residua classify --crops, --flip, --scales and ensembles, end to end: what it averages, against the tool's own runs of each
view, cut by hand."""

import json
import math
import pathlib
import struct
import unittest

import pictures
from tool_case import CIFAR, LABELS, MODEL, ToolCase

WIDTH, HEIGHT, SIDE = 45, 40, 32


def softmax(values):
    exponentials = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponentials) for value in exponentials]


def mean(rows):
    return [sum(column) / len(rows) for column in zip(*rows)]


def read_weights():
    data = pathlib.Path(MODEL).read_bytes()
    size, = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size]), data[8 + size:]


class Picture:
    """RGB rows, to be cut and mirrored."""

    def __init__(self, rows):
        self.rows = rows
        self.height, self.width = len(rows), len(rows[0])

    def part(self, left, top, width, height):
        return Picture([row[left:left + width] for row in self.rows[top:top + height]])

    def mirrored(self):
        return Picture([row[::-1] for row in self.rows])

    def bytes(self):
        return b"".join(b"".join(row) for row in self.rows)

    def ten_crops(self, side):
        right, bottom = self.width - side, self.height - side
        places = [(0, 0), (right, 0), (0, bottom), (right, bottom), (round(right / 2), round(bottom / 2))]
        return [each.part(left, top, side, side) for each in (self, self.mirrored()) for left, top in places]


def picture(index):
    """WIDTH x HEIGHT of a CIFAR image as large again."""
    pixels = CIFAR[index][1]
    rows = [[pixels[(y * 32 + x) * 3:(y * 32 + x) * 3 + 3] for x in range(32) for _ in range(2)] for y in range(32) for _ in range(2)]
    return Picture(rows).part(3, 5, WIDTH, HEIGHT)


class ViewsCase(ToolCase):

    def draw(self, name, drawn):
        (self.folder / name).write_bytes(pictures.png(drawn.width, drawn.height, drawn.bytes()))
        return name

    def probabilities(self, *arguments, models=(MODEL,), code=0):
        """Of each image, by class."""
        models = [word for model in models for word in ("--model", model)]
        process = self.check(self.tool("classify", *models, "--json", "--top", 10, *arguments), code)
        lines = [json.loads(line) for line in process.stdout.splitlines()]
        return [[entry["probability"] for entry in sorted(line["top"], key=lambda entry: entry["index"])] for line in lines]

    def of_views(self, views, model=MODEL):
        """The mean of the probabilities of views, each run by itself."""
        rows = []
        for view in views:
            (self.folder / "x.npy").write_bytes(pictures.npy((1, 3, view.height, view.width), pictures.normalised(view.bytes())))
            self.check(self.tool("run", "--model", model, "--input", "x.npy", "--output", "y.npy"), 0)
            rows.append(softmax(pictures.read_npy(self.folder / "y.npy")[1]))
        return mean(rows)

    def assert_close(self, found, expected, delta=1e-5):
        self.assertEqual(len(found), len(expected))
        for a, b in zip(found, expected):
            self.assertAlmostEqual(a, b, delta=delta)

    def refused(self, *arguments, what, code=2):
        process = self.check(self.tool("classify", *arguments), code)
        self.assertIn(what, process.stderr)
        self.assertEqual(process.stdout, "")


class Crops(ViewsCase):

    def test_views_are_averaged(self):
        drawn = [picture(0), picture(1)]
        paths = [self.draw("%d.png" % i, each) for i, each in enumerate(drawn)]
        left, top = round((WIDTH - SIDE) / 2), (HEIGHT - SIDE) // 2
        center = [each.part(left, top, SIDE, SIDE) for each in drawn]
        square = [each.part(round((WIDTH - HEIGHT) / 2), 0, HEIGHT, HEIGHT) for each in drawn]
        for options, views in (
                (["--crops", "center"], [[each] for each in center]),
                (["--crops", "center", "--flip"], [[each, each.mirrored()] for each in center]),
                (["--crops", "ten"], [each.ten_crops(SIDE) for each in drawn]),
                (["--crops", "ten-square"], [each.ten_crops(SIDE) for each in square]),
                (["--crops", "whole"], [[each] for each in drawn]),
                ([], [[each] for each in drawn]),
                (["--flip"], [[each, each.mirrored()] for each in drawn])):
            expected = [self.of_views(each) for each in views]
            for batch in (1, 3, 8):
                found = self.probabilities("--scales", "full", "--batch", batch, *options, *paths)
                for one, other in zip(found, expected):
                    self.assert_close(one, other)
        # Different crops, different answers: what is compared above can fail.
        self.assertNotEqual(self.probabilities("--scales", "full", "--crops", "ten", paths[0]),
                            self.probabilities("--scales", "full", "--crops", "ten-square", paths[0]))

    def test_scales_are_averaged(self):
        paths = [self.draw("%d.png" % i, picture(i)) for i in range(5)] + [self.image("small.png", 5)]
        for crops in ("whole", "ten", "center"):
            single = [self.probabilities("--scales", scale, "--crops", crops, *paths) for scale in (32, 38, 64)]
            together = self.probabilities("--scales", "32,38,64", "--crops", crops, *paths)
            for found, *alone in zip(together, *single):
                self.assert_close(found, mean(alone), 1e-6)
        self.assertEqual(self.probabilities("--crops", "center", *paths), self.probabilities(*paths))
        self.assertEqual(self.probabilities("--crops", "whole", *paths), self.probabilities("--scales", "32", *paths))

    def test_the_answer_does_not_depend_on_threads_or_company(self):
        paths = [self.draw("%d.png" % i, picture(i)) for i in range(5)]
        options = ("--scales", "32,48", "--batch", 1)
        together = self.probabilities(*options, *paths)
        self.assertEqual(together, self.probabilities(*options, "--threads", 1, *paths))
        for path, row in zip(paths, together):
            self.assertEqual(self.probabilities(*options, path), [row])

    def test_images_that_do_not_fit(self):
        small = self.draw("small.png", picture(0).part(0, 0, 40, 20))
        good = self.draw("good.png", picture(0))
        process = self.check(self.tool("classify", "--json", "--scales", "full", "--crops", "ten", small, good), 1)
        lines = [json.loads(line) for line in process.stdout.splitlines()]
        self.assertIn("40 x 20 pixels, it is too small for crops of 32 x 32", lines[0]["error"])
        self.assertIn("top", lines[1])
        process = self.check(self.tool("classify", "--json", "--scales", "full", small, good,
                                       environment={"RESIDUA_LIMITS": "resized_pixels=1000"}), 1)
        lines = [json.loads(line) for line in process.stdout.splitlines()]
        self.assertIn("top", lines[0])
        self.assertIn("RESIDUA_LIMITS=resized_pixels=1800", lines[1]["error"])

    def test_usage(self):
        path = self.image("a.png", 0)
        for arguments, what in ((["--crops", "eleven"], "--crops"), (["--scales", "0"], "'0'"), (["--scales", "32,"], "''"),
                                (["--scales", "32,x"], "'x'"), (["--scales", "32,32"], "twice"), (["--scales", "99999"], "16384"),
                                (["--crops", "ten", "--flip"], "--flip"), (["--crops", "ten-square", "--flip"], "--flip"),
                                (["--crops", "ten", "--scales", "31"], "31 is too small for the crops of 32 x 32"),
                                (["--heatmap", "m", "--crops", "ten"], "10 views"), (["--heatmap", "m", "--flip"], "2 views"),
                                (["--heatmap", "m", "--scales", "32,64"], "2 views"),
                                (["--heatmap", "m", "--model", MODEL, "--model", MODEL], "2 models")):
            self.refused(*arguments, path, what=what)
        self.assertEqual(self.names(), ["a.png"])

    def test_heat_map_of_a_whole_image(self):
        path = self.draw("a.png", picture(0))
        self.check(self.tool("classify", "--scales", "full", "--heatmap", "whole.png", path), 0)
        self.check(self.tool("classify", "--heatmap", "cut.png", path), 0)
        for name in ("whole.png", "cut.png"):
            self.assertEqual(struct.unpack(">II", (self.folder / name).read_bytes()[16:24]), (WIDTH, HEIGHT))
        self.assertNotEqual((self.folder / "whole.png").read_bytes(), (self.folder / "cut.png").read_bytes())


class Ensembles(ViewsCase):

    def model(self, name, change=lambda header, data: None):
        """The demonstration model with other weights: a bias that favours later classes."""
        header, data = read_weights()
        data = bytearray(data)
        begin, _ = header["fc.bias"]["data_offsets"]
        for i in range(10):
            value, = struct.unpack_from("<f", data, begin + 4 * i)
            struct.pack_into("<f", data, begin + 4 * i, value + i)
        change(header, data)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        (self.folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)
        return name

    def test_probabilities_are_averaged(self):
        other = self.model("other.safetensors")
        paths = [self.image("%d.png" % i, i) for i in range(5)] + ["gone.png"]
        first, second = (self.probabilities(*paths[:5], models=[model]) for model in (MODEL, other))
        both = self.probabilities(*paths[:5], models=[MODEL, other])
        for found, *alone in zip(both, first, second):
            self.assert_close(found, mean(alone), 1e-6)
        self.assertNotEqual(first, second)
        self.assertEqual(self.probabilities(*paths[:5], models=[MODEL, MODEL]), first)
        # An image that fails, fails once.
        process = self.check(self.tool("classify", "--model", MODEL, "-m", other, *paths), 1)
        self.assertEqual(process.stderr, "residua: gone.png: no such file or folder\n")

    def test_with_crops_and_preprocessing_of_its_own_each(self):
        other = self.model("other.safetensors", lambda header, _: header["__metadata__"].update(mean="[0.5, 0.5, 0.5]", resize="36"))
        path = self.draw("a.png", picture(2))
        for options in (["--crops", "ten"], ["--scales", "32,48", "--flip"]):
            alone = [self.probabilities(*options, path, models=[model])[0] for model in (MODEL, other)]
            self.assert_close(self.probabilities(*options, path, models=[MODEL, other])[0], mean(alone), 1e-6)

    def test_models_that_do_not_fit_together(self):
        path = self.image("a.png", 0)

        def rename(header, _):
            header["__metadata__"]["labels"] = json.dumps(LABELS[:3] + ["lion"] + LABELS[4:])

        def drop_a_class(header, data):
            for name, shape, size in (("fc.bias", [9], 4), ("fc.weight", [9, 64], 256)):
                end = header[name]["data_offsets"][1]
                del data[end - size:end]
                header[name]["shape"] = shape
                for key, entry in header.items():
                    if key != "__metadata__":
                        entry["data_offsets"] = [offset - size if offset >= end else offset for offset in entry["data_offsets"]]
            del header["__metadata__"]["labels"]

        renamed = self.model("renamed.safetensors", rename)
        self.refused("--model", MODEL, "--model", renamed, path, what="class 3 is 'lion', in %s 'cat'" % MODEL, code=3)
        (self.folder / "labels.txt").write_text("\n".join(LABELS))
        self.check(self.tool("classify", "--model", MODEL, "--model", renamed, "--labels", "labels.txt", path), 0)
        fewer = self.model("fewer.safetensors", drop_a_class)
        self.refused("--model", MODEL, "--model", fewer, path, what="fewer.safetensors: 9 classes, where %s has 10" % MODEL, code=3)
        self.refused("--model", MODEL, "--model", "gone.onnx", path, what="gone.onnx", code=3)

    def test_labels_come_from_whichever_model_has_them(self):
        bare = self.model("bare.safetensors", lambda header, _: header["__metadata__"].pop("labels"))
        process = self.check(self.tool("classify", "--model", bare, "--model", MODEL, self.image("a.png", 0)), 0)
        self.assertIn("cat", process.stdout)


if __name__ == "__main__":
    unittest.main()
