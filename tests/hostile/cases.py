"""The hostile files: what each is, and what must be said of it.

A case is a folder of files and one command. `files` maps names to bytes, or to Link (a symbolic link), Fifo or Folder;
beside the case's folder lies secret.bin, which nobody may open. The command gets the model or image of that name.
"""
from dataclasses import dataclass, field
import json
import struct

import image_bytes as images
import onnx_bytes as onnx
import packed_bytes as packed
import pth_bytes as pth
from onnx_bytes import CLASSIFIER, attribute, integers, message, node, number, tensor, value_info, varint, with_nodes
from pth_bytes import Entry, integer, name_of, pickle, state, storage, text, tuple_of

MODEL_UNUSABLE, INPUT_FAILED, ALL_WELL = 3, 1, 0
SECRET = "secret.bin"
BIG = 1 << 62


@dataclass(frozen=True)
class Link:
    target: str


class Fifo:
    pass


class Folder:
    pass


@dataclass
class Case:
    name: str
    files: dict
    message: str          # part of what is said on standard error
    code: int = MODEL_UNUSABLE
    command: str = "inspect"
    target: str = ""      # the file that the command is given; "": the first one
    limits: str = ""      # RESIDUA_LIMITS


CASES = []


def case(name, content, said, file, **more):
    files = content if isinstance(content, dict) else {file: content}
    CASES.append(Case(name, files, said, **more))


# ---- ONNX: external data ----

def external(name, said, location, files=None, **entries):
    more = {key: str(value) for key, value in entries.items()}
    model = onnx.model(tensors=[tensor("w", [2, 3], external={"location": location, **more})])
    case("external_" + name, {"m.onnx": model, "data.bin": bytes(24), **(files or {})}, said, "")


LEAVES = "leaves the model's folder"
external("parent", LEAVES, "../secret.bin")
external("nested_parent", LEAVES, "a/../../secret.bin", {"a": Folder()})
external("parent_behind_dots", LEAVES, "./././../secret.bin")
external("parent_twice_nested", LEAVES, "a/b/../../../secret.bin")
external("parent_in_the_middle", LEAVES, "a/../data.bin", {"a": Folder()})
external("only_parent", LEAVES, "..")
external("trailing_parent", LEAVES, "a/..", {"a": Folder()})
external("absolute", "expected a relative file name", "/etc/hostname")
external("absolute_proc", "expected a relative file name", "/proc/self/environ")
external("two_slashes", "expected a relative file name", "//etc/hostname")
external("link_to_file", ", outside ", "link.bin", {"link.bin": Link("../secret.bin")})
external("link_to_absolute", ", outside ", "link.bin", {"link.bin": Link("/etc/hostname")})
external("link_to_folder", ", outside ", "up/secret.bin", {"up": Link("..")})
external("link_to_link", ", outside ", "one", {"one": Link("two"), "two": Link("../secret.bin")})
external("link_to_device", ", outside ", "zero", {"zero": Link("/dev/zero")})
external("link_to_proc", ", outside ", "self", {"self": Link("/proc/self/environ")})
external("link_to_itself", "symbolic links", "loop", {"loop": Link("loop")})
external("fifo", "is not a regular file", "pipe", {"pipe": Fifo()})
external("folder", "is a folder, expected a regular file", "a", {"a": Folder()})
external("the_folder_itself", ", outside ", ".")
external("missing", "No such file", "missing.bin")
external("backslashes", "No such file", "..\\secret.bin")
external("escaped_dots", "No such file", "%2e%2e/secret.bin")
external("empty_location", "expected a relative file name", "")
external("zero_byte", "expected a relative file name", "data.bin\0/../secret.bin")
external("long_location", "more than the limit name_bytes=4096", "a/" * 3000)
external("offset_beyond", "lie outside", "data.bin", offset=8)
external("offset_wraps", "lie outside", "data.bin", offset=(1 << 64) - 8)
external("offset_beyond_64_bits", "expected a byte count", "data.bin", offset=1 << 70)
external("offset_negative", "expected a byte count", "data.bin", offset=-4)
external("offset_hexadecimal", "expected a byte count", "data.bin", offset="0x10")
external("length_differs", "asks for 24", "data.bin", length=20)
external("empty_file", "is empty", "none.bin", {"none.bin": b""})
case("external_files_without_end", {"m.onnx": onnx.with_nodes(
    node("Concat", [f"w{i}" for i in range(9)], ["c"], axis=0), node("Relu", ["x"], ["a"]),
    tensors=[tensor(f"w{i}", [2, 3], external={"location": f"{i}.bin"}) for i in range(9)]),
    **{f"{i}.bin": bytes(24) for i in range(9)}}, "files of external data: 5, more than the limit external_files=4", "",
    limits="external_files=4")


# ---- ONNX: tensors ----

def weight(name, said, *arguments, **more):
    case("onnx_" + name, onnx.model(tensors=[tensor("w", *arguments, **more)]), said, "m.onnx")


weight("raw_data_too_short", "raw_data holds 20 bytes, its shape [2, 3] asks for 24", [2, 3], bytes(20))
weight("raw_data_too_long", "raw_data holds 28 bytes", [2, 3], bytes(28))
weight("raw_data_of_no_whole_element", "raw_data holds 23 bytes", [2, 3], bytes(23))
weight("typed_values_too_few", "it holds 2 values, its shape asks for 6", [2, 3], floats=[1, 2])
weight("typed_values_for_a_huge_shape", "it holds 2 values", [1 << 40, 3], floats=[1, 2])
weight("shape_negative", "dimension -1 is negative", [2, -1], bytes(24))
weight("shape_overflows", "is too large", [1 << 32, 1 << 32], bytes(24))
weight("shape_wraps_to_the_size", "is too large", [6, (1 << 62) + 1], bytes(24))
weight("bytes_overflow", "is too large", [1 << 62], bytes(24))
weight("rank_beyond", "dimensions: 9, more than the limit rank=8", [1] * 9, bytes(4))
weight("type_unknown", "element type 99", [2, 3], bytes(24), type=99)
weight("type_of_texts", "element type 8", [2, 3], bytes(24), type=8)
weight("segments", "it is stored in segments", [2, 3], more=message(3, number(1, 0)))
case("onnx_sparse_weights", onnx.model(more=b"", graph_bytes=onnx.graph(more=message(15, b""))), "sparse initializers", "m.onnx")
case("onnx_too_many_tensors", onnx.model(tensors=[tensor(f"w{i}", [1]) for i in range(20)]),
     "more than the limit tensors=10", "m.onnx", limits="tensors=10")
