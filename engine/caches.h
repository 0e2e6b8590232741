// The CPU's data caches, for choosing how much work to keep in them.
#pragma once

#include <cstddef>

namespace residua::engine {

// Bytes as the system reports them; common values where it does not. The third level is what cores share.
struct Caches {
  std::size_t level1, level2, level3;
};

const Caches& caches();

}  // namespace residua::engine
