"""OpenVINO's CPU plugin, held to float32 (where the CPU has bf16 it would take that), with the shape fixed before compiling."""
import numpy as np

from engines import CLASSES, splits

PACKAGES = ("openvino",)


def candidates(batch, threads, options):
    return splits(batch, threads)


class Engine:
    def __init__(self, path, batch, threads, configuration):
        import openvino
        self.version = openvino.__version__.split("-")[0]
        self.images = configuration["images"]
        core = openvino.Core()
        model = core.read_model(path)
        model.reshape([self.images, 3, 224, 224])
        compiled = core.compile_model(model, "CPU", {
            "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": configuration["workers"]})
        precision = compiled.get_property("INFERENCE_PRECISION_HINT")
        if precision != openvino.Type.f32:
            raise RuntimeError(f"OpenVINO would compute in {precision}")
        self.request = compiled.create_infer_request()
        self.queue = openvino.AsyncInferQueue(compiled, configuration["workers"])
        self.queue.set_callback(self.keep)
        self.logits = np.empty((batch, CLASSES), np.float32)
        self.run = self.together if configuration["workers"] == 1 else self.streams

    def keep(self, request, begin):
        self.logits[begin:begin + self.images] = request.get_output_tensor().data

    def together(self, images):
        return self.request.infer({0: images}, share_inputs=True)[0]

    def streams(self, images):
        for begin in range(0, len(images), self.images):
            self.queue.start_async({0: images[begin:begin + self.images]}, begin, share_inputs=True)
        self.queue.wait_all()
        return self.logits