case("onnx_file_too_large", onnx.model(), "more than the limit file_bytes=100", "m.onnx", limits="file_bytes=100")


# ---- ONNX: nodes ----

def nodes(name, said, *list_, **more):
    case("onnx_" + name, with_nodes(*list_, **more), said, "m.onnx")


W = tensor("k", [3, 3, 1, 1])


def convolution(name, said, kernel=W, **attributes):
    nodes("conv_" + name, said, node("Conv", ["x", "k"], ["a"], **attributes), tensors=[kernel])


convolution("weight_of_rank_3", "rank", tensor("k", [3, 3, 1]))
convolution("weight_of_rank_5", "rank", tensor("k", [3, 3, 1, 1, 1]))
convolution("weight_without_elements", "[N, 0]", tensor("k", [0, 3, 1, 1]))
convolution("kernel_of_no_pixels", "Conv", tensor("k", [3, 3, 0, 1]))
convolution("channels_differ", "channels", tensor("k", [3, 5, 1, 1]))
convolution("group_zero", "group", group=0)
convolution("group_negative", "group", group=-3)
convolution("group_does_not_divide", "group", group=2)
convolution("group_huge", "group", group=BIG)
convolution("stride_zero", "stride", strides=[0, 1])
convolution("stride_negative", "stride", strides=[-1, 1])
convolution("strides_of_three", "strides", strides=[1, 1, 1])
convolution("dilation_zero", "dilation", dilations=[0, 1])
convolution("dilation_huge", "attribute dilations", tensor("k", [3, 3, 2, 2]), dilations=[BIG, BIG])
convolution("padding_huge", "Conv", pads=[BIG, BIG, BIG, BIG])
convolution("padding_negative", "pad", pads=[-1, 0, 0, 0])
convolution("padding_beyond_memory", "more than the limit", pads=[100000] * 4)
convolution("kernel_shape_differs", "kernel_shape", kernel_shape=[3, 3])
nodes("conv_bias_of_other_size", "bias", node("Conv", ["x", "k", "b"], ["a"]), tensors=[W, tensor("b", [7])])
nodes("conv_of_a_matrix", "rank", node("Flatten", ["x"], ["f2"]), node("Conv", ["f2", "k"], ["a"]), tensors=[W])
nodes("conv_without_weight", "inputs", node("Conv", ["x"], ["a"]))
nodes("pool_without_window", "kernel_shape", node("MaxPool", ["x"], ["a"]))
nodes("pool_window_zero", "attribute kernel_shape", node("MaxPool", ["x"], ["a"], kernel_shape=[0, 0]))
nodes("pool_window_huge", "MaxPool", node("MaxPool", ["x"], ["a"], kernel_shape=[BIG, BIG], pads=[BIG] * 4))
nodes("node_reads_itself", "its own output", node("Relu", ["a"], ["a"]))
nodes("cycle", "topological order", node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]))
nodes("undefined_input", "which no input, initializer or node defines", node("Relu", ["nothing"], ["a"]))
nodes("name_twice", "a second time", node("Relu", ["x"], ["a"]), node("Relu", ["x"], ["a"]))
nodes("too_many_nodes", "nodes: 6, more than the limit nodes=5", node("Relu", ["x"], ["b"]), node("Relu", ["b"], ["c"]),
      node("Relu", ["c"], ["a"]))
CASES[-1].limits = "nodes=5"
nodes("attribute_of_other_type", "Conv", node("Conv", ["x", "k"], ["a"], strides=3), tensors=[W])
nodes("attribute_unknown", "attribute", node("Conv", ["x", "k"], ["a"], surprise=1), tensors=[W])
nodes("operator_unknown", "is not supported in opset 17", node("Evaluate", ["x"], ["a"]))
nodes("operator_of_other_domain", "operator of domain", node("Relu", ["x"], ["a"], domain="com.hostile"))
nodes("constant_reference", "x", node("Constant", [], ["c"], value=b"\xff\xff"), node("Relu", ["x"], ["a"]))
nodes("reshape_to_huge", "Reshape", node("Reshape", ["x", "s"], ["a"]), tensors=[integers("s", [1 << 40, 3, 1 << 40, 1])])
nodes("reshape_two_unknown", "more than one size to infer", node("Reshape", ["x", "s"], ["a"]), tensors=[integers("s", [-1, 3, -1, 1])])
nodes("reshape_negative", "Reshape", node("Reshape", ["x", "s"], ["a"]), tensors=[integers("s", [-7, 3, 8, 8])])
nodes("expand_to_huge", "xpand", node("Expand", ["x", "s"], ["a"]), tensors=[integers("s", [1, 3, 1 << 40, 1 << 40])])
nodes("constant_of_huge_shape", "expected shapes that broadcast", node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["a"]),
      tensors=[integers("s", [1, 3, 1 << 31, 1 << 31])])
nodes("gather_beyond", "expected 4 dimensions", node("Shape", ["x"], ["s"]), node("Gather", ["s", "i"], ["g"]),
      node("Reshape", ["x", "g"], ["a"]), tensors=[integers("i", [99])])
