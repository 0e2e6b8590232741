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


def read_png(path):
    """(width, height, RGB pixels) of a PNG file of 8-bit RGB without interlacing."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, packed = 8, b""
    while position < len(data):
        length, = struct.unpack(">I", data[position:position + 4])
        kind, body = data[position + 4:position + 8], data[position + 8:position + 8 + length]
        if kind == b"IHDR":
            width, height, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert (depth, color, interlace) == (8, 2, 0)
        if kind == b"IDAT":
            packed += body
        position += 12 + length
    rows, size = zlib.decompress(packed), width * 3
    before, pixels = bytearray(size), bytearray()
    for y in range(height):
        kind, row = rows[y * (size + 1)], bytearray(rows[y * (size + 1) + 1:(y + 1) * (size + 1)])
        if kind:
            for i in range(size):
                left, above, corner = (row[i - 3], before[i], before[i - 3]) if i >= 3 else (0, before[i], 0)
                if kind == 4:
                    guess = left + above - corner
                    row[i] = (row[i] + min((left, above, corner), key=lambda value: abs(guess - value))) & 255
                else:
                    row[i] = (row[i] + (left, above, (left + above) // 2)[kind - 1]) & 255
        pixels += row
        before = row
    return width, height, bytes(pixels)


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
