// Checkpoints: how their parts must fit together.
#include <doctest/doctest.h>
#include <zip.h>

#include "tests/graph/import/weight_files.h"

namespace residua::tests {
namespace {

using namespace graph;
using namespace tests::pickle;

const std::vector<float> ramp{0, 1, 2, 3, 4, 5, 6, 7};

// A legacy file with one tensor "t" over the 8 floats 0 to 7.
Result<WeightFile> read_tensor(TensorPickle description) {
  description.elements = 8;
  return read_pth_legacy(file_of(legacy_file(dictionary({{"t", tensor(description)}}), {{"0", 8, floats(ramp)}})));
}

Result<WeightFile> read_object(std::string_view object) {
  return read_pth_legacy(file_of(legacy_file(object, {{"0", 4, floats({1, 2, 3, 4})}})));
}

struct ZipEntry {
  std::string name;
  std::string content;
  bool deflate = false;
};

std::string zip_of(const std::vector<ZipEntry>& entries) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  REQUIRE(target);
  zip_source_keep(target);
  zip_t* archive = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  REQUIRE(archive);
  for (const ZipEntry& entry : entries) {
    zip_source_t* source = zip_source_buffer(archive, entry.content.data(), entry.content.size(), 0);
    const zip_int64_t index = zip_file_add(archive, entry.name.c_str(), source, 0);
    REQUIRE(index >= 0);
    const zip_int32_t method = entry.deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE;
    REQUIRE(zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0) == 0);
  }
  REQUIRE(zip_close(archive) == 0);
  REQUIRE(zip_source_open(target) == 0);
  zip_stat_t facts;
  REQUIRE(zip_source_stat(target, &facts) == 0);
  std::string bytes(facts.size, '\0');
  REQUIRE(zip_source_read(target, bytes.data(), bytes.size()) == static_cast<zip_int64_t>(bytes.size()));
  zip_source_close(target);
  zip_source_free(target);
  zip_error_fini(&error);
  return bytes;
}

Result<WeightFile> read_zip(const std::vector<ZipEntry>& entries) { return read_pth_zip(file_of(zip_of(entries))); }

const std::string one_tensor = whole(dictionary({{"t", tensor({})}}));