nodes("slice_step_zero", "step", node("Slice", ["x", "z", "o", "z", "z"], ["a"]),
      tensors=[integers("z", [0]), integers("o", [1])])
nodes("transpose_index_beyond", "has axis 9 of 4 dimensions", node("Transpose", ["x"], ["a"], perm=[0, 1, 2, 9]))
nodes("transpose_index_twice", "names axis 1 twice", node("Transpose", ["x"], ["a"], perm=[0, 1, 1, 3]))
nodes("transpose_index_far_below", "has axis", node("Transpose", ["x"], ["a"], perm=[0, 1, -9, 2]))
nodes("concat_axis_beyond", "axis", node("Concat", ["x", "x"], ["a"], axis=99))
nodes("flatten_axis_beyond", "axis", node("Flatten", ["x"], ["b"], axis=-99), node("Relu", ["x"], ["a"]))
nodes("pad_huge", "Pad", node("Pad", ["x", "s"], ["a"]), tensors=[integers("s", [0, 0, BIG, BIG, 0, 0, BIG, BIG])])
nodes("pad_of_wrong_count", "Pad", node("Pad", ["x", "s"], ["a"]), tensors=[integers("s", [0, 0, 1])])
nodes("squeeze_beyond", "axis", node("Squeeze", ["x", "s"], ["a"]), tensors=[integers("s", [17])])
nodes("unsqueeze_without_end", "dimensions", *[node("Unsqueeze", [f"u{i}" if i else "x", "s"], [f"u{i + 1}"]) for i in range(40)],
      node("Relu", ["x"], ["a"]), tensors=[integers("s", [0])])
nodes("doubled_without_end", "Concat",
      *[node("Concat", [f"d{i}" if i else "x"] * 2, [f"d{i + 1}"], axis=1) for i in range(70)],
      node("Relu", ["x"], ["a"]))
nodes("doubled_beyond_memory", "more than the limit",
      *[node("Concat", [f"d{i}" if i else "x"] * 2, [f"d{i + 1}"], axis=2) for i in range(35)],
      node("MaxPool", ["d35"], ["a"], kernel_shape=[1, 1]))
FUNCTION = message(1, "F") + message(10, "own") + message(5, "X") + message(6, "Y") + message(
    7, node("F", ["X"], ["Y"], domain="own"))
case("onnx_recursive_function", with_nodes(node("F", ["x"], ["a"], domain="own"), functions=[FUNCTION]),
     "calls a function defined in the file", "m.onnx")
NESTED = onnx.graph()
for _ in range(4000):
    NESTED = onnx.graph(nodes=[node("If", ["x"], ["y"], then_branch=("graph", NESTED))], tensors=[])
    if len(NESTED) > 400_000:
        break
nodes("graphs_within_graphs", "is not supported", node("If", ["x"], ["a"], then_branch=("graph", NESTED)))


# ---- ONNX: the file ----

def whole(name, content, said, **more):
    case("onnx_" + name, content, said, "m.onnx", **more)


GOOD = onnx.model()
whole("cut_short", GOOD[:-5], "truncated")
whole("cut_in_the_weights", GOOD[:GOOD.index(bytes(24)) + 10], "truncated")
whole("field_of_2_to_63_bytes", GOOD + varint(20 << 3 | 2) + varint(1 << 63), "truncated")
whole("number_without_end", GOOD + b"\x28" + b"\xff" * 11, "longer than 10 bytes")
whole("wire_type_7", GOOD + b"\x3f\0", "unknown wire type")
whole("field_number_0", GOOD + b"\0\0", "out of range")
whole("no_graph", number(1, 8) + message(8, number(2, 17)), "holds no graph")
whole("two_graphs", GOOD + message(7, onnx.graph()), "more than one graph")
whole("no_output", onnx.model(outputs=()), "has no output")
whole("output_undefined", onnx.model(outputs=("nothing",)), "which no input, initializer or node defines")
whole("no_input", onnx.model(graph_bytes=b"".join(message(1, each) for each in CLASSIFIER) + message(12, value_info("y", [1]))),
      "no input")
whole("input_sides_zero", onnx.model(input=("N", 3, 0, 8)), "dimension of 0")
whole("input_sides_negative", onnx.model(input=("N", 3, -8, 8)), "dimension of -8")
whole("input_sides_huge", onnx.model(input=("N", 3, 1 << 40, 8)), "expected sides of 1 to 32768")
whole("input_channels_huge", onnx.model(input=("N", 1 << 62, 8, 8)), "")
whole("input_batch_huge", onnx.model(input=(1 << 62, 3, 8, 8)), "")
whole("input_of_rank_2", onnx.model(input=("N", 3)), "rank 2, expected rank 4")
whole("opset_of_the_future", onnx.model(opset=1 << 40), "expected 7 to 22")
whole("opset_negative", onnx.model(opset=-1), "expected 7 to 22")
whole("ir_version_0", onnx.model(ir_version=1), "ir_version is 1")
whole("name_too_long", onnx.model(nodes=[node("R" * 5000, ["x"], ["y"])]), "more than the limit name_bytes=4096")
whole("items_without_end", with_nodes(node("Relu", ["x"], ["a"]), node("Pad", ["x"], ["b"], pads=[0] * 3000)),
      "entries: 1001, more than the limit entries=1000", limits="entries=1000")
whole("labels_outside", onnx.model(metadata=[("labels", "\"../secret.bin\"")]), LEAVES)
whole("metadata_nested", onnx.model(metadata=[("mean", "[" * 100_000)]), "more than the limit json_depth=64")
whole("one_weight_many_times", onnx.model(nodes=[*CLASSIFIER[:2], *[node("Gemm", ["f", "v"], [f"y{i}"]) for i in range(200)], CLASSIFIER[2]],
                                          tensors=[tensor("w", [2, 3]), tensor("v", [3, 400])]), "more than the limit conversion_ratio=16")


