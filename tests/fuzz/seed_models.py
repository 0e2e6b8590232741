"""Models for the fuzzers to start from that no file of tests/golden or tests/hostile is: each leads to lines of the importers
that nothing else reaches, with operands as they should be and as they should not."""
import json
import struct

import onnx_bytes
import pth_bytes
from onnx_bytes import FLOAT, INT64, message, node, number, tensor, with_nodes
from pth_bytes import integer, name_of, pickle, state, text, tuple_of


def onnx_files():
    ones = tensor("ones", [3], floats=[1, 1, 1])
    one = tensor("one", [1], floats=[1])
    eight = tensor("eight", [3, 3], bytes(9), 2)
    for operator, opset in (("GroupNormalization", 18), ("GroupNormalization", 21)):
        for name, groups in (("ones", 3), ("one", 1), ("one", 3), ("ones", 0)):
            yield with_nodes(node(operator, ["x", name, name], ["a"], num_groups=groups), tensors=[ones, one], opset=opset)
    yield with_nodes(node("GroupNormalization", ["x", "x", "ones"], ["a"], num_groups=3), tensors=[ones], opset=18)
    yield with_nodes(node("InstanceNormalization", ["x", "ones", "ones"], ["a"]), tensors=[ones])
    yield with_nodes(node("InstanceNormalization", ["x", "ones", "ones"], ["a"]), tensors=[ones], input=("N", "C", 8, 8))
    statistics = ["x", *["ones"] * 4]
    for batch in (1, 2):
        yield with_nodes(node("BatchNormalization", statistics, ["a"], training_mode=1), tensors=[ones], input=(batch, 3, 8, 8))
    yield with_nodes(node("BatchNormalization", statistics, ["a", "m", "v"]), tensors=[ones])
    yield with_nodes(node("BatchNormalization", statistics, ["a"], spatial=0), tensors=[ones], opset=7)
    for axes in ([1], [9], []):
        yield with_nodes(node("ReduceMean", ["x"], ["a"], axes=axes))
        yield with_nodes(node("Squeeze", ["x"], ["a"], axes=axes), opset=11)
        yield with_nodes(node("Unsqueeze", ["x"], ["a"], axes=axes), opset=11)
    yield with_nodes(node("Squeeze", ["x"], ["a"]), input=("N", "C", "H", "W"))
    yield with_nodes(node("Shape", ["x"], ["s"]), node("ReduceMean", ["x", "s"], ["a"]), opset=18)
    yield with_nodes(node("Shape", ["x"], ["s"]), node("ReduceMean", ["x", "s"], ["a"], noop_with_empty_axes=1), opset=18)
    yield with_nodes(node("Shape", ["x"], ["s"]), node("Pad", ["x", "s", "", "s"], ["a"]), opset=18)
    yield with_nodes(node("Split", ["x"], ["a", "b"], axis=1, split=[1, 2]), opset=11)
    yield with_nodes(node("Split", ["x"], ["a", "b"], axis=1, split=[1, 1]), opset=11)
    yield with_nodes(node("Split", ["x"], ["a", "b"], axis=2), input=("N", 3, "H", "W"))
    yield with_nodes(node("Concat", ["x", "x"], ["a"], axis=7))
    yield with_nodes(node("Softmax", ["x"], ["a"], axis=-7))
    yield with_nodes(node("Flatten", ["x"], ["a"], axis=7))
    yield with_nodes(node("Cast", ["x"], ["a"], to=11), node("Relu", ["a"], ["b"]))
    yield with_nodes(node("QuantizeLinear", ["x", "ones", "eight"], ["a"], axis=1), tensors=[ones, eight])
    yield with_nodes(node("QuantizeLinear", ["x", "one"], ["q"]), node("DequantizeLinear", ["q", "one"], ["a"]), tensors=[one])
    yield with_nodes(node("QuantizeLinear", ["x", "zero"], ["a"]), tensors=[tensor("zero", [], floats=[0])])
    yield with_nodes(node("QuantizeLinear", ["x", "one", "z"], ["a"]), tensors=[one, tensor("z", [1], bytes(2), 5)])
    for padding in (b"SAME_UPPER", b"SAME_LOWER", b"VALID", b"NOTSET", b"UPPER"):
        named = message(5, message(1, "auto_pad") + message(4, padding) + number(20, 3))
        for shape in ((1, 3, 8, 8), ("N", 3, "H", "W"), (3, 8)):
            window = node("MaxPool", ["x"], ["a"], kernel_shape=[3, 3], strides=[2, 2])
            yield with_nodes(window + named, input=shape)
    for right in ("x", "w", "flat"):
        yield with_nodes(node("MatMul", ["x", right], ["a"]), tensors=[tensor("flat", [3])])
        yield with_nodes(node("Flatten", ["x"], ["f"]), node("Gemm", ["f", right, right], ["a"]), tensors=[tensor("flat", [3])])
    wide = tensor("wide", [5, 192])
    for bias in ([5], [1, 5], [1], [4]):
        yield with_nodes(node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "wide", "b"], ["a"], transB=1),
                         tensors=[wide, tensor("b", bias)])
    for value in (tensor("v", [1], type=INT64), tensor("v", [2]), tensor("v", [1], b"\xff" * 8, INT64)):
        yield with_nodes(node("Shape", ["x"], ["s"]), node("ConstantOfShape", ["s"], ["a"], value=value))
    yield with_nodes(node("ConstantOfShape", ["minus"], ["a"]), tensors=[tensor("minus", [1], b"\xff" * 8, INT64)])
    yield with_nodes(node("Constant", [], ["c"], value_int=3), node("Add", ["x", "c"], ["a"]))
    numbers = message(1, "value_floats") + message(7, struct.pack("<2f", 1, 2)) + number(20, 6)
    yield with_nodes(node("Constant", [], ["c"]) + message(5, numbers), node("Relu", ["x"], ["a"]))
    reference = message(1, "axis") + message(21, "outer") + number(20, 2)
    yield with_nodes(node("Flatten", ["x"], ["a"]) + message(5, reference))
    for type in (0, 1, 3, 4, 6):
        yield with_nodes(node("Flatten", ["x"], ["a"]) + message(5, message(1, "axis") + number(20, type)))
    for type, data in ((2, 5), (3, 5), (9, 5), (10, 5), (16, 5), (11, 10), (6, 5), (7, 7), (FLOAT, 4)):
        values = message(data, bytes(8)) if data in (4, 10) else number(data, 1)
        typed = number(1, 1) + number(2, type) + message(8, "t") + values
        yield with_nodes(node("Add", ["x", "t"], ["a"]), tensors=[typed])
    yield with_nodes(node("Relu", [""], ["a"]))
    yield with_nodes(node("MaxPool", ["x"], ["b", "c"], kernel_shape=[3, 3]), node("Add", ["b", "c"], ["a"]))
    yield with_nodes(node("Relu", ["x"], ["a"]), tensors=[tensor("", [1])])
    yield onnx_bytes.model(graph_bytes=onnx_bytes.graph(more=message(11, onnx_bytes.value_info("second", [1, 3]))))
    yield onnx_bytes.model(tensors=[tensor("w", [2, 3], external={"location": "a/data.bin", "offset": "0", "length": "24"})])


