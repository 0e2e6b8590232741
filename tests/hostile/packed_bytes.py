"""Packed model files (graph/import/packed_file.h), with checksums that fit, so that faults behind them are reached."""
import struct

MAGIC, VERSION = b"\x93RESIDUA", 1
MASK = (1 << 64) - 1


def checksum(content):
    value = 0xCBF29CE484222325 ^ len(content)
    content += bytes(-len(content) % 8)
    for (word,) in struct.iter_unpack("<Q", content):
        value = (value ^ word) * 0x100000001B3 & MASK
        value ^= value >> 32
    return value


def number(value):
    return struct.pack("<Q", value & MASK)


def counted(value):
    value = value.encode() if isinstance(value, str) else value
    return number(len(value)) + value


NETWORK = """graph "g"
input %0 "x" float32 [N, 3, 8, 8]
const %1 "w" float32 [2, 3]
node %2 "p" float32 [N, 3, 1, 1] = global_average_pool(%0)
node %3 "f" float32 [N, 3] = flatten(%2)
node %4 "y" float32 [N, 2] = fully_connected(%3, %1)
output %4
"""


def index(network=NETWORK, constants=((4096, 24),), blobs=(), constant_count=None, more=b""):
    """constants: (offset, size); blobs: (constant, layout, offset, size)."""
    content = counted("") + counted("") + counted("onnx") + counted("") + number(0) + counted(network)
    content += number(len(constants) if constant_count is None else constant_count)
    for offset, size in constants:
        content += number(offset) + number(size) + number(checksum(bytes(min(size, 1 << 16)))) + number(0)
    content += number(len(blobs))
    for constant, layout, offset, size in blobs:
        content += number(constant) + counted(layout) + number(offset) + number(size) + number(checksum(bytes(size)))
    return content + more


def packed(index_bytes=None, size=4120, version=None, file_size=None, index_size=None, header_checksum=None, magic=None):
    index_bytes = index() if index_bytes is None else index_bytes
    header = (magic or MAGIC) + struct.pack("<II", VERSION if version is None else version, 0)
    header += number(size if file_size is None else file_size)
    header += number(len(index_bytes) if index_size is None else index_size) + number(checksum(index_bytes))
    header = header.ljust(56, b"\0")
    header += number(checksum(header) if header_checksum is None else header_checksum)
    return (header + index_bytes).ljust(size, b"\0")


