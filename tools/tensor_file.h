// Where the arrays of `residua run` go: one into a .npy file, any number into a .npz archive.
#pragma once

#include <zip.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/output_file.h"

namespace residua::tool {

// Files of float32 arrays in C order that grow together. What is written appears whole or not at all, with finish();
// until then an archive's arrays lie in files without a name in its folder, so that no memory has to hold them.
class TensorFile {
 public:
  struct Array {
    std::string name;                 // in an archive
    std::vector<std::int64_t> shape;  // of all that will be written
  };

  // Whether a path names an archive: it ends in ".npz".
  static bool is_archive(const std::string& path);

  // `arrays`: one, unless it is an archive. Finds at once whether the folder can be written. Throws OutputError, as the
  // others.
  TensorFile(const std::string& path, std::vector<Array> arrays);

  // The next values of array `index`.
  void write(std::size_t index, std::span<const float> values);
  void finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
    void operator()(zip_t* archive) const { zip_discard(archive); }
  };

  void write_bytes(std::size_t index, std::string_view bytes);
  [[noreturn]] void fail(const std::string& why) const;

  const std::string path_;
  const std::vector<Array> arrays_;
  std::optional<OutputFile> single_;                       // no archive
  std::vector<std::unique_ptr<std::FILE, Close>> pieces_;  // an archive's arrays
};

}  // namespace residua::tool