# ---- pickles, in zip archives ----

def pickled(name, said, body, **more):
    case("pickle_" + name, pth.pth(pickle(body), **more), said, "m.pth")


NOT_ON_THE_LIST = "which is not on the list of what a state dict needs"
pickled("system", NOT_ON_THE_LIST, name_of("os", "system") + tuple_of(text("touch owned")) + b"R")
pickled("posix_system", NOT_ON_THE_LIST, name_of("posix", "system") + tuple_of(text("touch owned")) + b"R")
pickled("eval", NOT_ON_THE_LIST, name_of("builtins", "eval") + tuple_of(text("1")) + b"R")
pickled("exec_of_python_2", NOT_ON_THE_LIST, name_of("__builtin__", "exec") + tuple_of(text("1")) + b"R")
pickled("getattr_of_a_listed_name", NOT_ON_THE_LIST, name_of("builtins", "getattr") + tuple_of(text("1"), text("x")) + b"R")
pickled("stack_global", NOT_ON_THE_LIST, text("os") + text("system") + b"\x93" + tuple_of(text("true")) + b"R")
pickled("dotted_name", NOT_ON_THE_LIST, text("torch") + text("serialization.os.system") + b"\x93" + b")R")
pickled("torch_load", NOT_ON_THE_LIST, name_of("torch", "load") + tuple_of(text("../secret.bin")) + b"R")
pickled("from_file", NOT_ON_THE_LIST, name_of("torch", "FloatStorage.from_file") + tuple_of(text("../secret.bin")) + b"R")
pickled("whole_model", NOT_ON_THE_LIST, name_of("torch.nn.modules.linear", "Linear") + b")\x81")
pickled("inst", "is not one that data needs", b"(ios\nsystem\n")
pickled("obj", "is not one that data needs", b"(" + name_of("collections", "OrderedDict") + b"o")
pickled("extension", "is not one that data needs", b"\x82\x01")
pickled("text_opcodes", "is not one that data needs", b"I1\n")
pickled("call_of_a_text", "a call of", text("x") + b")R")
pickled("call_without_tuple", "a call with", name_of("collections", "OrderedDict") + b"]R")
pickled("call_of_a_storage_class", "a call of the storage class", name_of("torch", "FloatStorage") + b")R")
pickled("setitem_on_a_list", "items are set in a list, expected a dict", b"]" + text("a") + b"K\x01s")
pickled("setitem_on_a_tuple", "expected a dict", b")" + text("a") + b"K\x01s")
pickled("setitem_on_a_tensor", "expected a dict", pth.tensor() + text("a") + b"K\x01s")
pickled("setitems_on_an_integer", "expected a dict", b"K\x01(" + text("a") + b"K\x01u")
pickled("setitems_of_an_odd_count", "a key without a value", b"}(" + text("a") + b"u")
pickled("append_to_a_dict", "expected a list", b"}K\x01a")
pickled("appends_to_a_text", "expected a list", text("a") + b"(K\x01e")
pickled("build_on_an_integer", "attributes are given to", b"K\x01}b")
pickled("empty_stack", "empty stack", b"0")
pickled("mark_never_set", "a mark is wanted", b"t")
pickled("value_below_the_mark", "empty stack", b"K\x01(a")
pickled("memo_never_set", "was never set", b"h\x07")
pickled("memo_huge", "more than the limit pickle_values=1048576", b"Nr\xff\xff\xff\xff")
pickled("marks_without_end", "more than the limit pickle_depth=1000", b"(" * 5000)
pickled("values_without_end", "more than the limit pickle_values=1048576", b"]" * 1_100_000)
pickled("instructions_without_end", "more than the limit pickle_instructions=1000", b"N0" * 600)
CASES[-1].limits = "pickle_instructions=1000"
pickled("length_negative", "a length of -1", b"T\xff\xff\xff\xff")
pickled("length_beyond", "bytes are wanted", b"X\xff\xff\xff\x7f")
pickled("length_of_64_bits", "bytes are wanted", b"\x8d" + b"\xff" * 8)
pickled("frame_beyond", "a frame of", b"\x95" + b"\xff" * 8)
pickled("name_without_end", "a name without an end", b"c" + b"a" * 4000)
pickled("ends_early", "bytes are wanted", b"}(" + text("a"))
CASES[-1].files["m.pth"] = pth.pth(b"\x80\x02}(" + text("a"))
pickled("protocol_9", "pickle protocol 9", b"\x80\x09N")
pickled("list_of_itself", "", b"]q\0h\0a")
pickled("dict_of_itself", "", b"}q\0" + text("state_dict") + b"h\0s")
pickled("no_tensors", "no named tensors", b"}" + text("epoch") + b"K\x01s")
pickled("key_is_a_number", "a tensor's name is the integer 1", b"}K\x01" + pth.tensor() + b"s")
pickled("tensor_twice", "stands there twice", b"}(" + (text("a") + pth.tensor()) * 2 + b"u")


def stored(name, said, *arguments, **more):
    case("tensor_" + name, pth.pth(state(a=pth.tensor(*arguments, **more))), said, "m.pth")


