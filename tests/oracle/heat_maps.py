"""Heat maps on real photos: is the evidence for a photo's class where the object is?

The objects' boxes were drawn by hand, by eye, in hundredths of the photo's width and height. Good: the largest score of the class map
that `residua run` gives lies in the box, or in a cell of the map that the box reaches into; and in the picture that
`residua classify --heatmap` draws, a square of what turned most from blue to yellow reaches into the box. Photos that a network
takes for something else say nothing and are left out.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import oracle

NAMES = ("resnet18", "resnet50")
# file: (class, left, top, right, bottom)
BOXES = {
    "n01440764_tench": (0, 5, 30, 87, 82), "n01770393_scorpion": (71, 17, 25, 78, 80),
    "n01978287_Dungeness_crab": (118, 23, 18, 76, 78), "n02093859_Kerry_blue_terrier": (183, 20, 50, 90, 95),
    "n02113799_standard_poodle": (267, 38, 5, 92, 52), "n02129604_tiger": (292, 24, 15, 77, 65),
    "n02190166_fly": (308, 20, 12, 75, 82), "n02268853_damselfly": (320, 15, 40, 72, 100),
    "n02410509_bison": (347, 43, 36, 100, 58), "n02444819_otter": (360, 30, 38, 55, 75),
    "n02687172_aircraft_carrier": (403, 13, 25, 80, 80), "n02799071_baseball": (429, 25, 10, 73, 85),
    "n03444034_go-kart": (573, 15, 30, 74, 75), "n03692522_loupe": (633, 20, 20, 60, 50),
    "n04254680_soccer_ball": (805, 8, 40, 60, 88), "n04380533_table_lamp": (846, 10, 2, 90, 95),
    "n04548280_wall_clock": (892, 32, 7, 49, 32), "n07747607_orange": (950, 2, 40, 97, 90),
}


def peak_is_inside(scores, shown, box):
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    left, top, right, bottom = shown
    cell_width, cell_height = (right - left) / scores.shape[1], (bottom - top) / scores.shape[0]
    x, y = left + column * cell_width, top + row * cell_height
    return x < box[2] and x + cell_width > box[0] and y < box[3] and y + cell_height > box[1], (x + cell_width / 2, y + cell_height / 2)


def yellowest(drawn, photo, shown):
    """Where, in shares of width and height, a picture turned most from blue to yellow, over squares of an eighth of the shorter side."""
    def yellow(image):
        red, green, blue = np.moveaxis(np.asarray(image, np.float64), -1, 0)
        return (red + green) / 2 - blue
    change = yellow(drawn) - yellow(photo)
    width, height = photo.size
    side = min(width, height) // 8
    left, top, right, bottom = (round(share * size) for share, size in zip(shown, (width, height, width, height)))
    sums = np.pad(change[top:bottom, left:right].cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    squares = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    row, column = np.unravel_index(squares.argmax(), squares.shape)
    return (left + column + side / 2) / width, (top + row + side / 2) / height


def main():
    parser = oracle.arguments(__doc__)
    parser.add_argument("--only", default="", help="what the photo's name must contain")
    options = parser.parse_args()
    tool = oracle.Tool(options.tool)
    oracle.make_models(options, NAMES)
    results = oracle.Results("model", "photo" + " " * 25, "of the map", "as drawn", "verdict")
    with tempfile.TemporaryDirectory() as folder:
        x, y, map_file = (Path(folder) / name for name in ("x.npy", "y.npy", "map.png"))
        for file, (class_, *hundredths) in BOXES.items():
            if options.only not in file:
                continue
            path = options.data / "imagenet50" / f"{file}.jpg"
            photo = oracle.upright(path)
            box = [value / 100 for value in hundredths]
            images, shown = oracle.central_crop(photo)
            np.save(x, oracle.normalized(images))
            for name in NAMES:
                model = options.models / f"{name}.safetensors"
                if tool.classify(model, [path], top=1)[0]["top"][0]["index"] != class_:
                    continue

                def check():
                    tool.call("run", "--model", model, "--input", x, "--output", y, "--output-tensor", "class_map")
                    inside, peak = peak_is_inside(np.load(y)[0, class_], shown, box)
                    tool.call("classify", "--model", model, "--heatmap", map_file, path)
                    x_drawn, y_drawn = yellowest(Image.open(map_file).convert("RGB"), photo, shown)
                    x_reach, y_reach = (min(photo.size) / 16 / size for size in photo.size)
                    inside = inside and box[0] - x_reach < x_drawn < box[2] + x_reach and box[1] - y_reach < y_drawn < box[3] + y_reach
                    return inside, f"{peak[0]:.2f} {peak[1]:.2f}", f"{x_drawn:.2f} {y_drawn:.2f}"
                results.compare(check, name, file)
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
