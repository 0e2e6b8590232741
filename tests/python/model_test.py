"""A model on arrays: the right values, without copies, from any thread, and a clear refusal of what does not fit."""
import threading
import time

import numpy
import pytest

import residua

TOLERANCE = 1e-4  # sums in float32 in another order than PyTorch's; logits are of size 1 to 10


class ByDlpack:
    """An array that speaks DLPack alone, as a tensor of another library does."""

    def __init__(self, array):
        self.array = array
        self.asked = 0

    def __dlpack__(self, **arguments):
        self.asked += 1
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_logits_are_the_golden_ones(model, pixels, normalised, logits):
    for images in (pixels, normalised):
        values = model(images)
        assert values.dtype == numpy.float32 and values.shape == (8, 10)
        assert numpy.abs(values - logits).max() < TOLERANCE
        assert numpy.abs(model(images[0]) - logits[:1]).max() < TOLERANCE  # one image, without the batch dimension


def test_layouts_that_need_a_copy_give_the_same(model, pixels, normalised):
    expected = model(pixels)
    assert (model(pixels[:, :, ::-1][:, :, ::-1]) == expected).all()
    turned = pixels[..., ::-1]  # B, G, R in memory, as OpenCV has it
    assert (model(numpy.ascontiguousarray(turned)[..., ::-1]) == expected).all()
    channels_last = numpy.ascontiguousarray(normalised.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert not channels_last.flags.c_contiguous
    assert (model(channels_last) == model(normalised)).all()


def test_arrays_of_other_libraries(model, pixels, normalised):
    tensor = ByDlpack(normalised.copy())
    assert (model(tensor) == model(normalised)).all() and tensor.asked > 0
    assert (model(memoryview(pixels.copy())) == model(pixels)).all()


def test_torch_tensors(model, pixels, normalised):
    torch = pytest.importorskip("torch")
    assert (model(torch.tensor(pixels)) == model(pixels)).all()
    tensor = torch.tensor(normalised)
    wide = torch.zeros(16, 3, 64, 32)
    wide[::2, :, ::2] = tensor
    for same in (tensor.to(memory_format=torch.channels_last), wide[::2, :, ::2]):
        assert not same.is_contiguous() and (model(same) == model(normalised)).all()
    assert (model(tensor[:1].expand(3, 3, 32, 32)) == model(normalised[[0, 0, 0]])).all()
    for bad, text in ((tensor.clone().requires_grad_(), "gradient"), (torch._neg_view(tensor), "negated"),
                      (tensor.double(), "float64"), (tensor.half(), "float16"), (tensor.to("meta"), "Tensor given")):
        with pytest.raises(TypeError, match=text):
            model(bad)


@pytest.mark.parametrize("mark, text", [("requires_grad", "gradient"), ("is_neg", "negated")])
def test_tensors_whose_memory_does_not_say_all(model, normalised, mark, text):
    tensor = ByDlpack(normalised.copy())
    setattr(tensor, mark, False)
    assert (model(tensor) == model(normalised)).all()
    for value in (True, lambda: True):
        setattr(tensor, mark, value)
        with pytest.raises(TypeError, match=text):
            model(tensor)


def test_read_only_arrays_are_read_in_place(model, pixels):
    images = pixels.copy()
    images.flags.writeable = False
    assert (model(images) == model(pixels)).all()


def test_output_is_written_where_the_caller_says(model, pixels):
    out = numpy.full((8, 10), numpy.nan, numpy.float32)
    returned = model(pixels, out=out)
    assert returned is out and (out == model(pixels)).all()
    for bad in (numpy.empty((7, 10), numpy.float32), numpy.empty((8, 10)), numpy.empty((10, 8), numpy.float32).T, "x"):
        with pytest.raises(residua.InvalidArgumentError, match=r"out: .*\[8, 10\] expected"):
            model(pixels, out=bad)


def test_no_image_gives_no_row(model):
    assert model(numpy.empty((0, 32, 32, 3), numpy.uint8)).shape == (0, 10)


def test_results_outlive_everything(pixels):
    model = residua.random("resnet18", seed=1)
    values = model(numpy.zeros((2, 3, 64, 64), numpy.float32))
    kept = values.copy()
    del model
    assert (values == kept).all() and values.flags.writeable


@pytest.mark.parametrize("images, error, text", [
    ("photo.jpg", TypeError, "str given"),
    ([1, 2], TypeError, "list given"),
    (numpy.zeros((1, 3, 32, 32)), TypeError, "float64"),
    (numpy.zeros((1, 3, 32, 32), numpy.uint8), residua.InvalidArgumentError, r"\[1, 3, 32, 32\].*\[batch, height, width, 3\]"),
    (numpy.zeros((1, 32, 32, 3), numpy.float32), residua.InvalidArgumentError, r"\[1, 32, 32, 3\].*\[batch, 3, height, width\]"),
    (numpy.zeros((32, 32), numpy.uint8), residua.InvalidArgumentError, r"\[32, 32\]"),
    (numpy.zeros((1, 0, 32, 3), numpy.uint8), residua.InvalidArgumentError, "empty"),
])
def test_what_is_no_image_is_refused(model, images, error, text):
    with pytest.raises(error, match=text):
        model(images)


def test_errors_are_of_their_status(tmp_path):
    with pytest.raises(residua.FileError, match="no/such/file"):
        residua.load("no/such/file")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(residua.Error, match="text.onnx"):
        residua.load(tmp_path / "text.onnx")
    with pytest.raises(residua.InvalidArgumentError, match="resnet51"):
        residua.random("resnet51")
    with pytest.raises(residua.InvalidArgumentError, match="schedule 'fast'"):
        residua.random("resnet18", schedule="fast")
    with pytest.raises(residua.InvalidArgumentError):
        residua.random("resnet18", threads=-1)(numpy.zeros((1, 3, 32, 32), numpy.float32))
    for error in (residua.FileError, residua.InvalidArgumentError, residua.OutOfMemoryError):
        assert issubclass(error, residua.Error)
    assert issubclass(residua.FileError, OSError) and issubclass(residua.MismatchError, ValueError)


def test_what_a_model_says_of_itself(model):
    assert (model.format, model.channels, model.input_size, model.classes) == ("safetensors", 3, (32, 32), 10)
    assert model.labels[3] == "cat" and len(model.labels) == 10 and not model.outputs_are_probabilities
    assert 200_000 < model.parameters < 300_000
    assert "10 classes" in repr(model)
    assert model.describe("planned", "json", batch=4).startswith("{")
    with pytest.raises(residua.InvalidArgumentError, match="stage 'last'"):
        model.describe("last")


def test_what_the_library_says_of_itself():
    assert residua.version()["version"] == residua.__version__
    assert "resnet50" in residua.architectures() and residua.cpu_budget() >= 1


def test_packed_models_load(model, pixels, tmp_path):
    model.pack(tmp_path / "packed.residua", batches=[1, 8])
    packed = residua.load(tmp_path / "packed.residua", verify=True)
    assert packed.format == "packed" and (packed(pixels) == model(pixels)).all()


def test_preprocessing(model, pixels):
    assert (model.preprocess(pixels[0]) == pixels[0]).all()
    assert model.preprocess(numpy.zeros((50, 80, 3), numpy.uint8)[:, ::2]).shape == (32, 32, 3)
    with pytest.raises(residua.InvalidArgumentError, match=r"\[32, 32\]"):
        model.preprocess(pixels[0, :, :, 0])
    with pytest.raises(TypeError, match="uint8"):
        model.preprocess(pixels[0].astype(numpy.float32))


def test_ten_crops_of_a_resized_photo(model):
    photo = numpy.random.default_rng(1).integers(0, 256, (80, 99, 3), numpy.uint8)
    resized = model.resized(photo, 40)
    assert resized.shape == (40, 49, 3) and model.resized(photo).shape == (32, 39, 3)
    assert (model.resized(photo, 80) == photo).all()
    crops = residua.ten_crops(resized, *model.input_size)
    assert (crops[0] == resized[:32, :32]).all() and (crops[3] == resized[8:, 17:]).all()
    assert (crops[4] == resized[4:36, 8:40]).all() and (crops[9] == resized[4:36, 40:8:-1]).all()
    probabilities = model(numpy.stack(crops), "probabilities").mean(axis=0)
    assert abs(probabilities.sum() - 1) < 1e-5
    # A view of another's pixels is read in place.
    assert (model(crops[9][None]) == model(crops[9][None].copy())).all()
    with pytest.raises(ValueError, match="41 x 32"):
        residua.ten_crops(resized, 41, 32)
    with pytest.raises(residua.InvalidArgumentError, match="shorter_side"):
        model.resized(photo, -1)


def test_softmax_and_top_k():
    values = numpy.array([[1, 3, 2], [0, 0, 0]], numpy.float32)
    probabilities = residua.softmax(values)
    assert numpy.allclose(probabilities.sum(axis=1), 1) and numpy.allclose(probabilities[1], 1 / 3)
    assert residua.top_k(values, 2) == [[1, 2], [0, 1]]
    with pytest.raises(residua.InvalidArgumentError):
        residua.softmax(values[0])


def test_threads_share_a_model(model, pixels):
    expected = model(pixels)
    wrong = []

    def run():
        for _ in range(20):
            if not (model(pixels) == expected).all():
                wrong.append(threading.current_thread().name)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_interpreter_goes_on_during_a_run():
    model = residua.random("resnet50", threads=1)
    images = numpy.zeros((16, 3, 224, 224), numpy.float32)
    model(images[:1])
    ticks = 0
    done = threading.Event()
    thread = threading.Thread(target=lambda: (model(images), done.set()))
    thread.start()
    while not done.is_set():
        time.sleep(0.001)
        ticks += 1
    thread.join()
    assert ticks >= 10  # one, if the lock were held: half a second of arithmetic
