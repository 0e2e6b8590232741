// Bytes from an http(s) address into a part file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "tools/part_file.h"

namespace residua::tool {

// Names the address, and says what went wrong there.
class TransferError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// How many bytes are there, and of how many where the server says so.
using TransferProgress = std::function<void(std::uint64_t done, std::optional<std::uint64_t> total)>;

// Fetches what is behind the part file's end, or all of it where the server cannot send a part. A connection that ends
// early is taken up again as long as bytes come. Throws TransferError, with what has come left in the file;
// OutputError.
void download(const std::string& address, PartFile& part, const TransferProgress& progress);

}  // namespace residua::tool
