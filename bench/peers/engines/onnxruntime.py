"""onnxruntime's CPU provider. Float32 is what it does by default; streams are one session of one thread that several call."""
from engines import Split, splits

PACKAGES = ("onnxruntime",)


def candidates(batch, threads, options):
    return splits(batch, threads)


class Engine:
    def __init__(self, path, batch, threads, configuration):
        import onnxruntime
        self.version = onnxruntime.__version__
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = configuration["threads"]
        settings.log_severity_level = 3
        settings.add_free_dimension_override_by_name("N", configuration["images"])
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        self.run = Split(configuration, lambda images: session.run(None, {name: images})[0]).run
