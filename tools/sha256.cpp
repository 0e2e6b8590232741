#include "tools/sha256.h"

#include <nettle/base16.h>

#include <array>
#include <cstdint>

namespace residua::tool {

void Sha256::add(std::string_view bytes) {
  sha256_update(&state_, bytes.size(), static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data())));
}

std::string Sha256::finish() {
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest{};
  sha256_digest(&state_, digest.size(), digest.data());
  std::string text(BASE16_ENCODE_LENGTH(digest.size()), '0');
  base16_encode_update(text.data(), digest.size(), digest.data());
  return text;
}

std::string sha256_of(std::string_view bytes) {
  Sha256 sum;
  sum.add(bytes);
  return sum.finish();
}

}  // namespace residua::tool
