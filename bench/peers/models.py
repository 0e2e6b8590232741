"""Where the compared ONNX files come from: the evaluation data's make_models.py, else this module's own seeded random networks."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# name: (bottleneck, blocks per stage, groups, width of the first stage's 3x3 convolutions)
FAMILY = {
    "resnet18": (False, (2, 2, 2, 2), 1, 64),
    "resnet34": (False, (3, 4, 6, 3), 1, 64),
    "resnet50": (True, (3, 4, 6, 3), 1, 64),
    "resnet101": (True, (3, 4, 23, 3), 1, 64),
    "resnet152": (True, (3, 8, 36, 3), 1, 64),
    "wide_resnet50_2": (True, (3, 4, 6, 3), 1, 128),
    "resnext50_32x4d": (True, (3, 4, 6, 3), 32, 128),
}
SEED = 2015
SCRIPT = "make_models.py"


def add_arguments(parser):
    """The two places of models, as every script that compares takes them."""
    parser.add_argument("--data", type=Path, default=os.environ.get("RESIDUA_TEST_DATA", ROOT / "../shared/data"),
                        help="the evaluation data [RESIDUA_TEST_DATA, ../shared/data]")
    parser.add_argument("--models", type=Path, default=os.environ.get("RESIDUA_TEST_MODELS", ROOT / ".scratch/models"),
                        help="where made models are kept [RESIDUA_TEST_MODELS, .scratch/models]")


def make_models(options, names):
    """Makes NAME.onnx and NAME.safetensors with the evaluation data's make_models.py where they are not there yet."""
    missing = [name for name in names if not (options.models / f"{name}.onnx").exists()
               or not (options.models / f"{name}.safetensors").exists()]
    if missing:
        subprocess.run([sys.executable, str(options.data / SCRIPT), str(options.models), *missing], check=True,
                       stdout=sys.stderr)


def onnx_file(options, name):
    """(path, where its weights are from), made where it is not there yet."""
    if (options.data / SCRIPT).exists():
        make_models(options, [name])
        return options.models / f"{name}.onnx", "evaluation data"
    path = options.models / "random" / f"{name}.onnx"
    if not path.exists():
        import onnx
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        onnx.save(random_network(name), part)
        part.rename(path)
    return path, f"random, seed {SEED}"


def random_network(name):
    """The network as PyTorch exports it in evaluation mode, batch norm kept, activations of ordinary size throughout."""
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper
    bottleneck, blocks, groups, width = FAMILY[name]
    random = np.random.default_rng(SEED)
    nodes, initializers = [], []

    def constant(label, values):
        initializers.append(numpy_helper.from_array(np.asarray(values, np.float32), label))
        return label

    def node(kind, label, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [label], name=f"/{label}", **attributes))
        return label

    def convolution(label, x, channels, out, kernel=1, stride=1, groups=1, gain=1.0):
        fan_in = channels // groups * kernel * kernel
        weight = constant(f"{label}.weight", random.normal(0, (2 / fan_in) ** 0.5, (out, channels // groups, kernel, kernel)))
        y = node("Conv", label, x, weight, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups)
        statistics = (("scale", gain * random.uniform(0.8, 1.2, out)), ("shift", random.normal(0, 0.1, out)),
                      ("mean", random.normal(0, 0.2, out)), ("variance", random.uniform(0.5, 2, out)))
        return node("BatchNormalization", f"{label}.norm", y, *(constant(f"{label}.{key}", values) for key, values in statistics))

    def relu(x):
        return node("Relu", f"{x}.relu", x)

    x, channels = relu(convolution("stem", "input", 3, 64, 7, 2)), 64
    x = node("MaxPool", "pool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for stage, count in enumerate(blocks):
        inner = width << stage
        out = 256 << stage if bottleneck else inner
        for block in range(count):
            label, stride = f"stage{stage + 1}.{block}", 2 if stage > 0 and block == 0 else 1
            if bottleneck:
                y = relu(convolution(f"{label}.reduce", x, channels, inner))
                y = relu(convolution(f"{label}.spatial", y, inner, inner, 3, stride, groups))
                y = convolution(f"{label}.expand", y, inner, out, gain=0.3)
            else:
                y = relu(convolution(f"{label}.first", x, channels, out, 3, stride))
                y = convolution(f"{label}.second", y, out, out, 3, gain=0.3)
            if stride != 1 or channels != out:
                x = convolution(f"{label}.shortcut", x, channels, out, stride=stride)
            x, channels = relu(node("Add", f"{label}.sum", y, x)), out
    x = node("Flatten", "features", node("GlobalAveragePool", "average", x), axis=1)
    weight = constant("classifier.weight", random.normal(0, channels ** -0.5, (1000, channels)))
    node("Gemm", "logits", x, weight, constant("classifier.bias", random.normal(0, 0.1, 1000)), transB=1)
    ends = [helper.make_tensor_value_info(label, TensorProto.FLOAT, shape)
            for label, shape in (("input", ["N", 3, "H", "W"]), ("logits", ["N", 1000]))]
    model = helper.make_model(helper.make_graph(nodes, name, ends[:1], ends[1:], initializers),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model