stored("storage_smaller_than_said", "has 24 bytes, expected 7 x", storage(elements=7))
stored("storage_larger_than_said", "has 24 bytes, expected 5 x", storage(elements=5))
stored("storage_of_other_type", "has 24 bytes, expected 6 x float64", storage(kind="DoubleStorage"))
stored("storage_missing", "is missing", storage("7"))
stored("storage_outside", "is missing", storage("../../secret.bin"))
stored("storage_elements_negative", "expected a count", storage(elements=-1))
stored("storage_elements_overflow", "claims", storage(elements=BIG))
stored("storage_without_tag", "expected 'storage'", storage(tag="module"))
stored("storage_is_an_integer", "its storage is", b"K\x01")
stored("persistent_id_is_a_number", "a persistent id is not the tuple", b"K\x01Q")
stored("offset_beyond", "leaves its storage", offset=1)
stored("offset_negative", "its offset is the integer -1", offset=-1)
stored("offset_overflows", "leaves its storage", offset=BIG + BIG - 1)
stored("sizes_beyond", "leaves its storage", sizes=(3, 3))
stored("sizes_negative", "expected a count", sizes=(-2, 3))
stored("sizes_overflow", "", sizes=(1 << 40, 1 << 40), strides=(0, 0))
stored("strides_negative", "one of its strides", strides=(-3, 1))
stored("strides_overflow", "leaves its storage", strides=(BIG, BIG))
stored("strides_fewer_than_sizes", "2 sizes and 1 strides", strides=(1,))
stored("expanded_without_bound", "more than the limit conversion_ratio=16", sizes=(100000, 100000), strides=(0, 0))
stored("rank_beyond", "dimensions: 9, more than the limit rank=8", sizes=(1,) * 9, strides=(1,) * 9)


# ---- zip archives ----

def zipped(name, said, content, **more):
    case("zip_" + name, content, said, "m.pth", **more)


ZEROS = bytes(100_000_000)
zipped("bomb_in_a_storage", "more than the limit zip_ratio=16",
       pth.archive(Entry("m/data.pkl", state(a=pth.tensor(storage(elements=25_000_000), sizes=(25_000_000,), strides=(1,)))),
                   Entry("m/data/0", ZEROS, deflated=True)))
zipped("bomb_in_the_pickle", "more than the limit pickle_bytes=67108864", pth.archive(Entry("m/data.pkl", ZEROS, deflated=True)))
MANY = {f"t{i}": pth.tensor(storage(str(i), 2_500_000), sizes=(2_500_000,), strides=(1,)) for i in range(8)}
zipped("bomb_of_many_entries", "more than the limit zip_ratio=16",
       pth.archive(Entry("m/data.pkl", state(**MANY)), *[Entry(f"m/data/{i}", ZEROS[:10_000_000], deflated=True) for i in range(8)]))
FIRST = Entry("m/data.pkl", state(**MANY))
zipped("entries_that_overlap", "", pth.archive(
    FIRST, Entry("m/data/0", ZEROS[:10_000_000], deflated=True),
    *[Entry(f"m/data/{i}", ZEROS[:10_000_000], deflated=True, offset=len(FIRST.local_header()) + len(FIRST.packed)) for i in range(1, 8)]))
zipped("size_said_too_small", "zip entry", pth.archive(Entry("m/data.pkl", pth.STATE, deflated=True, size=10), Entry("m/data/0", bytes(24))))
zipped("size_said_too_large", "zip entry", pth.archive(Entry("m/data.pkl", pth.STATE, deflated=True, size=5000), Entry("m/data/0", bytes(24))))
zipped("size_said_huge", "more than the limit", pth.archive(Entry("m/data.pkl", pth.STATE, size=0xFFFFFFF0, packed_size=0xFFFFFFF0)))
zipped("packed_size_beyond", "zip entry", pth.archive(Entry("m/data.pkl", pth.STATE), Entry("m/data/0", bytes(24), packed_size=5000, size=5000)))
zipped("checksum_differs", "zip entry", pth.archive(Entry("m/data.pkl", pth.STATE, crc=1), Entry("m/data/0", bytes(24))))
zipped("checksum_of_a_storage_differs", "zip entry", pth.archive(Entry("m/data.pkl", pth.STATE), Entry("m/data/0", bytes(24), crc=1)))
zipped("method_unknown", "zip entry", pth.archive(Entry("m/data.pkl", pth.STATE, method=77), Entry("m/data/0", bytes(24))))
zipped("encrypted", "zip entry", pth.archive(Entry("m/data.pkl", pth.STATE, flags=1), Entry("m/data/0", bytes(24))))
zipped("deflate_stream_damaged", "zip entry", pth.archive(Entry("m/data.pkl", b"\xff" * 64, method=8, size=64), Entry("m/data/0", bytes(24))))
zipped("local_header_beyond", "", pth.archive(Entry("m/data.pkl", pth.STATE), Entry("m/data/0", bytes(24), offset=0x7FFFFFFF)))
zipped("directory_beyond", "zip archive cannot be read", pth.pth(directory_offset=0x7FFFFFFF))
zipped("count_too_large", "zip archive cannot be read", pth.pth(count=500))
zipped("too_many_entries", "zip entries: 2, more than the limit zip_entries=1", pth.pth(), limits="zip_entries=1")
zipped("cut_short", "zip archive cannot be read", pth.pth(cut=-30))
zipped("without_pickle", "without data.pkl", pth.archive(Entry("m/notes.txt", b"hello")))
zipped("pickle_three_folders_down", "without data.pkl", pth.archive(Entry("a/b/c/data.pkl", pth.STATE)))
zipped("name_leads_outside", "missing", pth.archive(Entry("../data.pkl", pth.STATE), Entry("m/data/0", bytes(24))))
zipped("program_inside", "TorchScript", pth.pth(more=[Entry("m/constants.pkl", pth.STATE)]))
zipped("big_endian", "byte order", pth.pth(more=[Entry("m/byteorder", b"big")]))


# ---- the format before 1.6 ----

def legacy(name, said, **parts):
    case("legacy_" + name, pth.legacy(**parts), said, "m.pth")


