// Numbers in messages for people.
#pragma once

#include <cstddef>
#include <string>

namespace residua::engine {

// "12.35", with that many digits behind the point.
std::string fixed(double value, int digits);
// "9.44 MB", of a million bytes each.
std::string megabytes(std::size_t bytes);

}  // namespace residua::engine
