#include <cstring>

#include "graph/import/name.h"
#include "graph/import/packed_file.h"
#include "graph/import/packed_file_bytes.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace residua::graph {
namespace {

Error malformed(std::string message) { return {ErrorCode::malformed, std::move(message)}; }

template <class Number>
Number number_at(const FileBytes& bytes, std::size_t offset) {
  Number value{};
  std::memcpy(&value, bytes.data.get() + offset, sizeof value);
  return value;
}

// The index's bytes.
Result<std::span<const std::byte>> check_header(const FileBytes& bytes) {
  if (bytes.size < packed_header_size) {
    return malformed("a packed model file of " + std::to_string(bytes.size) + " bytes, its header alone has " +
                     std::to_string(packed_header_size));
  }
  const auto version = number_at<std::uint32_t>(bytes, packed_file_magic.size());
  if (version != packed_file_version) {
    return Error{ErrorCode::unsupported, "version " + std::to_string(version) + " of the packed model file, expected " +
                                             std::to_string(packed_file_version) + ": pack the model again"};
  }
  const PackedHeader header{number_at<std::uint64_t>(bytes, 16), number_at<std::uint64_t>(bytes, 24),
                            number_at<std::uint64_t>(bytes, 32)};
  const auto expected = header_bytes(header);
  if (std::memcmp(bytes.data.get(), expected.data(), expected.size()) != 0)
    return malformed("the packed model file's header is damaged: its checksum differs");
  if (header.file_size != bytes.size) {
    return malformed("the packed model file has " + std::to_string(bytes.size) + " bytes, its header says " +
                     std::to_string(header.file_size));
  }
  if (header.index_size > bytes.size - packed_header_size) {
    return malformed("the index claims " + std::to_string(header.index_size) + " bytes, the file has " +
                     std::to_string(bytes.size - packed_header_size) + " behind its header");
  }
  const auto index = bytes.span().subspan(packed_header_size, header.index_size);
  if (checksum_of(index) != header.index_checksum)
    return malformed("the packed model file's index is damaged: its checksum differs");
  return index;
}

class Reader {
 public:
  Reader(const FileBytes& bytes, std::span<const std::byte> index, bool verify)
      : bytes_(bytes), index_(index), verify_(verify) {}

  Result<ImportedModel> read() {
    ImportedModel model;
    model.is_packed = true;
    RESIDUA_ASSIGN(model.packed_for, text());
    RESIDUA_ASSIGN(model.made_from, text());
    RESIDUA_ASSIGN(model.format, text());
    RESIDUA_ASSIGN(model.architecture, text());
    RESIDUA_ASSIGN(std::uint64_t left, index_.count(2 * sizeof(std::uint64_t)));
    for (; left > 0; --left) {
      RESIDUA_ASSIGN(std::string key, text());
      RESIDUA_ASSIGN(model.metadata[key], text());
    }
    RESIDUA_ASSIGN(const std::string_view network, index_.text());
    RESIDUA_RETURN_IF_ERROR(read_constants(model));
    RESIDUA_RETURN_IF_ERROR(read_blobs(model));
    if (!index_.at_end()) return malformed("the index goes on behind its last entry");
    RESIDUA_ASSIGN(model.graph, read_graph(network));
    return model;
  }

 private:
  Result<std::string> text() {
    RESIDUA_ASSIGN(const std::string_view value, index_.text());
    return std::string(value);
  }

  // An entry's offset, size and checksum. Small ones are compared in any case, large ones when they are first used.
  Result<ConstantData> piece(const std::string& what, std::uint64_t& checksum) {
    RESIDUA_ASSIGN(const std::uint64_t offset, index_.number());
    RESIDUA_ASSIGN(const std::uint64_t size, index_.number());
    RESIDUA_ASSIGN(checksum, index_.number());
    if (offset > bytes_.size || size > bytes_.size - offset || offset % packed_alignment != 0) {
      return malformed(what + " claims " + std::to_string(size) + " bytes at byte " + std::to_string(offset) +
                       ", expected a multiple of " + std::to_string(packed_alignment) + " and an end within the " +
                       std::to_string(bytes_.size) + " of the file");
    }
    ConstantData data = bytes_.piece(offset, size);
    if (verify_ || size <= packed_small_piece) {
      const bool intact = checksum_of(data.span()) == checksum;
      give_back_pages(data);
      if (!intact) return malformed(what + " at byte " + std::to_string(offset) + " is damaged: its checksum differs");
    }
    return data;
  }

  Status read_constants(ImportedModel& model) {
    RESIDUA_ASSIGN(const std::uint64_t count, index_.count(4 * sizeof(std::uint64_t)));
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t checksum = 0;
      RESIDUA_ASSIGN(ConstantData data, piece("constant " + std::to_string(i), checksum));
      model.checksums.push_back({data.bytes.get(), checksum});
      RESIDUA_ASSIGN(std::vector<double> factors, index_.factors());
      if (!factors.empty()) data.row_scale = std::make_shared<const std::vector<double>>(std::move(factors));
      constants_.push_back(std::move(data));
    }
    return {};
  }

  Status read_blobs(ImportedModel& model) {
    RESIDUA_ASSIGN(const std::uint64_t count, index_.count(5 * sizeof(std::uint64_t)));
    for (std::uint64_t i = 0; i < count; ++i) {
      RESIDUA_ASSIGN(const std::uint64_t constant, index_.number());
      RESIDUA_ASSIGN(std::string layout, text());
      const std::string what = "blob " + std::to_string(i) + " (" + in_quotes(layout) + ")";
      std::uint64_t checksum = 0;
      RESIDUA_ASSIGN(ConstantData data, piece(what, checksum));
      if (constant >= constants_.size()) {
        return malformed(what + " is of constant " + std::to_string(constant) + "; there are " +
                         std::to_string(constants_.size()));
      }
      model.packed.push_back({constants_[constant], std::move(layout), std::move(data), checksum});
    }
    return {};
  }

  Result<Graph> read_graph(std::string_view network) const {
    std::size_t used = 0;
    auto graph = parse_text(network, [&](std::size_t index, const Tensor& tensor) -> Result<ConstantData> {
      if (index >= constants_.size()) {
        return malformed("constant " + graph::quoted(tensor.name) + " has no data; the file holds " +
                         std::to_string(constants_.size()) + " constants");
      }
      used = index + 1;
      return constants_[index];
    });
    if (!graph) return Error{graph.error().code, "the network's text: " + graph.error().message};
    if (used != constants_.size()) {
      return malformed("the network has " + std::to_string(used) + " constants, the file " +
                       std::to_string(constants_.size()));
    }
    RESIDUA_RETURN_IF_ERROR(graph::verify(*graph));
    return graph;
  }

  const FileBytes& bytes_;
  IndexReader index_;
  const bool verify_;
  std::vector<ConstantData> constants_;
};

}  // namespace

Result<ImportedModel> read_packed_file(const FileBytes& bytes, bool verify) {
  RESIDUA_ASSIGN(const auto index, check_header(bytes));
  return Reader(bytes, index, verify).read();
}

}  // namespace residua::graph
