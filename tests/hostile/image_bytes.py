"""PNG, JPEG, WebP and EXIF, byte by byte. What takes an encoder comes from tests/golden/image/files."""
import struct
import zlib
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "image" / "files"
PNG = b"\x89PNG\r\n\x1a\n"


def golden(name):
    return (GOLDEN / name).read_bytes()


def chunk(kind, content=b"", crc=None, length=None):
    body = kind + content
    return struct.pack(">I", len(content) if length is None else length) + body + struct.pack(
        ">I", zlib.crc32(body) if crc is None else crc)


def header(width=4, height=4, depth=8, color=2, interlaced=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))


def rows(width=4, height=4, channels=3):
    return zlib.compress((b"\0" + bytes(range(width * channels))) * height)


def png(*chunks, head=None, pixels=None, end=True):
    return (PNG + (header() if head is None else head) + b"".join(chunks)
            + (chunk(b"IDAT", rows()) if pixels is None else pixels) + (chunk(b"IEND") if end else b""))


def exif(entries, order="<", first=8, count=None):
    """A TIFF block of entries (tag, type, count, value), orientation being tag 0x112."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    content = mark + struct.pack(order + "I", first) + struct.pack(order + "H", len(entries) if count is None else count)
    for tag, kind, number, value in entries:
        content += struct.pack(order + "HHIHH", tag, kind, number, value, 0)
    return content + struct.pack(order + "I", first)  # the next directory is this one again


def with_size(jpeg, width, height):
    """The file with other sides in its frame header (SOF0 or SOF2)."""
    for mark in (b"\xff\xc0", b"\xff\xc2"):
        place = jpeg.find(mark)
        if place >= 0:
            return jpeg[:place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9:]
    raise ValueError("no frame header")


def many_scans():
    """A progressive file of one block: every coefficient in a scan of its own, once for each of 14 bits, all zero."""
    def segment(mark, content):
        return b"\xff" + mark + struct.pack(">H", len(content) + 2) + content

    def scan(first, last, high, low):
        return segment(b"\xda", bytes([1, 1, 0, first, last, high << 4 | low])) + b"\x7f"

    one_code = b"\x01" + bytes(16)
    scans = scan(0, 0, 0, 0) + b"".join(scan(place, place, 0 if bit == 13 else bit + 1, bit)
                                        for place in range(1, 64) for bit in range(13, -1, -1))
    return (b"\xff\xd8" + segment(b"\xdb", b"\0" + b"\1" * 64) + segment(b"\xc2", struct.pack(">BHHBBBB", 8, 8, 8, 1, 1, 0x11, 0))
            + segment(b"\xc4", b"\0" + one_code) + segment(b"\xc4", b"\x10" + one_code) + scans + b"\xff\xd9")


def riff(*chunks, promised=None):
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
                              for kind, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body) if promised is None else promised) + body
