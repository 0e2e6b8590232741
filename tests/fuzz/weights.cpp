// Weight files: RESIDUA_FUZZ_READER is the reader of one format.
#include "graph/import/weights_model.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  fuzz::lower_limits();
  auto file = graph::RESIDUA_FUZZ_READER(fuzz::file_of(data, size));
  if (!file) return 0;
  for (const auto& [name, tensor] : file->tensors) {
    const auto count = graph::element_count(tensor.shape);
    fuzz::require(count.ok() && tensor.constant.size == static_cast<std::size_t>(*count) * graph::size_of(tensor.type),
                  "tensor " + name + " does not fit its bytes");
    std::uint8_t sum = 0;
    for (const std::byte byte : tensor.constant.span()) sum ^= std::to_integer<std::uint8_t>(byte);
    asm volatile("" : : "r"(sum));  // or nothing would be read
  }
  const auto model = graph::model_of_weights(std::move(*file), "fuzz", {});
  if (model) fuzz::examine(model->graph);
  return 0;
}
