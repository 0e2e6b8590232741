// The text form of a graph.
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  fuzz::lower_limits();
  auto network = graph::parse_text(std::string(fuzz::text_of(data, size)));
  if (!network) return 0;
  static_cast<void>(graph::to_text(*network));
  if (network->inputs.empty()) return 0;
  const auto inferred = graph::infer_shapes(*network);
  if (inferred && graph::verify(*inferred).ok()) fuzz::examine(*inferred);
  if (graph::verify(*network).ok()) fuzz::examine(*network);
  return 0;
}
