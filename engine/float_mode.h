// Our own floating-point mode, whatever the host's is.
#pragma once

#include <immintrin.h>

namespace residua::engine {

// While it lives, this thread rounds to nearest, takes denormal numbers (below 1.2e-38) for zero, as operands and as
// results, and traps nothing. Denormal numbers would make a run tens of times longer (bench/denormals.py), which is a
// file's to choose. Outputs do not depend on the host's settings, and those come back as they were, exception flags
// included.
class OurFloatMode {
 public:
  OurFloatMode() : host_(_mm_getcsr()) { _mm_setcsr(ours); }
  ~OurFloatMode() { _mm_setcsr(host_); }
  OurFloatMode(const OurFloatMode&) = delete;
  OurFloatMode& operator=(const OurFloatMode&) = delete;

 private:
  // Of MXCSR: all exceptions masked, flush to zero, denormals are zero.
  static constexpr unsigned ours = 0x1F80 | 0x8000 | 0x0040;
  unsigned host_;
};

}  // namespace residua::engine