legacy("other_magic", "", magic=pth.MAGIC[:-3] + b"\x20\x19.")
legacy("other_protocol", "expected 1001", version=7)
legacy("facts_are_a_list", "expected a dict", facts=pickle(b"]"))
legacy("keys_are_a_dict", "expected a list", keys=pickle(b"}"))
legacy("key_unknown", "belongs to no tensor", keys=pickle(b"](" + text("9") + b"e"))
legacy("key_twice", "twice", keys=pickle(b"](" + text("0") * 2 + b"e"), storages=(struct.pack("<q", 6) + bytes(24)) * 2)
legacy("storage_count_differs", "has 7 elements, expected 6", storages=struct.pack("<q", 7) + bytes(28))
legacy("storage_count_negative", "has -6 elements", storages=struct.pack("<q", -6) + bytes(24))
legacy("storage_cut_short", "are left in the file", storages=struct.pack("<q", 6) + bytes(20))
legacy("storages_missing", "the file ends before its size", storages=b"")
legacy("executes", NOT_ON_THE_LIST, pickled=pickle(name_of("os", "system") + tuple_of(text("touch owned")) + b"R"))


# ---- safetensors ----

def safetensors(name, said, header, data=bytes(24), size=None, **more):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    case("safetensors_" + name, struct.pack("<Q", len(header) if size is None else size) + header + data, said,
         "m.safetensors", **more)


def entry(type="F32", shape=(2, 3), offsets=(0, 24)):
    return {"dtype": type, "shape": list(shape), "data_offsets": list(offsets)}


safetensors("header_beyond_the_file", "but the file has", {"a": entry()}, size=5000)
safetensors("header_beyond_the_limit", "more than the limit header_bytes=100000000", {"a": entry()}, size=1 << 40)
safetensors("header_limit_set", "more than the limit header_bytes=10", {"a": entry()}, limits="header_bytes=10")
safetensors("header_cut_short", "not valid JSON", b'{"a":{"dtype":"F32","shape":[2,3],"data_of')
safetensors("header_nested", "holds an array", b'{"a":{"dtype":"F32","shape":' + b"[" * 100_000)
safetensors("header_is_a_list", "looks like", b"[1, 2, 3]")
safetensors("name_twice", "stands there twice", b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2))
safetensors("name_of_control_characters", "printable ASCII", {"a\n\x1b[2J": entry()})
safetensors("name_too_long", "more than the limit name_bytes=4096", {"a" * 5000: entry()})
safetensors("too_many_tensors", "more than the limit tensors=2", {name: entry(shape=(0,), offsets=(0, 0)) for name in "abc"}, b"",
            limits="tensors=2")
safetensors("tensors_overlap", "it overlaps another tensor", {"a": entry(), "b": entry()})
safetensors("hole", "belong to no tensor", {"a": entry(offsets=(0, 24)), "b": entry(offsets=(32, 56))}, bytes(56))
safetensors("bytes_behind", "belong to no tensor", {"a": entry()}, bytes(25))
safetensors("offsets_reversed", "do not lie within", {"a": entry(offsets=(24, 0))})
safetensors("offsets_beyond", "do not lie within", {"a": entry(offsets=(0, 48), shape=(2, 6))})
safetensors("offsets_of_three", "more than 2 numbers", {"a": entry(offsets=(0, 24, 48))})
safetensors("offsets_negative", "a negative number", {"a": entry(offsets=(-24, 0))})
safetensors("offsets_beyond_64_bits", "no count", b'{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,36893488147419103232]}}')
safetensors("size_differs", "needs 7 x 4", {"a": entry(shape=(7,))})
safetensors("shape_overflows", "more elements than 64 bits", {"a": entry(shape=(1 << 40, 1 << 40))})
safetensors("bytes_overflow", "its bytes", {"a": entry(shape=(1 << 62,))})
safetensors("shape_negative", "a negative number", {"a": entry(shape=(-2, 3))})
safetensors("rank_beyond", "dimensions: 9, more than the limit rank=8", {"a": entry(shape=(1,) * 9)})
safetensors("type_unknown", "element type 'F8_E4M3'", {"a": entry("F8_E4M3")})
safetensors("field_missing", "lacks one of", {"a": {"dtype": "F32", "shape": [6]}})
safetensors("field_unknown", "unknown key", {"a": {**entry(), "code": "import os"}})
safetensors("metadata_of_numbers", "holds a number", {"__metadata__": {"a": 1}, "a": entry()})
safetensors("no_network", "no residual network", {"fc.weight": entry()})


# ---- the sidecar and the labels ----

def sidecar(name, said, content, **files):
    content = content if isinstance(content, (bytes, Link, Fifo)) else json.dumps(content).encode()
    case("sidecar_" + name, {"m.onnx": onnx.model(), "m.onnx.json": content, **{key.replace("__", "."): value for key, value in files.items()}}, said, "")


sidecar("cut_short", "not valid JSON", b'{"resize": 2')
sidecar("of_bytes", "not valid JSON", b"\xff\xfe\0\x80")
sidecar("is_a_list", "not a JSON object", [1])
sidecar("nested_lists", "more than the limit json_depth=64", b'{"mean": ' + b"[" * 500_000 + b"]" * 500_000 + b"}")
sidecar("nested_objects", "more than the limit json_depth=64", b'{"a":' * 100_000)
sidecar("too_long", "more than the limit sidecar_bytes=4194304", b" " * (5 << 20))
sidecar("link_outside", ", outside ", Link("../secret.bin"))
sidecar("size_zero", "input_size", {"input_size": 0})
sidecar("size_negative", "input_size", {"input_size": -1})
sidecar("size_huge", "input_size", {"input_size": 1 << 40})
sidecar("size_of_floats", "input_size", {"input_size": [1e300, 1]})
sidecar("resize_a_text", "resize", {"resize": "256"})
sidecar("deviation_zero", "std", {"std": [0, 1, 1]})
sidecar("deviation_beyond_floats", "std", {"std": [1e300, 1, 1]})
sidecar("mean_of_two", "mean", {"mean": [1, 2]})
sidecar("architecture_unknown", "resnet9000", {"arch": "resnet9000"})
CASES[-1].files["m.onnx"] = onnx.model()
sidecar("labels_outside", LEAVES, {"labels": "../secret.bin"})
sidecar("labels_absolute", "expected a relative file name", {"labels": "/etc/passwd"})
sidecar("labels_link_outside", ", outside ", {"labels": "names.txt"}, names__txt=Link("/etc/passwd"))
sidecar("labels_through_a_linked_folder", ", outside ", {"labels": "up/secret.bin"}, up=Link(".."))
sidecar("labels_are_a_pipe", "not a file that can be read", {"labels": "pipe"}, pipe=Fifo())
sidecar("labels_too_few", "1 labels for a network of 2 classes", {"labels": ["a"]})
sidecar("labels_of_numbers", "expected a text", {"labels": ["a", 7]})
sidecar("labels_file_empty", "holds no label", {"labels": "none.txt"}, none__txt=b"")


