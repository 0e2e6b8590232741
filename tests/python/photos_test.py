"""From image files to classes, which needs Pillow."""
import numpy
import pytest

import residua


def test_classes_of_photos(photos, model, logits):
    answers = residua.classify(photos, model, top=3)
    assert [len(answer) for answer in answers] == [3] * 8
    assert [answer[0].index for answer in answers] == list(logits.argmax(axis=1))
    expected = numpy.exp(logits[0] - logits[0].max())
    expected /= expected.sum()
    index, label, probability = answers[0][0]
    assert (index, label) == (3, "cat") and abs(probability - expected[3]) < 1e-4


def test_more_photos_than_a_batch(photos, model):
    def indices(answers):
        return [[kind.index for kind in answer] for answer in answers]

    assert indices(residua.classify(iter(photos * 5), model)) == indices(residua.classify(photos, model)) * 5


def test_the_bundled_model_and_one_path(photos):
    (answer,) = residua.classify(str(photos[0]))
    assert answer[0].label == "cat" and len(answer) == 5


def test_no_path_no_answer(model):
    assert residua.classify([], model) == []


def test_what_is_no_photo_is_named(photos, model, tmp_path):
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(OSError, match="text.jpg"):
        residua.classify([photos[0], tmp_path / "text.jpg"], model)
    with pytest.raises(FileNotFoundError, match="nothing.png"):
        residua.classify(tmp_path / "nothing.png", model)
    with pytest.raises(ValueError, match="top is 0"):
        residua.classify(photos, model, top=0)


def test_photos_are_turned_as_exif_says(tmp_path, model):
    from PIL import Image
    image = Image.new("RGB", (4, 2))
    image.putpixel((0, 0), (255, 0, 0))
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    pixels = residua.load_photo(tmp_path / "turned.png")
    assert pixels.shape == (4, 2, 3) and pixels[0, 1].tolist() == [255, 0, 0]
