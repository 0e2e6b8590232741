// Where results go: standard output, or a file that appears whole or not at all.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace residua::tool {

// Names the file, and says what the system said.
class OutputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The reader of our standard output has gone: there is nobody left to tell.
class ReaderGone : public std::exception {};

// A file is written beside its final place and moved there by finish(); until then, and after a failure, an interrupt
// or an exception, whatever stood at that path stands there still. A path that exists and is no regular file
// (/dev/null, a pipe) is written directly. Each thread may have its own; move-only.
class OutputFile {
 public:
  // Creates the file's temporary stand-in, and so finds at once whether the folder can be written. Throws OutputError.
  explicit OutputFile(const std::string& path);
  // The same, and makes the folders on the way. Throws OutputError.
  static OutputFile with_folders(const std::string& path);
  static OutputFile standard_output();

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  // Buffered. Throws OutputError (a full disk), or ReaderGone.
  void write(std::string_view bytes);
  void flush();
  // Flushes, checks that everything arrived, and gives the file its name. Nothing may be written after it.
  void finish();

  // Standard output is a terminal.
  bool is_terminal() const;

 private:
  OutputFile() = default;
  [[noreturn]] void fail(const char* what, int error_number) const;

  int descriptor_ = -1;
  std::string name_;       // for messages
  std::string target_;     // final path; empty: written directly
  std::string temporary_;  // path of the stand-in; empty: none, or moved already
  int pending_ = -1;       // of those that a signal has to remove
  std::string buffer_;
};

// Whether two paths are one file, or would be once it is written. Empty ones and devices (/dev/null) are not.
bool is_same_file(const std::string& a, const std::string& b);

// Makes sure that descriptors 0 to 2 are open, so that no file of ours takes the place of a closed standard stream and
// receives what was meant for it, and that a reader who goes away is an error and not a signal. Called once, first.
void guard_standard_streams();

// Model files are mapped: where one is cut short under our hands, the kernel sends SIGBUS. The tool then says so,
// removes what it has not finished and ends as for any model that can't be used. Called once.
void guard_mapped_files();

}  // namespace residua::tool