# ---- packed model files ----

def packed_case(name, said, content):
    case("packed_" + name, content, said, "m.residua")


def network(name, said, old, new):
    packed_case("text_" + name, said, packed.packed(packed.index(packed.NETWORK.replace(old, new))))


packed_case("cut_short", "its header says", packed.packed()[:-8])
packed_case("header_cut_short", "its header alone has", packed.packed()[:40])
packed_case("version_of_the_future", "pack the model again", packed.packed(version=99))
packed_case("header_checksum", "its checksum differs", packed.packed(header_checksum=1))
packed_case("index_damaged", "index is damaged", packed.packed().replace(b"global_average", b"global_bverage"))
packed_case("index_beyond", "the index claims", packed.packed(index_size=1 << 40))
packed_case("constant_beyond", "claims 24 bytes at byte 8192", packed.packed(packed.index(constants=[(8192, 24)])))
packed_case("constant_wraps", "claims", packed.packed(packed.index(constants=[(BIG * 4 - 64, 128)])))
packed_case("constant_not_aligned", "expected a multiple of 64", packed.packed(packed.index(constants=[(4097, 8)])))
packed_case("constant_count_huge", "the index asks for", packed.packed(packed.index(constant_count=BIG)))
packed_case("constant_of_other_size", "24", packed.packed(packed.index(constants=[(4096, 16)])))
packed_case("constant_missing", "has no data", packed.packed(packed.index(constants=[])))
packed_case("constant_too_many", "the network has 1 constants, the file 2", packed.packed(packed.index(constants=[(4096, 24)] * 2)))
packed_case("blob_of_no_constant", "there are 1", packed.packed(packed.index(blobs=[(7, "rows", 4096, 24)])))
packed_case("bytes_behind_the_index", "goes on behind", packed.packed(packed.index(more=b"12345678")))
network("operator_unknown", "unknown op 'evaluate'", "global_average_pool", "evaluate")
network("undefined_tensor", "no line above defines %9", "flatten(%2)", "flatten(%9)")
network("cycle", "", "flatten(%2)", "flatten(%3)")
network("tensor_twice", "is defined twice", "%3 \"f\"", "%2 \"f\"")
network("shape_differs", "", "float32 [N, 2]", "float32 [N, 5]")
network("shape_overflows", "", "[2, 3]", f"[{1 << 40}, {1 << 40}]")
network("number_out_of_range", "out of range", "%4", "%" + "9" * 40)
network("attribute_unknown", "has no attribute", "flatten(%2)", "flatten(%2) code=1")
network("list_without_end", "expected", "[2, 3]", "[2, 3")
network("quote_without_end", "", "\"p\"", "\"p")
network("no_output", "", "output %4\n", "")
network("no_graph", "expected the line 'graph", "graph \"g\"\n", "")
network("zero_bytes", "", "node", "no\0de")


# ---- .npy files ----

def npy(name, said, header="{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 8, 8), }", data=bytes(768), version=b"\1\0",
        size=None, magic=b"\x93NUMPY", **more):
    header = header.encode()
    length = struct.pack("<H" if version[0] == 1 else "<I", len(header) if size is None else size)
    CASES.append(Case("npy_" + name, {"m.onnx": onnx.model(), "x.npy": magic + version + length + header + data}, said,
                      INPUT_FAILED, "run", "x.npy", **more))


def shape(text):
    return f"{{'descr': '<f4', 'fortran_order': False, 'shape': {text}, }}"


npy("other_magic", "is not a .npy file", magic=b"\x93NUMPX")
npy("version_of_the_future", "format 9.0", version=b"\x09\0")
npy("header_beyond_the_file", "ends inside the header", size=60000)
npy("header_huge", "more than the limit array_header_bytes=65536", version=b"\2\0", size=0xFFFFFFFF)
npy("objects", "holds values of type '|O'", "{'descr': '|O', 'fortran_order': False, 'shape': (1, 3, 8, 8), }", b"cos\nsystem\n(S'touch owned'\ntR.")
npy("big_endian", "holds values of type '>f4'", "{'descr': '>f4', 'fortran_order': False, 'shape': (1, 3, 8, 8), }")
npy("structured", "structured type", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }")
npy("fortran_order", "Fortran order", "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 3, 8, 8), }")
npy("header_is_code", "malformed header", "__import__('os').system('touch owned')")
npy("shape_negative", "a size from 0", shape("(-1, 3, 8, 8)"))
npy("shape_overflows", "more than memory can hold", shape(f"({1 << 62}, 3, 8, 8)"))
npy("shape_claims_more", "is cut short", shape("(1000000000, 3, 8, 8)"))
npy("values_missing", "is cut short", data=bytes(700))
npy("values_too_many", "goes on behind its last value", data=bytes(800))
npy("key_twice", "stands twice", shape("(1, 3, 8, 8), 'shape': (2, 3, 8, 8)"))
npy("empty_batch", "", shape("(0, 3, 8, 8)"), b"")
npy("image_too_large", "", shape("(1, 3, 1, 40000)"), bytes(480000))


