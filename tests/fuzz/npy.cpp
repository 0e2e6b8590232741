// .npy files.
#include "tools/npy.h"

#include <sstream>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  std::istringstream stream{std::string(fuzz::text_of(data, size))};
  try {
    const tool::NpyArray array = tool::read_npy(stream);
    std::size_t count = 1;
    for (const std::int64_t side : array.shape) count *= static_cast<std::size_t>(side);
    fuzz::require(count == array.values.size(), "shape and values differ");
    const std::string header = tool::npy_header(array.shape);
    fuzz::require(header.size() % 64 == 0, "a header of ours");
  } catch (const tool::NpyError&) {
  }
  return 0;
}
