"""PyTorch files, byte by byte: zip archives whose every field can lie, and pickles assembled by opcode."""
import struct
import zlib

END = b"."


# ---- pickles ----

def text(value):
    value = value.encode()
    return b"X" + struct.pack("<I", len(value)) + value


def integer(value):
    return b"J" + struct.pack("<i", value) if -2**31 <= value < 2**31 else b"\x8a\x08" + struct.pack("<q", value)


def name_of(module, name):
    return f"c{module}\n{name}\n".encode()


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def storage(key="0", elements=6, kind="FloatStorage", tag="storage"):
    return tuple_of(text(tag), name_of("torch", kind), text(key), text("cpu"), integer(elements)) + b"Q"


def tensor(stored=None, offset=0, sizes=(2, 3), strides=(3, 1)):
    return (name_of("torch._utils", "_rebuild_tensor_v2")
            + tuple_of(stored if stored is not None else storage(), integer(offset), tuple_of(*map(integer, sizes)),
                       tuple_of(*map(integer, strides)), b"\x89", name_of("collections", "OrderedDict") + b")R") + b"R")


def pickle(body):
    return b"\x80\x02" + body + END


def state(**tensors):
    return pickle(b"}(" + b"".join(text(name.replace("__", ".")) + value for name, value in tensors.items()) + b"u")


STATE = state(fc__weight=tensor())


# ---- zip archives ----

class Entry:
    def __init__(self, name, content, deflated=False, **lies):
        """lies: size, packed_size, crc, method, flags, local_name, offset (in the central directory)."""
        self.name, self.content, self.lies = name.encode(), content, lies
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.packed = packer.compress(content) + packer.flush() if deflated else content
        self.method = lies.get("method", 8 if deflated else 0)

    def local_header(self):
        name = self.lies.get("local_name", self.name.decode()).encode()
        return b"PK\3\4" + struct.pack("<H", 20) + self._facts(len(name)) + name

    def directory_entry(self, offset):
        return (b"PK\1\2" + struct.pack("<HH", 20, 20) + self._facts(len(self.name))
                + struct.pack("<HHHII", 0, 0, 0, 0, offset) + self.name)

    def _facts(self, name_length):
        return struct.pack("<HHHHIIIHH", self.lies.get("flags", 0), self.method, 0, 33,
                           self.lies.get("crc", zlib.crc32(self.content)),
                           self.lies.get("packed_size", len(self.packed)), self.lies.get("size", len(self.content)),
                           name_length, 0)


def archive(*entries, comment=b"", count=None, directory_offset=None, cut=None):
    content, directory = b"", b""
    for entry in entries:
        offset = entry.lies.get("offset", len(content))
        if "offset" not in entry.lies:
            content += entry.local_header() + entry.packed
        directory += entry.directory_entry(offset)
    number = len(entries) if count is None else count
    start = len(content) if directory_offset is None else directory_offset
    whole = content + directory + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, number, number, len(directory), start,
                                                          len(comment)) + comment
    return whole[:cut]


def pth(pickled=STATE, stored=bytes(24), more=(), **options):
    return archive(Entry("m/data.pkl", pickled), Entry("m/data/0", stored), *more, **options)


# ---- the format before PyTorch 1.6 ----

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
FACTS = pickle(b"}(" + text("little_endian") + b"\x88" + b"u")


def legacy(pickled=STATE, keys=None, storages=None, magic=MAGIC, version=1001, facts=FACTS):
    keys = pickle(b"](" + text("0") + b"e") if keys is None else keys
    storages = struct.pack("<q", 6) + bytes(24) if storages is None else storages
    return magic + pickle(integer(version)) + facts + pickled + keys + storages
