"""One module an engine. Each has

PACKAGES              PyPI packages it needs, the one whose version counts first; none for Residua
candidates(batch, threads, options)
                      the ways to run a batch on `threads` threads that are tried, as configurations: JSON objects whose
                      "label" is for people. The fastest of an engine's is the one that is compared.
prepare(onnx, folder) where the engine does not read ONNX: the path of the model in its own format, made when missing
Engine(path, batch, threads, configuration)
                      the loaded model: .version, and .run(images) with float32 [batch,3,224,224] to logits [batch,1000]

Heavy imports stand inside functions, so that looking at candidates costs nothing. Everything computes in float32.
"""
import concurrent.futures
import importlib

CLASSES = 1000
NAMES = ("residua", "onnxruntime", "openvino", "torch", "ncnn")
PEERS = NAMES[1:]


def module(name):
    return importlib.import_module(f"engines.{name}")


def splits(batch, threads):
    """The ways to cut a batch: all threads together on the whole of it, or a worker of one thread for each, on its
    share at once or image by image."""
    label = f"{threads} threads together" if threads > 1 else "1 thread"
    ways = [{"label": label, "workers": 1, "threads": threads, "images": batch}]
    if threads > 1 and batch > 1 and batch % threads == 0:
        ways += [{"label": f"{threads} streams of {images} at a time", "workers": threads, "threads": 1, "images": images}
                 for images in sorted({batch // threads, 1}, reverse=True)]
    return ways


class Split:
    """Runs `call` (images to logits) on the parts of a batch, as a configuration of splits() says."""

    def __init__(self, configuration, call, initializer=None):
        self.images, self.call = configuration["images"], call
        workers = configuration["workers"]
        self.pool = concurrent.futures.ThreadPoolExecutor(workers, initializer=initializer) if workers > 1 else None
        if self.pool is None and initializer:
            initializer()

    def run(self, images):
        import numpy as np
        parts = [images[i:i + self.images] for i in range(0, len(images), self.images)]
        answers = list((self.pool.map if self.pool else map)(self.call, parts))
        return answers[0] if len(answers) == 1 else np.concatenate(answers)