def safetensors_files():
    """Architectures that the file names itself."""
    for name, tensors in (("resnet18", {"fc.weight": [2, 3]}), ("resnet20", {"linear.weight": [2, 3]}), ("resnet7", {"a": [6]}),
                          ("resnet18", {"fc.weight": [6]})):
        header = {"__metadata__": {"arch": name}}
        header |= {key: {"dtype": "F32", "shape": shape, "data_offsets": [0, 24]} for key, shape in tensors.items()}
        written = json.dumps(header).encode()
        yield struct.pack("<Q", len(written)) + written + bytes(24)
    for value in (b"null", b"true", b'"a"', b"1e300"):
        written = b'{"__metadata__": {"a": ' + value + b'}, "b": ' + value + b"}"
        yield struct.pack("<Q", len(written)) + written


def pickles():
    """Views of storages, as PyTorch 0.4 writes them; a size that is a call; dictionaries made of pairs."""

    def viewed(*view):
        return tuple_of(text("storage"), name_of("torch", "FloatStorage"), text("0"), text("cpu"), integer(6), *view) + b"Q"

    for view in ([b"N"], [tuple_of(text("1"), integer(1), integer(4))], [tuple_of(text("1"), integer(4), integer(4))],
                 [integer(1)], [b"N", b"N"]):
        yield state(fc__weight=pth_bytes.tensor(viewed(*view), sizes=(2, 2), strides=(2, 1)))
    size = name_of("torch", "Size") + tuple_of(tuple_of(integer(2), integer(3))) + b"R"
    strides = tuple_of(integer(3), integer(1))
    rebuilt = tuple_of(pth_bytes.storage(), integer(0), size, strides, b"\x89", b"N")
    yield state(a=name_of("torch._utils", "_rebuild_tensor_v2") + rebuilt + b"R")
    parameter = name_of("torch._utils", "_rebuild_parameter")
    yield state(a=parameter + tuple_of(pth_bytes.tensor(), b"\x88", b"N") + b"R", b=parameter + tuple_of() + b"R")
    yield state(a=pth_bytes.tensor(), b=pth_bytes.tensor(pth_bytes.storage(elements=7)))
    ordered = name_of("collections", "OrderedDict")
    pair = b"](" + text("a") + pth_bytes.tensor() + b"e"
    yield pickle(ordered + tuple_of(b"](" + pair + tuple_of(text("b"), pth_bytes.tensor()) + b"e") + b"R")
    yield pickle(ordered + tuple_of(b"](" + text("a") + b"e") + b"R")
