// Text that goes into HTML.
#pragma once

#include <string>
#include <string_view>

namespace residua::tool {

// As the text of an element or the value of an attribute in double quotes: nothing in it is markup, and control
// characters are '?'.
std::string html_escaped(std::string_view text);

// The bytes of a file as a data: URI of that type ("image/jpeg").
std::string data_uri(std::string_view type, std::string_view bytes);

}  // namespace residua::tool
