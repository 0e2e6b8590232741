// Our own floating-point mode, whatever the host's is.
#pragma once

#include <immintrin.h>

namespace residua::engine {

// While it lives, this thread rounds to nearest, keeps denormal numbers and traps nothing: what a thread starts with.
// Outputs then do not depend on the host's settings (flush-to-zero, another rounding), and those come back as they
// were, exception flags included. Denormal numbers are kept because they are float32: what flushing them would save was
// not measurable on residual networks, whose activations are zero or far above 1e-38.
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
