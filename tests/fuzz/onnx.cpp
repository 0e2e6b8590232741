// ONNX files.
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  residua::fuzz::lower_limits();
  const auto model = residua::graph::import_onnx(residua::fuzz::file_of(data, size), {});
  if (model) residua::fuzz::examine(model->graph);
  return 0;
}
