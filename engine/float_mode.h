// Our own floating-point mode, whatever the host's is.
#pragma once

#include <immintrin.h>

namespace residua::engine {

// While it lives, this thread rounds to nearest, keeps denormal numbers (they are float32) and traps nothing: what a
// thread starts with. Outputs then do not depend on the host's settings, and those come back as they were, exception
// flags included.
class OurFloatMode {
 public:
  OurFloatMode() : host_(_mm_getcsr()) { _mm_setcsr(initial); }
  ~OurFloatMode() { _mm_setcsr(host_); }
  OurFloatMode(const OurFloatMode&) = delete;
  OurFloatMode& operator=(const OurFloatMode&) = delete;

 private:
  static constexpr unsigned initial = 0x1F80;  // of MXCSR: all exceptions masked, every other bit 0
  unsigned host_;
};

}  // namespace residua::engine
