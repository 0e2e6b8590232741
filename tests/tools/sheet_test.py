"""residua classify --sheet, end to end."""

import json
import unittest

import pictures
from tool_case import CIFAR, LABELS, MODEL, ROOT, ToolCase

# Where things are on a page: tools/contact_sheet.cpp.
LEFT, TOP, CELL_WIDTH, CELL_HEIGHT, PICTURE, GAP = 60, 144, 546, 221, 170, 4


class Page:

    def __init__(self, path):
        self.width, self.height, self.pixels = pictures.read_png(path)

    def at(self, x, y):
        start = (y * self.width + x) * 3
        return tuple(self.pixels[start:start + 3])

    def part(self, left, top, width, height):
        return [self.at(x, y) for y in range(top, top + height) for x in range(left, left + width)]

    def cell(self, i):
        return LEFT + i % 2 * (CELL_WIDTH + 28), TOP + i // 2 * CELL_HEIGHT

    def photo(self, i):
        left, top = self.cell(i)
        return self.part(left, top, PICTURE, PICTURE)

    def evidence(self, i):
        left, top = self.cell(i)
        return self.part(left + PICTURE + GAP, top, PICTURE, PICTURE)

    def bars(self, i):
        """How many pixels of each row beside the pictures are blue: the likeliest class' bar."""
        left, top = self.cell(i)
        begin = left + 2 * (PICTURE + GAP) + 14
        return [sum(self.at(x, y) == (11, 98, 164) for x in range(begin, left + CELL_WIDTH)) for y in range(top, top + 60)]


