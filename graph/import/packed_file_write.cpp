#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "graph/import/packed_file.h"
#include "graph/import/packed_file_bytes.h"
#include "graph/text.h"

namespace residua::graph {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::size_t large = 16 * page;  // pieces from this size on start a page

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

// Which constant of the file a piece of data is.
using Key = std::pair<const std::byte*, const std::vector<double>*>;
Key key_of(const ConstantData& data) { return {data.bytes.get(), data.row_scale.get()}; }

struct Piece {
  ConstantData data;
  std::uint64_t offset = 0;  // from where the pieces start
  std::uint64_t checksum = 0;
};

// Where every piece goes; equal memory goes there once.
class Pieces {
 public:
  std::size_t add(const ConstantData& data) {
    const auto [known, is_new] = known_.emplace(std::pair(data.bytes.get(), data.size), pieces_.size());
    if (!is_new) return known->second;
    Piece piece{data, rounded_up(end_, data.size >= large ? page : packed_alignment), checksum_of(data.span())};
    give_back_pages(data);
    end_ = piece.offset + data.size;
    pieces_.push_back(std::move(piece));
    return pieces_.size() - 1;
  }
  const Piece& operator[](std::size_t index) const { return pieces_[index]; }
  const std::vector<Piece>& all() const { return pieces_; }
  std::uint64_t end() const { return end_; }

 private:
  std::map<std::pair<const std::byte*, std::size_t>, std::size_t> known_;
  std::vector<Piece> pieces_;
  std::uint64_t end_ = 0;
};

struct Blob {
  std::uint64_t constant;
  std::string layout;
  std::size_t piece;
};

struct Contents {
  Pieces pieces;
  std::vector<Blob> blobs;
  std::vector<std::pair<std::size_t, const ConstantData*>> constants;  // piece and data
};

// Blobs stand first, as they are what a start reads.
Contents contents_of(const ImportedModel& model) {
  Contents contents;
  const std::vector<TensorId> order = constants_in_order(model.graph);
  std::map<Key, std::uint64_t> numbers;
  for (std::size_t i = 0; i < order.size(); ++i) numbers.emplace(key_of(model.graph.tensor(order[i]).constant), i);
  for (const PackedBlob& blob : model.packed) {
    const auto number = numbers.find(key_of(blob.constant));
    if (number == numbers.end()) continue;
    contents.blobs.push_back({number->second, blob.layout, contents.pieces.add(blob.bytes)});
  }
  for (const TensorId id : order) {
    const ConstantData& data = model.graph.tensor(id).constant;
    contents.constants.emplace_back(contents.pieces.add(data), &data);
  }
  return contents;
}

// `start`: where the first piece stands in the file.
IndexWriter index_of(const ImportedModel& model, const Contents& contents, std::uint64_t start) {
  IndexWriter index;
  for (const std::string* text : {&model.packed_for, &model.made_from, &model.format, &model.architecture})
    index.text(*text);
  index.number(model.metadata.size());
  for (const auto& [key, value] : model.metadata) {
    index.text(key);
    index.text(value);
  }
  index.text(to_text(model.graph, {.constant_values_up_to = 0, .digests = false}));
  const auto describe = [&](std::size_t number) {
    const Piece& piece = contents.pieces[number];
    index.number(start + piece.offset);
    index.number(piece.data.size);
    index.number(piece.checksum);
  };
  index.number(contents.constants.size());
  for (const auto& [piece, data] : contents.constants) {
    describe(piece);
    index.factors(data->row_scale ? std::span<const double>(*data->row_scale) : std::span<const double>());
  }
  index.number(contents.blobs.size());
  for (const Blob& blob : contents.blobs) {
    index.number(blob.constant);
    index.text(blob.layout);
    describe(blob.piece);
  }
  return index;
}

}  // namespace

std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u ^ bytes.size();
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 32;
  };
  const std::size_t whole = bytes.size() / sizeof(std::uint64_t) * sizeof(std::uint64_t);
  for (std::size_t i = 0; i < whole; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    mix(word);
  }
  if (whole < bytes.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + whole, bytes.size() - whole);
    mix(word);
  }
  return hash;
}

std::array<std::byte, packed_header_size> header_bytes(const PackedHeader& header) {
  std::array<std::byte, packed_header_size> bytes{};
  const auto put = [&bytes](std::size_t offset, const auto& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
  };
  std::memcpy(bytes.data(), packed_file_magic.data(), packed_file_magic.size());
  put(8, packed_file_version);
  put(16, header.file_size);
  put(24, header.index_size);
  put(32, header.index_checksum);
  put(56, checksum_of(std::span(bytes).first(56)));
  return bytes;
}

Status write_packed_file(const ImportedModel& model, const ByteSink& write) {
  const Contents contents = contents_of(model);
  // Offsets have a fixed width, so the index is as long whatever they are.
  const std::uint64_t index_size = index_of(model, contents, 0).bytes().size();
  const std::uint64_t start = rounded_up(packed_header_size + index_size, page);
  const IndexWriter index = index_of(model, contents, start);
  const PackedHeader header{start + contents.pieces.end(), index_size, checksum_of(index.bytes())};
  std::uint64_t position = 0;
  const auto put = [&](std::span<const std::byte> bytes) {
    position += bytes.size();
    return bytes.empty() ? Status() : write(bytes);
  };
  const auto fill_up_to = [&](std::uint64_t offset) {
    return put(std::vector<std::byte>(static_cast<std::size_t>(offset - position)));
  };
  RESIDUA_RETURN_IF_ERROR(put(header_bytes(header)));
  RESIDUA_RETURN_IF_ERROR(put(index.bytes()));
  RESIDUA_RETURN_IF_ERROR(fill_up_to(start));
  for (const Piece& piece : contents.pieces.all()) {
    RESIDUA_RETURN_IF_ERROR(fill_up_to(start + piece.offset));
    RESIDUA_RETURN_IF_ERROR(put(piece.data.span()));
    give_back_pages(piece.data);
  }
  return {};
}

}  // namespace residua::graph
