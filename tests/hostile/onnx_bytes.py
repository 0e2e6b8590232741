"""ONNX files, byte by byte: protobuf messages without any library, so that every fault can be written."""
import struct

FLOAT, INT64, STRING = 1, 7, 8


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(name, shape, raw=None, type=FLOAT, floats=None, external=None, more=b""):
    """TensorProto. raw None: zeros that fit. external: a dict of location, offset, length."""
    content = b"".join(number(1, size) for size in shape) + number(2, type) + message(8, name)
    if external is not None:
        entries = (message(1, key) + message(2, value) for key, value in external.items())
        content += b"".join(message(13, entry) for entry in entries) + number(14, 1)
    elif floats is not None:
        content += message(4, struct.pack(f"<{len(floats)}f", *floats))
    else:
        count = 1
        for size in shape:
            count *= size
        content += message(9, raw if raw is not None else bytes(count * (8 if type == INT64 else 4)))
    return content + more


def integers(name, values):
    return tensor(name, [len(values)], struct.pack(f"<{len(values)}q", *values), INT64)


def attribute(name, value):
    """AttributeProto of an integer, integers, a tensor (bytes), or a graph (a pair "graph", bytes)."""
    if isinstance(value, int):
        return message(1, name) + number(3, value) + number(20, 2)
    if isinstance(value, tuple):
        return message(1, name) + message(6, value[1]) + number(20, 5)
    if isinstance(value, bytes):
        return message(1, name) + message(5, value) + number(20, 4)
    return message(1, name) + b"".join(number(8, each) for each in value) + number(20, 7)


def node(op, inputs, outputs, domain="", **attributes):
    return (b"".join(message(1, name) for name in inputs) + b"".join(message(2, name) for name in outputs)
            + message(4, op) + (message(7, domain) if domain else b"")
            + b"".join(message(5, attribute(name, value)) for name, value in attributes.items()))


def value_info(name, shape):
    dimensions = b"".join(message(1, number(1, size) if isinstance(size, int) else message(2, size)) for size in shape)
    return message(1, name) + message(2, message(1, number(1, FLOAT) + message(2, dimensions)))


CLASSIFIER = [node("GlobalAveragePool", ["x"], ["p"]), node("Flatten", ["p"], ["f"]), node("Gemm", ["f", "w"], ["y"], transB=1)]


def graph(nodes=CLASSIFIER, tensors=None, input=("N", 3, 8, 8), outputs=("y",), more=b""):
    tensors = [tensor("w", [2, 3])] if tensors is None else tensors
    return (b"".join(message(1, each) for each in nodes) + message(2, "g") + b"".join(message(5, each) for each in tensors)
            + message(11, value_info("x", input)) + b"".join(message(12, value_info(name, ["N", 2])) for name in outputs)
            + more)


def model(graph_bytes=None, opset=17, ir_version=8, metadata=(), functions=(), more=b"", **parts):
    entries = b"".join(message(14, message(1, key) + message(2, value)) for key, value in metadata)
    return (number(1, ir_version) + message(8, number(2, opset)) + message(7, graph_bytes or graph(**parts)) + entries
            + b"".join(message(25, each) for each in functions) + more)


def with_nodes(*nodes, **parts):
    """A model of these nodes in front of a classifier that reads "a"."""
    tail = [node("GlobalAveragePool", ["a"], ["p"]), *CLASSIFIER[1:]]
    parts["tensors"] = [tensor("w", [2, 3]), *parts.get("tensors", [])]
    return model(nodes=[*nodes, *tail], **parts)
