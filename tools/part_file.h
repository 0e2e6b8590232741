// A file that grows beside its final place, in this process or in another one that was ended.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace residua::tool {

// FILE.part: holds what has come so far, and is renamed to FILE once it is whole. It is locked while it is open, so of
// two processes that want the same file one fetches it, and the other waits and finds it there.
class PartFile {
 public:
  // Makes folders on the way. Where another process has it open, calls `wait` once and waits for that. Throws
  // OutputError.
  PartFile(const std::filesystem::path& final_path, const std::function<void()>& wait);
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile();

  // The file was put in place by another process; nothing may be written.
  bool is_there() const { return descriptor_ < 0; }
  std::uint64_t size() const { return size_; }
  // At the end. Throws OutputError.
  void write(std::string_view bytes);
  // Back to 0 bytes. Throws OutputError.
  void start_over();
  // Gives it its name. Throws OutputError.
  void finish();
  // Removes it: its bytes are wrong.
  void discard();
  const std::filesystem::path& path() const { return part_; }

 private:
  bool try_lock(const std::function<void()>& wait, bool& waited);
  [[noreturn]] void fail(const char* what) const;

  const std::filesystem::path final_;
  const std::filesystem::path part_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace residua::tool
