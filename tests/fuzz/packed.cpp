// Packed model files: the input is what stands behind the header, which is made to fit. The first byte says where the
// index ends.
#include <algorithm>
#include <vector>

#include "graph/import/packed_file.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  fuzz::lower_limits();
  if (size == 0) return 0;
  const auto body = std::as_bytes(std::span(data + 1, size - 1));
  const std::size_t index_size = body.size() - std::min<std::size_t>(body.size(), std::size_t{data[0]} * 8);
  const graph::PackedHeader header{graph::packed_header_size + body.size(), index_size,
                                   graph::checksum_of(body.first(index_size))};
  const auto head = graph::header_bytes(header);
  std::vector<std::uint8_t> file(head.size() + body.size());
  std::memcpy(file.data(), head.data(), head.size());
  if (!body.empty()) std::memcpy(file.data() + head.size(), body.data(), body.size());
  for (const bool verify : {false, true}) {
    const auto model = graph::read_packed_file(fuzz::file_of(file.data(), file.size()), verify);
    if (model) fuzz::examine(model->graph);
  }
  return 0;
}
