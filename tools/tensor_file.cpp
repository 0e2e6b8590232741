#include "tools/tensor_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tools/npy.h"
#include "tools/report.h"

namespace residua::tool {
namespace {

constexpr std::time_t no_time = 315'532'800;  // the first of zip's calendar: equal runs give equal files

std::string system_text(int error_number) { return std::generic_category().message(error_number); }

std::string_view bytes_of(std::span<const float> values) {
  return {static_cast<const char*>(static_cast<const void*>(values.data())), values.size_bytes()};
}

}  // namespace

bool TensorFile::is_archive(const std::string& path) {
  return lower_case(std::filesystem::path(path).extension().string()) == ".npz";
}

TensorFile::TensorFile(const std::string& path, std::vector<Array> arrays) : path_(path), arrays_(std::move(arrays)) {
  if (!is_archive(path)) {
    single_.emplace(path);
  } else {
    struct stat existing {};
    if (stat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode)) fail("an archive has to be a regular file");
    const std::string pattern = (std::filesystem::path(path).parent_path() / ".residua-XXXXXX").string();
    for (std::size_t i = 0; i < arrays_.size(); ++i) {
      std::string name = pattern;
      const int descriptor = mkostemp(name.data(), O_CLOEXEC);
      if (descriptor < 0) fail(system_text(errno));
      unlink(name.c_str());
      pieces_.emplace_back(fdopen(descriptor, "w+b"));
      if (!pieces_.back()) fail(system_text(errno));
    }
  }
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    const std::string header = npy_header(arrays_[i].shape);
    write_bytes(i, header);
  }
}

void TensorFile::fail(const std::string& why) const { throw OutputError(path_ + ": cannot be written: " + why); }

void TensorFile::write_bytes(std::size_t index, std::string_view bytes) {
  if (single_) {
    single_->write(bytes);
  } else if (std::fwrite(bytes.data(), 1, bytes.size(), pieces_[index].get()) != bytes.size()) {
    fail(system_text(errno));
  }
}

void TensorFile::write(std::size_t index, std::span<const float> values) { write_bytes(index, bytes_of(values)); }

void TensorFile::finish() {
  if (single_) {
    single_->finish();
    return;
  }
  int code = 0;
  std::unique_ptr<zip_t, Close> opened(zip_open(path_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (!opened) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    fail(text);
  }
  zip_t* const archive = opened.get();
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    // libzip reads from where the file stands.
    if (std::fseek(pieces_[i].get(), 0, SEEK_SET) != 0) fail(system_text(errno));
    zip_source_t* const source = zip_source_filep(archive, pieces_[i].get(), 0, -1);
    if (source == nullptr) fail(zip_strerror(archive));
    static_cast<void>(pieces_[i].release());  // the source's now
    const zip_int64_t entry = zip_file_add(archive, (arrays_[i].name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (entry < 0) {
      zip_source_free(source);
      fail(zip_strerror(archive));
    }
    // Stored, as numpy.savez does it: activations hardly shrink.
    const auto place = static_cast<zip_uint64_t>(entry);
    if (zip_set_file_compression(archive, place, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_mtime(archive, place, no_time, 0) != 0)
      fail(zip_strerror(archive));
  }
  // Writes beside the path, then renames.
  if (zip_close(archive) != 0) fail(zip_strerror(archive));
  static_cast<void>(opened.release());
}

}  // namespace residua::tool