TEST_CASE("pth: views are made dense") {
  const auto values = [](const TensorPickle& description) {
    const auto file = read_tensor(description);
    REQUIRE_MESSAGE(file.ok(), message_of(file));
    CHECK(file->tensors.at("t").shape == Shape(description.sizes.begin(), description.sizes.end()));
    return read_floats(file->tensors.at("t"));
  };
  using Floats = std::vector<float>;
  CHECK(values({.sizes = {2, 4}, .strides = {4, 1}}) == Floats{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(values({.sizes = {4, 2}, .strides = {1, 4}}) == Floats{0, 4, 1, 5, 2, 6, 3, 7});
  CHECK(values({.offset = 1, .sizes = {2, 2}, .strides = {4, 2}}) == Floats{1, 3, 5, 7});
  CHECK(values({.offset = 7, .sizes = {1, 1}, .strides = {99, 99}}) == Floats{7});
  CHECK(values({.offset = 3, .sizes = {3}, .strides = {0}}) == Floats{3, 3, 3});
  CHECK(values({.offset = 5, .sizes = {}, .strides = {}}) == Floats{5});
  CHECK(values({.offset = 9, .sizes = {2, 0}, .strides = {5, 1}}).empty());
  CHECK(values({.offset = 1, .sizes = {2}, .strides = {1}, .view = tuple({text("v"), integer(2), integer(4)})}) ==
        Floats{3, 4});
}

TEST_CASE("pth: views stay within their storage") {
  CHECK_FAILS(read_tensor({.sizes = {9}}), malformed,
              "tensor 't': a view of shape [9], strides [1], offset 0 leaves its storage of 8 elements");
  CHECK_FAILS(read_tensor({.offset = 1, .sizes = {8}}), malformed, "leaves its storage");
  CHECK_FAILS(read_tensor({.sizes = {2, 2}, .strides = {7, 2}}), malformed, "leaves its storage");
  CHECK_FAILS(read_tensor({.offset = 2147483647, .sizes = {1}}), malformed, "leaves its storage");
  CHECK_FAILS(read_tensor({.sizes = {2147483647, 2147483647}, .strides = {2147483647, 2147483647}}), malformed,
              "leaves its storage");
  CHECK_FAILS(read_tensor({.offset = 3, .sizes = {2}, .view = tuple({text("v"), integer(2), integer(4)})}), malformed,
              "leaves its storage of 4 elements");
  CHECK_FAILS(read_tensor({.view = tuple({text("v"), integer(5), integer(4)})}), malformed,
              "lies outside storage '0' of 8");
  CHECK_FAILS(read_tensor({.offset = -1}), malformed, "its offset is the integer -1, expected a count");
  CHECK_FAILS(read_tensor({.sizes = {-1}}), malformed, "one of its sizes is the integer -1");
  CHECK_FAILS(read_tensor({.sizes = {2}, .strides = {-1}}), malformed, "one of its strides is the integer -1");
  CHECK_FAILS(read_tensor({.sizes = {2, 2}, .strides = {1}}), malformed, "2 sizes and 1 strides");
  CHECK_FAILS(read_tensor({.sizes = std::vector<std::int32_t>(17, 1), .strides = std::vector<std::int32_t>(17, 1)}),
              limit, "dimensions: 17, more than the limit rank=8");
  CHECK_FAILS(read_tensor({.sizes = {100000, 100000}, .strides = {0, 0}}), limit,
              "more than the limit conversion_ratio=16");
  const auto huge = read_tensor({.sizes = {2147483647, 2147483647, 2147483647}, .strides = {0, 0, 0}});
  CHECK_FALSE(huge.ok());
}

TEST_CASE("pth: storages have the size that tensors say") {
  const auto with = [](const std::vector<LegacyStorage>& storages) {
    return read_pth_legacy(file_of(legacy_file(dictionary({{"t", tensor({})}}), storages)));
  };
  const std::string data = floats({1, 2, 3, 4});
  CHECK(with({{"0", 4, data}}).ok());
  CHECK_FAILS(with({}), malformed, "tensor 't': storage '0' is not in the file");
  CHECK_FAILS(with({{"0", 5, data}}), malformed, "has 5 elements, expected 4");
  CHECK_FAILS(with({{"0", -1, data}}), malformed, "has -1 elements, expected 4");
  CHECK_FAILS(with({{"0", 4, data.substr(1)}}), malformed, "needs 16 bytes, 15 are left");
  CHECK_FAILS(with({{"0", 4, data}, {"1", 4, data}}), malformed, "storage '1' belongs to no tensor");
  CHECK_FAILS(with({{"0", 4, data}, {"0", 4, data}}), malformed, "stands there twice");
  CHECK_FAILS(read_object(dictionary({{"t", tensor({})}, {"u", tensor({.storage_class = "DoubleStorage"})}})),
              malformed, "storage '0' is once 4 x float32, once 4 x float64");
  CHECK_FAILS(read_object(dictionary({{"t", tensor({.elements = -4})}})), malformed,
              "the size of storage '0' is the integer -4");
}

TEST_CASE("pth: the state dict is found, and must be one") {
  const auto name_of_only = [](std::string_view object) {
    const auto file = read_object(object);
    REQUIRE_MESSAGE(file.ok(), message_of(file));
    REQUIRE(file->tensors.size() == 1);
    return file->tensors.begin()->first;
  };
  const std::string state = dictionary({{"t", tensor({})}});
  const std::string numpy_scalar = global("numpy.core.multiarray", "scalar") +
                                   tuple({global("numpy", "dtype") + tuple({text("f8"), "\x89", "\x88"}) + "R" +
                                              tuple({"K\x03", text("<"), "N", "N", "N", integer(0)}) + "b",
                                          "C\x08"
                                          "12345678"}) +
                                   "R";
  CHECK(name_of_only(state) == "t");
  CHECK(name_of_only(dictionary({{"epoch", "K\x07"}, {"state_dict", state}, {"best", numpy_scalar}})) == "t");
  CHECK(name_of_only(dictionary({{"model", dictionary({{"state_dict", state}})}})) == "t");
  CHECK(name_of_only(dictionary(
            {{"p", global("torch._utils", "_rebuild_parameter") + tuple({tensor({}), "\x88", "N"}) + "R"}})) == "p");
  CHECK(name_of_only(dictionary({{"state_dict", state},
                                 {"args", global("argparse", "Namespace") + ")\x81" + dictionary({{"lr", "N"}}) + "b"},
                                 {"sizes", global("torch", "Size") + tuple({tuple({integer(2)})}) + "R"}})) == "t");
  CHECK_FAILS(read_object(dictionary({{"t", tensor({})}, {"t", tensor({})}})), malformed,
              "tensor 't' stands there twice");
  CHECK_FAILS(read_object("](" + tensor({}) + "e"), malformed, "the file holds a list, expected a dict of tensors");
  CHECK_FAILS(read_object(dictionary({{"epoch", "K\x07"}})), malformed, "holds no named tensors, but the text 'epoch'");
  CHECK_FAILS(read_object("}"), malformed, "holds no named tensors, but nothing");
  CHECK_FAILS(read_object("}(K\x01" + tensor({}) + "u"), malformed, "a tensor's name is the integer 1");
  CHECK_FAILS(read_object(dictionary({{"t\x1b", tensor({})}})), malformed, "the tensor name 't?'");
  CHECK_FAILS(
      read_object(dictionary({{"state_dict", state}, {"hook", global("os", "system") + tuple({text("true")}) + "R"}})),
      unsupported, "'os.system'");
  CHECK_FAILS(read_object(dictionary({{"t", global("torch._utils", "_rebuild_tensor_v2") + ")R"}})), malformed,
              "fewer than 4 arguments");
}

TEST_CASE("pth: a storage must be named as PyTorch names it") {
  const auto with = [](const std::string& persistent) {
    return read_object(
        dictionary({{"t", global("torch._utils", "_rebuild_tensor_v2") +
                              tuple({persistent, integer(0), tuple({integer(4)}), tuple({integer(1)})}) + "R"}}));
  };
  const std::string type = global("torch", "FloatStorage");
  CHECK(with(tuple({text("storage"), type, text("0"), text("cpu"), integer(4)}) + "Q").ok());
  CHECK_FAILS(with("N"), malformed, "its storage is None");
  CHECK_FAILS(with("NQ"), malformed, "not the tuple of 5 or 6");
  CHECK_FAILS(with(tuple({text("module"), type, text("0"), text("cpu"), integer(4)}) + "Q"), malformed,
              "of the text 'module'");
  CHECK_FAILS(with(tuple({text("storage"), text("x"), text("0"), text("cpu"), integer(4)}) + "Q"), malformed,
              "class is the text 'x'");
  CHECK_FAILS(
      with(tuple({text("storage"), global("collections", "OrderedDict"), text("0"), text("cpu"), integer(4)}) + "Q"),
      malformed, "class is the global 'OrderedDict'");
  CHECK_FAILS(with(tuple({text("storage"), type, "K\x01", text("cpu"), integer(4)}) + "Q"), malformed,
              "key is the integer 1");
  const std::string enormous = "\x8a\x08" + raw(INT64_MAX);
  CHECK_FAILS(with(tuple({text("storage"), type, text("0"), text("cpu"), enormous}) + "Q"), malformed,
              "claims 9223372036854775807 elements");
}

TEST_CASE("pth: the start of a legacy file") {
  const std::string magic = whole(std::string_view("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12));
  const auto read = [](const std::string& bytes) { return read_pth_legacy(file_of(bytes)); };
  CHECK_FAILS(read(whole("K\x01")), malformed, "magic number is missing");
  CHECK_FAILS(read(magic + whole("M\xe8\x03")), unsupported, "protocol is the integer 1000, expected 1001");
  CHECK_FAILS(read(magic + whole("M\xe9\x03") + whole("]")), malformed, "facts about the writer are a list");
  CHECK_FAILS(read(magic + whole("M\xe9\x03") + whole(dictionary({{"little_endian", "\x89"}}))), unsupported,
              "big-endian");
}

TEST_CASE("pth: zip archives, stored and deflated") {
  const std::string data = floats({1, 2, 3, 4});
  for (const bool deflate : {false, true}) {
    const auto file =
        read_zip({{"a/data.pkl", one_tensor, deflate}, {"a/byteorder", "little"}, {"a/data/0", data, deflate}});
    REQUIRE_MESSAGE(file.ok(), message_of(file));
    CHECK(read_floats(file->tensors.at("t")) == std::vector<float>{1, 2, 3, 4});
  }
}

TEST_CASE("pth: what a zip archive stores as it is stays in the file") {
  const std::string data = floats({1, 2, 3, 4});
  for (const bool deflate : {false, true}) {
    const FileBytes bytes =
        file_of(zip_of({{"a/data.pkl", one_tensor, deflate}, {"a/byteorder", "little"}, {"a/data/0", data, deflate}}));
    const auto file = read_pth_zip(bytes);
    REQUIRE_MESSAGE(file.ok(), message_of(file));
    const std::byte* values = file->tensors.at("t").constant.bytes.get();
    CHECK((values >= bytes.data.get() && values < bytes.data.get() + bytes.size) == !deflate);
  }
  // Longer than what is looked at at a time, with damage near the end.
  const std::vector<float> many(50000, 0.5F);
  const std::string longer = whole(dictionary({{"t", tensor({.elements = 50000, .sizes = {50000}})}}));
  std::string archive = zip_of({{"a/data.pkl", longer}, {"a/data/0", floats(many)}});
  const FileBytes bytes = file_of(archive);
  const auto file = read_pth_zip(bytes);
  REQUIRE_MESSAGE(file.ok(), message_of(file));
  CHECK(read_floats(file->tensors.at("t")) == many);
  const std::size_t place = archive.find(floats({0.5F, 0.5F, 0.5F}));
  archive[place + 190000] ^= 1;
  CHECK_FAILS(read_pth_zip(file_of(archive)), malformed, "zip entry 'a/data/0': CRC error");
}

TEST_CASE("pth: zip archives that do not fit") {
  const std::string data = floats({1, 2, 3, 4});
  CHECK_FAILS(read_zip({{"x.npy", data}}), malformed, "a zip archive of 1 files, the first 'x.npy', without data.pkl");
  CHECK_FAILS(read_zip({{"a/b/c/data.pkl", one_tensor}}), malformed, "without data.pkl");
  CHECK_FAILS(read_zip({{"a/data.pkl", one_tensor}}), malformed, "tensor 't': zip entry 'a/data/0' is missing");
  CHECK_FAILS(read_zip({{"a/data.pkl", one_tensor}, {"a/data/0", data + "x"}}), malformed,
              "storage '0' has 17 bytes, expected 4 x float32 = 16");
  CHECK_FAILS(read_zip({{"a/data.pkl", one_tensor}, {"a/data/0", data}, {"a/byteorder", "big"}}), unsupported,
              "byte order is 'big'");
  CHECK_FAILS(read_zip({{"a/data.pkl", one_tensor}, {"a/constants.pkl", one_tensor}}), unsupported, "TorchScript");
  CHECK_FAILS(read_zip({{"a/data.pkl",
                         "\x80\x02"
                         "cos\nsystem\n."}}),
              unsupported, "'os.system'");
  CHECK_FAILS(read_zip({{"a/data.pkl", one_tensor}, {"a/data/0", std::string(100'000'000, '\0'), true}}), limit,
              "more than the limit zip_ratio=16");
  std::string damaged = zip_of({{"a/data.pkl", one_tensor}, {"a/data/0", data}});
  const std::size_t place = damaged.find(data);
  REQUIRE(place != std::string::npos);
  damaged[place + 2] = static_cast<char>(damaged[place + 2] ^ 1);
  CHECK_FAILS(read_pth_zip(file_of(damaged)), malformed, "zip entry 'a/data/0': CRC error");
  CHECK_FAILS(read_pth_zip(file_of("PK\3\4 and no more")), malformed, "the zip archive cannot be read");
}

}  // namespace
}  // namespace residua::tests
