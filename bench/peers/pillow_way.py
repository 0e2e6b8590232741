"""Photos to classes the usual Python way: Pillow in worker processes, OpenVINO in this one. A child of photos.py.

    pillow_way.py MODEL FOLDER WORKERS THREADS BATCH

Speaks as child.py does: after {"version", "load_seconds"} it answers every {} with {"seconds", "classes" (of the folder's
files, by name)}. The time is from the first file to the last class; imports, workers' start and compiling are not in it.
"""
import itertools
import json
import multiprocessing
import sys
import time
from pathlib import Path

import child
import imagenet


def classes_of(paths, pool, engine, batch):
    import numpy as np
    found, photos = [], pool.imap(imagenet.preprocessed, paths, chunksize=4)
    while some := list(itertools.islice(photos, batch)):
        images = np.zeros((batch, 3, 224, 224), np.float32)  # the compiled model takes whole batches only
        images[:len(some)] = imagenet.normalized(np.concatenate(some))
        found += engine.run(images)[:len(some)].argmax(1).tolist()
    return found


def main():
    with child.speech() as say:
        model, folder, workers, threads, batch = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
        paths = sorted(folder.iterdir())
        with multiprocessing.get_context("fork").Pool(workers) as pool:  # before OpenVINO has threads
            from engines import openvino, splits
            start = time.perf_counter()
            engine = openvino.Engine(model, batch, threads, splits(batch, threads)[0])
            say({"version": engine.version, "load_seconds": time.perf_counter() - start})
            for line in sys.stdin:
                json.loads(line)
                start = time.perf_counter()
                classes = classes_of(paths, pool, engine, batch)
                say({"seconds": time.perf_counter() - start, "classes": classes})


if __name__ == "__main__":
    main()
