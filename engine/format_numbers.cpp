#include "engine/format_numbers.h"

#include <iomanip>
#include <sstream>

namespace residua::engine {

std::string fixed(double value, int digits) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}

std::string megabytes(std::size_t bytes) { return fixed(static_cast<double>(bytes) / 1e6, 2) + " MB"; }

}  // namespace residua::engine
