// Pickles and the tensors in them, without the zip archive whose checksums keep a fuzzer out. Storages hold what is
// asked for, up to a bound, or another size.
#include "graph/import/pickle.h"
#include "graph/import/pth_state.h"
#include "graph/import/pth_tensors.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  fuzz::lower_limits();
  const graph::FileBytes file = fuzz::file_of(data, size);
  std::size_t position = 0;
  const auto object = graph::read_pickle(file.span(), position);
  fuzz::require(position <= size, "the reader is beyond the end");
  if (!object) return 0;
  const auto tensors = graph::tensors_of(*object);
  static_cast<void>(graph::storages_of(*object));
  if (!tensors) return 0;
  const auto made = graph::make_tensors(*tensors, [&](const graph::StorageReference& storage) {
    constexpr std::int64_t most = 10000;
    const auto elements = static_cast<std::size_t>(std::min(storage.elements, most));
    const std::string bytes(elements * graph::size_of(storage.type), '\1');
    const graph::FileBytes held =
        fuzz::file_of(static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data())), bytes.size());
    return graph::Result<graph::ConstantData>(held.piece(0, bytes.size()));
  });
  if (!made) return 0;
  for (const auto& [name, tensor] : made->tensors) {
    const auto count = graph::element_count(tensor.shape);
    fuzz::require(count.ok() && tensor.constant.size == static_cast<std::size_t>(*count) * graph::size_of(tensor.type),
                  "tensor " + name + " does not fit its bytes");
  }
  return 0;
}