# ---- images ----

def image(name, said, content, code=INPUT_FAILED, ending="png", **more):
    CASES.append(Case("image_" + name, {"x." + ending: content}, said, code, "classify", "x." + ending, **more))


JPEG, PROGRESSIVE = images.golden("rgb.jpg"), images.golden("progressive.jpg")
LOSSY, LOSSLESS = images.golden("lossy.webp"), images.golden("lossless.webp")
PNG = images.golden("rgb8.png")
image("png_bomb", "more than the limit image_pixels=178956970", images.png(head=images.header(60000, 60000)))
image("png_of_the_largest_sides", "PNG", images.png(head=images.header((1 << 31) - 1, (1 << 31) - 1)))
image("png_of_no_pixels", "PNG", images.png(head=images.header(0, 4)))
image("png_claims_more_than_it_has", "premature end", images.png(head=images.header(10000, 10000)))
image("png_pixels_limit_set", "more than the limit image_pixels=10", images.png(), limits="image_pixels=10")
image("png_bytes_limit_set", "more than the limit image_bytes=50", images.png(), limits="image_bytes=50")
image("png_cut_short", "premature end", PNG[:len(PNG) // 2])
image("png_exif_beyond", "premature end", images.png(images.chunk(b"eXIf", b"MM\0*", length=0x5D000000)))
image("png_pixels_end_early", "PNG", images.png(pixels=images.chunk(b"IDAT", images.rows(height=2))))
image("png_pixels_missing", "PNG", images.png(pixels=b""))
image("png_chunk_checksum", "PNG", images.png(pixels=images.chunk(b"IDAT", images.rows(), crc=1)))
image("png_chunk_beyond", "PNG", images.png(pixels=images.chunk(b"IDAT", images.rows(), length=0x7FFFFFFF)))
image("png_stream_damaged", "PNG", images.png(pixels=images.chunk(b"IDAT", b"\xff" * 40)))
image("png_header_twice", "PNG", images.png(images.header()))
image("png_depth_unknown", "PNG", images.png(head=images.header(depth=7)))
image("png_palette_missing", "PNG", images.png(head=images.header(color=3)))
image("png_palette_index_beyond", "of a palette of", images.golden("bad_palette_index.png"))
image("png_text_bomb", "", images.png(images.chunk(b"zTXt", b"t\0\0" + __import__("zlib").compress(bytes(50_000_000)))), ALL_WELL)
image("png_profile_bomb", "", images.png(images.chunk(b"iCCP", b"t\0\0" + __import__("zlib").compress(bytes(50_000_000)))), ALL_WELL)
image("jpeg_bomb", "more than the limit image_pixels=178956970", images.with_size(JPEG, 65000, 65000), ending="jpg")
image("jpeg_claims_more_than_it_has", "JPEG", images.with_size(JPEG, 8000, 8000), ending="jpg")
image("jpeg_of_no_pixels", "JPEG", images.with_size(JPEG, 0, 0), ending="jpg")
image("jpeg_cut_short", "premature end", JPEG[:len(JPEG) * 2 // 3], ending="jpg")
image("jpeg_header_only", "JPEG", JPEG[:20], ending="jpg")
image("jpeg_progressive_cut_short", "premature end", PROGRESSIVE[:len(PROGRESSIVE) // 2], ending="jpg")
image("jpeg_scans_without_end", "more than the limit image_scans=500", images.many_scans(), ending="jpg")
image("jpeg_scans_limit_set", "more than the limit image_scans=3", PROGRESSIVE, ending="jpg", limits="image_scans=3")
image("jpeg_data_damaged", "JPEG", JPEG[:-60] + b"\xff\xd9\xff\xd0" * 10 + JPEG[-20:], ending="jpg")
image("webp_cut_short", "premature end", LOSSY[:len(LOSSY) // 2], ending="webp")
image("webp_lossless_cut_short", "premature end", LOSSLESS[:len(LOSSLESS) // 2], ending="webp")
image("webp_cut_short_but_says_so", "WebP", LOSSY[:4] + struct.pack("<I", len(LOSSY) // 2 - 8) + LOSSY[8:len(LOSSY) // 2], ending="webp")
image("webp_canvas_bomb", "", images.riff((b"VP8X", b"\0" * 4 + b"\xff\xff\xff" * 2)), ending="webp")
image("webp_chunk_beyond", "WebP", b"RIFF" + struct.pack("<I", 12) + b"WEBPVP8 " + b"\xff\xff\xff\xff", ending="webp")
image("webp_empty", "WebP", images.riff(), ending="webp")
image("webp_animation_without_frames", "WebP", images.riff((b"VP8X", b"\x02\0\0\0" + b"\x07\0\0" * 2), (b"ANIM", b"\0" * 6)), ending="webp")
image("empty", "the file is empty", b"")
image("of_another_format", "this is a GIF file", b"GIF89a" + bytes(20))
image("of_random_bytes", "not an image of a known format", bytes(range(100, 200)))


def turned(name, *arguments, **more):
    """Damaged EXIF is no reason to refuse the pixels: the image counts as upright."""
    image("exif_" + name, "", images.png(images.chunk(b"eXIf", images.exif(*arguments, **more))), ALL_WELL)


turned("directory_beyond", [], first=0x7FFFFFFF)
turned("directory_before_the_start", [], first=0xFFFFFFFF)
turned("count_beyond", [], count=65535)
turned("directory_of_itself", [(0x112, 3, 1, 99)])
turned("orientation_beyond", [(0x112, 3, 1, 60000)])
turned("orientation_of_a_text", [(0x112, 2, 1, 6)])
turned("orientation_of_many", [(0x112, 3, 0xFFFF, 6)], order=">")
