"""Small images and tensors by hand, for tests that may use nothing but the standard library."""

import ast
import struct
import zlib


def png(width, height, pixels):
    """A PNG file of RGB `pixels`, height x width x 3 bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def read_cifar(path):
    """(label, RGB pixels row by row) of each 32 x 32 image in a CIFAR-10 file, which holds them plane by plane."""
    with open(path, "rb") as file:
        data = file.read()
    images = []
    for start in range(0, len(data), 3073):
        planes = data[start + 1:start + 3073]
        images.append((data[start], bytes(planes[c * 1024 + i] for i in range(1024) for c in range(3))))
    return images


def normalised(pixels, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)):
    """RGB pixels as a network takes them: float values, plane by plane."""
    return [(pixels[3 * i + c] / 255 - mean[c]) / deviation[c] for c in range(3) for i in range(len(pixels) // 3)]


def npy(shape, values, kind="f"):
    """A .npy file of float32 ("f") or float64 ("d")."""
    sizes = ", ".join(str(size) for size in shape) + ("," if len(shape) == 1 else "")
    header = "{'descr': '<%s', 'fortran_order': False, 'shape': (%s), }" % ({"f": "f4", "d": "f8"}[kind], sizes)
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
            struct.pack("<%d%s" % (len(values), kind), *values))


def read_npy(path):
    """(shape, values) of a float32 .npy file."""
    with open(path, "rb") as file:
        data = file.read()
    size, = struct.unpack("<H", data[8:10])
    header = ast.literal_eval(data[10:10 + size].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"], header
    count = 1
    for dimension in header["shape"]:
        count *= dimension
    return header["shape"], struct.unpack("<%df" % count, data[10 + size:])
