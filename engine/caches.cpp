#include "engine/caches.h"

#include <unistd.h>

namespace residua::engine {
namespace {

std::size_t reported(int name, std::size_t otherwise) {
  const long bytes = sysconf(name);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : otherwise;
}

}  // namespace

const Caches& caches() {
  static const Caches sizes{reported(_SC_LEVEL1_DCACHE_SIZE, 32 << 10), reported(_SC_LEVEL2_CACHE_SIZE, 1 << 20),
                            reported(_SC_LEVEL3_CACHE_SIZE, 16 << 20)};
  return sizes;
}

}  // namespace residua::engine
