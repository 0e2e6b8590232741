// SHA-256 of what the tool compares and fetches.
#pragma once

#include <nettle/sha2.h>

#include <string>
#include <string_view>

namespace residua::tool {

class Sha256 {
 public:
  Sha256() { sha256_init(&state_); }
  void add(std::string_view bytes);
  // 64 hexadecimal digits of all that was added; starts anew.
  std::string finish();

 private:
  sha256_ctx state_{};
};

std::string sha256_of(std::string_view bytes);

}  // namespace residua::tool
