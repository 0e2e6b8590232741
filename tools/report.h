// Numbers and tables for people, and numbers for JSON.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace residua::tool {

// A table with a gap of two blanks between columns and no trailing blanks. Columns of `alignment` 'r' are set to the
// right, others ('l') to the left. A row may have fewer cells than there are columns. The first row is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows, std::string_view alignment);

// "12.35", with that many digits behind the point.
std::string fixed(double value, int digits);

// A bar for a share 0 .. 1, always `width` columns wide. In eighths of a block where `blocks`, else in '#'.
std::string bar(double share, int width, bool blocks);

// Whether the environment's locale takes UTF-8.
bool locale_is_utf8();

// ASCII letters made small.
std::string lower_case(std::string_view text);

// Control characters replaced by '?', so that a name in a file cannot steer the terminal.
std::string printable(std::string_view text);

// The double whose shortest decimal form is that of `value` (0.61f becomes 0.61, not 0.61000001430511): for JSON.
double as_written(float value);

// Rounded to six significant digits: measurements carry no more. For JSON.
double rounded(double value);

// The nearest-rank percentile, `percent` 0 .. 100, of values sorted upwards; at least one.
double percentile(std::span<const double> sorted, double percent);

}  // namespace residua::tool