class Sheet(ToolCase):

    def sheet(self, *arguments, code=0):
        process = self.check(self.tool("classify", "--json", "--sheet", "sheet.png", *arguments), code)
        return [json.loads(line) for line in process.stdout.splitlines()], process.stderr

    def test_photos_evidence_and_bars_stand_in_their_places(self):
        paths = [self.image("%d.png" % i, i) for i in range(3)]
        lines, complaints = self.sheet(*paths)
        self.assertEqual(complaints, "")
        self.assertEqual(self.names(), ["0.png", "1.png", "2.png", "sheet.png"])
        page = Page(self.folder / "sheet.png")
        self.assertEqual((page.width, page.height), (1240, TOP + 2 * CELL_HEIGHT + 30))
        room = CELL_WIDTH - 2 * (PICTURE + GAP) - 14
        for i in range(3):
            # 32 x 32 pixels, enlarged: the middles of some are what they are in the photo.
            left, top = page.cell(i)
            for x, y in ((0, 0), (31, 31), (13, 20), (5, 27)):
                expected = tuple(CIFAR[i][1][(y * 32 + x) * 3:(y * 32 + x) * 3 + 3])
                found = page.at(left + int((x + 0.5) * PICTURE / 32), top + int((y + 0.5) * PICTURE / 32))
                self.assertEqual(found, expected)
            evidence = page.evidence(i)
            self.assertNotEqual(evidence, page.photo(i))
            self.assertTrue(any(red > blue + 40 for red, _, blue in evidence))  # yellow
            self.assertTrue(any(blue > red + 20 for red, _, blue in evidence))  # blue
            rows = [count for count in page.bars(i) if count]
            self.assertEqual(rows, [int(lines[i]["top"][0]["probability"] * room + 0.5)] * 6)
        self.assertEqual(set(page.photo(3)), {(255, 255, 255)})  # no fourth image
        self.assertTrue(any(max(pixel) < 80 for pixel in page.part(LEFT, 60, 600, 30)))  # a title

    def test_another_class(self):
        path = self.image("0.png", 0)
        self.sheet(path)
        likeliest = Page(self.folder / "sheet.png")
        lines, _ = self.sheet(path)
        index = lines[0]["top"][0]["index"]
        self.sheet("--class", LABELS[index], path)
        same = Page(self.folder / "sheet.png")
        self.assertEqual(same.evidence(0), likeliest.evidence(0))
        self.assertNotEqual(same.part(LEFT, 60, 600, 30), likeliest.part(LEFT, 60, 600, 30))
        self.sheet("--class", LABELS[(index + 1) % 10], path)
        other = Page(self.folder / "sheet.png")
        self.assertNotEqual(other.evidence(0), likeliest.evidence(0))
        self.assertEqual(other.photo(0), likeliest.photo(0))

    def test_more_images_than_a_page_holds(self):
        for i in range(30):
            self.image("many/%02d.png" % i, i % 8)
        lines, complaints = self.sheet("many")
        self.assertEqual(len(lines), 30)
        self.assertIn("3 pages, sheet.png to sheet-3.png", complaints)
        pages = [Page(self.folder / name) for name in ("sheet.png", "sheet-2.png", "sheet-3.png")]
        self.assertEqual({(page.width, page.height) for page in pages}, {(1240, 1754)})
        self.assertEqual(pages[1].photo(0), pages[0].photo(6))  # the 15th image is the seventh again
        self.assertEqual(pages[2].photo(1), pages[0].photo(5))
        self.assertEqual(set(pages[2].photo(2)), {(255, 255, 255)})

    def test_images_that_fail_have_a_place(self):
        (self.folder / "broken.png").write_bytes((self.folder / self.image("0.png", 0)).read_bytes()[:90])
        self.sheet("broken.png", "0.png", "gone.png", code=1)
        page = Page(self.folder / "sheet.png")
        self.assertEqual(len(set(page.photo(0))), 1)
        self.assertGreater(len(set(page.photo(1))), 50)
        left, top = page.cell(0)
        self.assertTrue(any(max(pixel) < 80 for pixel in page.part(left + 2 * (PICTURE + GAP) + 14, top, 180, 30)))

    def test_a_network_whose_scores_belong_to_no_place(self):
        model = ROOT / "tests/golden/onnx/opset11_softmax.onnx"
        path = self.image("0.png", 0)
        process = self.check(self.tool("classify", "--model", model, "--sheet", "sheet.png", path), 0)
        self.assertIn("--sheet: without the places: the network does not end in a global average", process.stderr)
        self.assertGreater(len(set(Page(self.folder / "sheet.png").photo(0))), 50)
        for options in (["--heatmap", "map.png"], ["--sheet", "other.png", "--class", "0"]):
            process = self.check(self.tool("classify", "--model", model, *options, path), 3)
            self.assertIn("does not end in a global average", process.stderr)
        self.assertFalse((self.folder / "map.png").exists() or (self.folder / "other.png").exists())

    def test_usage(self):
        path = self.image("0.png", 0)
        for arguments, what in ((["--sheet", "sheet.jpg", path], "does not end in .png"),
                                (["--class", "cat", path], "--sheet")):
            self.assertIn(what, self.check(self.tool("classify", *arguments), 2).stderr)
        process = self.check(self.tool("classify", "--model", MODEL, "--sheet", "0.png/sheet.png", path), 1)
        self.assertIn("0.png", process.stderr)
        self.assertEqual(process.stdout, "")
        before = (self.folder / path).read_bytes()
        self.assertIn("is one of the images", self.check(self.tool("classify", "--sheet", "./" + path, path), 2).stderr)
        self.assertEqual((self.folder / path).read_bytes(), before)
        for options in (["--crops", "ten"], ["--flip"], ["--scales", "32"], ["--model", MODEL, "--model", MODEL]):
            self.assertIn("--sheet", self.check(self.tool("classify", *options, "--sheet", "sheet.png", path), 2).stderr)

    def test_a_page_that_cannot_be_written_costs_no_results(self):
        paths = [self.image("%d.png" % i, i % 8) for i in range(15)]
        (self.folder / "sheet-2.png").mkdir()
        process = self.check(self.tool("classify", "--json", "--sheet", "sheet.png", *paths, "--output", "r.jsonl"), 1)
        self.assertIn("sheet-2.png", process.stderr)
        self.assertEqual((self.folder / "r.jsonl").read_text().count("\n"), 15)
        Page(self.folder / "sheet.png")


if __name__ == "__main__":
    unittest.main()
