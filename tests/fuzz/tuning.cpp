// The file that keeps measured times: the input is the file, whole. It is read, added to, and read again.
#include "engine/tuning_cache.h"
#include "tests/fuzz/folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  static const fuzz::Folder made;
  const std::filesystem::path& folder = made.path();
  const engine::TuningCache empty(folder, "fuzz");
  fuzz::write_content(empty.file(), fuzz::text_of(data, size));
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
