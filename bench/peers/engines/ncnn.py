"""ncnn on the CPU, its 16-bit storage and arithmetic off. It knows no batches: images go one by one, by all threads or one each."""
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

from engines import Split, splits

PACKAGES = ("ncnn", "pnnx")
NARROW = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage",
          "use_vulkan_compute")


def candidates(batch, threads, options):
    return [way | {"images": 1} for way in splits(batch, threads) if way["workers"] == 1 or way["images"] == 1]


def prepare(onnx, folder):
    """NAME.ncnn.param with NAME.ncnn.bin beside it, by pnnx. Its program alone is used: its Python module wants PyTorch."""
    made = folder / f"{onnx.stem}.ncnn.param"
    if made.exists() and made.stat().st_mtime >= onnx.stat().st_mtime:
        return made
    pnnx = Path(sysconfig.get_path("purelib")) / "pnnx" / "pnnx"
    with tempfile.TemporaryDirectory(dir=folder) as name:
        link = Path(name) / onnx.name
        link.symlink_to(onnx.resolve())
        done = subprocess.run([str(pnnx), link.name, "inputshape=[1,3,224,224]", "fp16=0"], cwd=name, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"pnnx ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}")
        for suffix in ("bin", "param"):
            (Path(name) / f"{onnx.stem}.ncnn.{suffix}").rename(made.with_suffix(f".{suffix}"))
    made.touch()
    return made


class Engine:
    def __init__(self, path, batch, threads, configuration):
        import ncnn
        self.ncnn, self.version = ncnn, ncnn.__version__
        self.net = ncnn.Net()
        self.net.opt.num_threads = configuration["threads"]
        for option in NARROW:
            if hasattr(self.net.opt, option):
                setattr(self.net.opt, option, False)
        if self.net.load_param(str(path)) != 0 or self.net.load_model(str(path.with_suffix(".bin"))) != 0:
            raise RuntimeError(f"ncnn does not load {path}")
        self.run = Split(configuration, self.one).run

    def one(self, images):
        extractor = self.net.create_extractor()
        extractor.input("in0", self.ncnn.Mat(images[0]))
        status, logits = extractor.extract("out0")
        if status != 0:
            raise RuntimeError(f"ncnn's extractor says {status}")
        return np.array(logits)[None]
