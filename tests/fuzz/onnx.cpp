// ONNX files, in a folder with files of external data and with links that lead out of it.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/fuzz/fuzz.h"

namespace {

namespace fs = std::filesystem;

// The model's folder: a temporary one, removed at the end.
class Folder {
 public:
  Folder() : path_(fs::canonical(fs::temp_directory_path()) / ("residua-fuzz-onnx-" + std::to_string(::getpid()))) {
    fs::create_directories(path_ / "a");
    for (const char* name : {"data.bin", "a/data.bin"}) std::ofstream(path_ / name) << std::string(24, '\0');
    fs::create_symlink("/etc/hostname", path_ / "link.bin");
    fs::create_symlink("..", path_ / "up");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace residua;
  fuzz::lower_limits();
  static const Folder folder;
  const auto model = graph::import_onnx(fuzz::file_of(data, size), folder.path());
  if (!model) return 0;
  for (const std::string& file : model->other_files) {
    fuzz::require(file.starts_with(folder.path().string() + "/"), "weights from " + file + ", outside the folder");
  }
  fuzz::examine(model->graph);
  return 0;
}
