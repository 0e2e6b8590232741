// What planning and applying a resize agree on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace residua::kernels {

inline constexpr int resize_precision = 22;  // fraction bits of a coefficient: 32 - 8 bits of pixel - 2 of headroom
inline constexpr int resize_split = 12;      // a coefficient is low + (high << resize_split)
inline constexpr std::int64_t resize_staged_rows = 4;  // source rows that the horizontal pass takes together

// The horizontal pass reads 4 bytes a pixel, and one pixel beyond the last where a tap count is odd: it works on copies
// of the rows, which have room for that.
inline constexpr std::size_t resize_staged_stride(std::size_t source_columns) { return 3 * source_columns + 8; }
inline constexpr std::size_t resize_staging_bytes(std::size_t source_columns) {
  return static_cast<std::size_t>(resize_staged_rows) * resize_staged_stride(source_columns);
}

}  // namespace residua::kernels
