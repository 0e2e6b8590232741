"""residua run --output-tensor, archives, image files as input, and residua inspect --outputs, end to end."""

import json
import math
import sys
import unittest
import zipfile

import pictures
from tool_case import CIFAR, LOGITS, MODEL, ROOT, ToolCase

sys.path.append(str(ROOT / "tests" / "hostile"))
import onnx_bytes  # noqa: E402


class Features(ToolCase):

    def run_tool(self, *arguments, **options):
        return self.tool("run", "--model", MODEL, *arguments, **options)

    def input(self, count=8):
        values = [value for _, pixels in CIFAR[:count] for value in pictures.normalised(pixels)]
        (self.folder / "x.npy").write_bytes(pictures.npy((count, 3, 32, 32), values))
        return "x.npy"

    def read(self, name):
        return pictures.read_npy(self.folder / name)

    def archive(self, name):
        """Each array of an archive, by its name: (shape, values)."""
        arrays = {}
        with zipfile.ZipFile(self.folder / name) as archive:
            self.assertIsNone(archive.testzip())
            for entry in archive.namelist():
                self.assertTrue(entry.endswith(".npy"), entry)
                (self.folder / "entry").write_bytes(archive.read(entry))
                arrays[entry[:-4]] = self.read("entry")
        (self.folder / "entry").unlink()
        return arrays

    def test_entries_of_an_archive_have_the_tensors_names_whatever_they_are(self):
        # PyTorch's exporters write slashes; nothing here is a path.
        names = ["/layer1/conv1/Relu_output_0", "../../outside", "\u5c42.\u00e9"]
        nodes = [onnx_bytes.node("MaxPool", [x], [y], kernel_shape=[2, 2]) for x, y in zip(["x", *names], [*names, "a"])]
        (self.folder / "names.onnx").write_bytes(onnx_bytes.with_nodes(*nodes))
        (self.folder / "x.npy").write_bytes(pictures.npy((1, 3, 8, 8), [float(i % 7) for i in range(192)]))
        options = [word for name in names for word in ("--output-tensor", name)]
        self.check(self.tool("run", "--model", "names.onnx", "--input", "x.npy", *options, "--output", "y.npz"), 0)
        self.assertEqual(list(self.archive("y.npz")), names)
        self.assertEqual(self.names(), ["names.onnx", "x.npy", "y.npz"])

    def test_one_tensor(self):
        for batch in (3, 8):
            self.check(self.run_tool("--input", self.input(), "--output-tensor", "pooled", "--output", "y.npy", "--batch", batch), 0)
            self.check(self.run_tool("--input", "x.npy", "--output-tensor", "C2", "--output", "map.npy", "--batch", batch), 0)
            (shape, pooled), (map_shape, values) = self.read("y.npy"), self.read("map.npy")
            self.assertEqual((shape, map_shape), ((8, 64), (8, 64, 8, 8)))
            for i, value in enumerate(pooled):
                self.assertAlmostEqual(sum(values[64 * i:64 * i + 64]) / 64, value, delta=1e-4)
        self.assertEqual(self.names(), ["map.npy", "x.npy", "y.npy"])

    def test_an_archive(self):
        names = ("logits", "C2", "layer1.0.relu")
        options = [word for name in names for word in ("--output-tensor", name)]
        process = self.check(self.run_tool("--input", self.input(), *options, "--output", "y.npz", "--batch", 3), 0)
        self.assertEqual((process.stdout, process.stderr), ("", ""))
        arrays = self.archive("y.npz")
        self.assertEqual(list(arrays), list(names))
        self.assertEqual([shape for shape, _ in arrays.values()], [(8, 10), (8, 64, 8, 8), (8, 16, 32, 32)])
        for found, expected in zip(arrays["logits"][1], (value for row in LOGITS for value in row)):
            self.assertAlmostEqual(found, expected, delta=1e-4)
        for name in names:
            self.check(self.run_tool("--input", "x.npy", "--output-tensor", name, "--output", "one.npy", "--batch", 3), 0)
            for found, expected in zip(arrays[name][1], self.read("one.npy")[1]):
                self.assertAlmostEqual(found, expected, delta=1e-5)
        # One array may lie in an archive too, the first output under its name; equal runs give equal files.
        self.check(self.run_tool("--input", "x.npy", "--output", "first.npz"), 0)
        self.assertEqual(list(self.archive("first.npz")), ["logits"])
        before = (self.folder / "y.npz").read_bytes()
        self.check(self.run_tool("--input", "x.npy", *options, "--output", "y.npz", "--batch", 3), 0)
        self.assertEqual((self.folder / "y.npz").read_bytes(), before)
        self.assertEqual(self.names(), ["first.npz", "one.npy", "x.npy", "y.npz"])

    def test_image_files(self):
        self.check(self.run_tool("--input", self.input(5), "--output", "expected.npy"), 0)
        for i in (4, 2, 0, 1, 3):
            self.image("photos/%d.png" % i, i)
        for arguments, options in ((["photos"], {}), (["-"], {"input": "".join("photos/%d.png\n" % i for i in range(5))})):
            self.check(self.run_tool("--output", "y.npy", "--batch", 2, *arguments, **options), 0)
            shape, values = self.read("y.npy")
            self.assertEqual(shape, (5, 10))
            for found, expected in zip(values, self.read("expected.npy")[1]):
                self.assertAlmostEqual(found, expected, delta=1e-4)
        self.check(self.run_tool("--output", "none.npy", "-", input=""), 0)
        self.assertEqual(self.read("none.npy"), ((0, 10), ()))

    def test_an_image_that_cannot_be_read_keeps_its_row(self):
        self.image("a.png", 0)
        (self.folder / "b.png").write_text("no image")
        process = self.check(self.run_tool("--output", "y.npy", "--output-tensor", "pooled", "a.png", "b.png", "gone.png", "a.png"), 1)
        self.assertIn("residua: b.png: ", process.stderr)
        self.assertIn("residua: gone.png: no such file", process.stderr)
        shape, values = self.read("y.npy")
        self.assertEqual(shape, (4, 64))
        rows = [values[64 * i:64 * i + 64] for i in range(4)]
        self.assertEqual(rows[0], rows[3])
        self.assertTrue(all(map(math.isfinite, rows[0])) and all(map(math.isnan, rows[1] + rows[2])))

    def test_usage(self):
        x = self.input()
        (self.folder / "y.npz").write_text("older")
        path = self.image("a.png", 0)
        for arguments, what, code in (
                (["--input", x, "--output", "y.npz", "--output-tensor", "C9"], "C9", 2),
                (["--input", x, "--output", "y.npz", "--output-tensor", "layer1.0.conv1"], "layer1.0.relu", 2),
                (["--input", x, "--output", "y.npy", "--output-tensor", "C2", "--output-tensor", "pooled"], ".npz", 2),
                (["--input", x, "--output", "y.npz", "--output-tensor", "C2", "--output-tensor", "C2"], "twice", 2),
                (["--output", "y.npz"], "neither", 2), (["--input", x, "--output", "y.npz", path], "not both", 2),
                (["--input", "gone.npy", "--output", "y.npz"], "gone.npy", 1),
                (["--input", x, "--output", "no/such/y.npz"], "no/such/y.npz", 1),
                (["--input", x, "--output", "/dev/null.npz/y.npz"], "/dev/null.npz/y.npz", 1)):
            process = self.check(self.run_tool(*arguments), code)
            self.assertIn(what, process.stderr)
        self.assertEqual((self.folder / "y.npz").read_text(), "older")
        self.assertEqual(self.names(), ["a.png", "x.npy", "y.npz"])

    def test_the_names_are_listed(self):
        lines = self.check(self.tool("inspect", "--model", MODEL, "--outputs"), 0).stdout.splitlines()
        self.assertTrue(any(line.split()[:1] == ["C2"] and line.endswith("1 x 64 x 8 x 8") for line in lines), lines)
        listed = json.loads(self.check(self.tool("inspect", "--model", "resnet18", "--outputs", "--format", "json",
                                                 "--image-size", "64x96"), 0).stdout)
        shapes = {entry["name"]: entry["shape"] for entry in listed}
        self.assertEqual([shapes["C%d" % i] for i in range(2, 6)],
                         [[1, 64, 16, 24], [1, 128, 8, 12], [1, 256, 4, 6], [1, 512, 2, 3]])
        self.assertIn("layer4.1.relu", shapes)
        self.check(self.tool("inspect", "--model", MODEL, "--outputs", "--format", "dot"), 2)
        self.check(self.tool("inspect", "--model", MODEL, "--outputs", "--stage", "planned"), 2)


if __name__ == "__main__":
    unittest.main()
