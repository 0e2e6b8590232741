#include "tools/html.h"

#include <nettle/base64.h>

#include <cstdint>

#include "tools/report.h"

namespace residua::tool {

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (const char letter : printable(text)) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

std::string data_uri(std::string_view type, std::string_view bytes) {
  std::string encoded(BASE64_ENCODE_RAW_LENGTH(bytes.size()), '\0');
  base64_encode_raw(encoded.data(), bytes.size(),
                    static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data())));
  return "data:" + std::string(type) + ";base64," + encoded;
}

}  // namespace residua::tool
