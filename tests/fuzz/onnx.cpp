// ONNX files, in a folder with files of external data and with links that lead out of it. Every other length goes the
// whole way, as a file whose content tells the format, the others straight to the importer, from which a wrong start
// would else keep them.
#include "tests/fuzz/folder.h"

namespace {

using namespace residua;

// What models may read, and what they may not.
void fill(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "a");
  for (const char* name : {"data.bin", "a/data.bin"}) fuzz::write_content(folder / name, std::string(24, '\0'));
  std::filesystem::create_symlink("/etc/hostname", folder / "link.bin");
  std::filesystem::create_symlink("..", folder / "up");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::lower_limits();
  static const fuzz::Folder folder;
  static const bool filled = (fill(folder.path()), true);
  static_cast<void>(filled);
  const auto model = size % 2 == 0
                         ? graph::import_file(fuzz::write_content(folder.path() / "m.onnx", fuzz::text_of(data, size)))
                         : graph::import_onnx(fuzz::file_of(data, size), folder.path());
  if (!model) return 0;
  for (const std::string& file : model->other_files) {
    fuzz::require(file.starts_with(folder.path().string() + "/"), "weights from " + file + ", outside the folder");
  }
  fuzz::examine(model->graph);
  return 0;
}
