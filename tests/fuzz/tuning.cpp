// The file that keeps measured times: the input is the file, whole. It is read, added to, and read again.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/tuning_cache.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  static const std::filesystem::path folder = [] {
    const std::filesystem::path made =
        std::filesystem::temp_directory_path() / ("residua-fuzz-" + std::to_string(getpid()));
    std::filesystem::create_directories(made);
    std::atexit([] { std::filesystem::remove_all(folder); });
    return made;
  }();
  engine::TuningCache empty(folder, "fuzz");
  std::ofstream(empty.file(), std::ios::binary)
      .write(static_cast<const char*>(static_cast<const void*>(data)), static_cast<std::streamsize>(size));
  engine::TuningCache cache(folder, "fuzz");
  cache.add("layer", {{"direct", 1.5}});
  if (size % 16 == 0) {  // writing waits for the disk
    cache.save();
    const engine::TuningCache again(folder, "fuzz");
    const bool foreign = again.find("layer") == nullptr;  // a file of another host or format is left alone
    fuzz::require(foreign || again.find("layer")->at("direct") == 1.5, "what was kept");
  }
  return 0;
}
