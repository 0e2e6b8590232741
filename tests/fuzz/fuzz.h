// What the fuzzers share. Each is one function that takes bytes; whatever these are, an answer or an error must come of
// them, without a fault of memory, and soon.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "graph/import/import.h"
#include "graph/infer.h"
#include "graph/input_limits.h"
#include "graph/pipeline.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace residua::fuzz {

// Ends the run where a promise is broken.
inline void require(bool condition, const std::string& message) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: broken: %s\n", message.c_str());
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {static_cast<const char*>(static_cast<const void*>(data)), size};
}

// A copy that ends where the bytes end, so that reading on is seen.
inline graph::FileBytes file_of(const std::uint8_t* data, std::size_t size) {
  const std::shared_ptr<std::byte[]> copy(new std::byte[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  return {std::shared_ptr<const std::byte>(copy, copy.get()), size};
}

// A path to these bytes, until the next call.
inline std::filesystem::path held_in_file(std::span<const std::uint8_t> bytes) {
  static const int file = ::memfd_create("residua-fuzz", MFD_CLOEXEC);
  const auto written = ::pwrite(file, bytes.data(), bytes.size(), 0);
  require(written == static_cast<ssize_t>(bytes.size()) && ::ftruncate(file, written) == 0, "no file in memory");
  return "/proc/self/fd/" + std::to_string(file);
}

// An input of a few kilobytes has no use for more.
inline void lower_limits() {
  static const bool done = [] {
    const graph::Status status = graph::set_limits(
        "nodes=2000,tensors=4000,pickle_values=100000,pickle_instructions=1000000,pickle_bytes=4000000,"
        "tensor_elements=1000000,random_elements=1000000,arena_bytes=50000000");
    require(status.ok(), "limits");
    return true;
  }();
  static_cast<void>(done);
}

// What a load does with a graph that was read: it is verified, optimised, and written as a text that means the same.
inline void examine(const graph::Graph& network) {
  require(graph::verify(network).ok(), "an imported graph is not verified");
  const auto optimized = graph::optimize(network);
  if (!optimized) return;
  const std::string text = graph::to_text(*optimized, {.constant_values_up_to = SIZE_MAX, .digests = false});
  const auto again = graph::parse_text(text);
  require(again.ok(), "the text of a graph cannot be read: " + (again ? "" : again.error().message) + "\n" + text);
  require(graph::to_text(*again, {.constant_values_up_to = SIZE_MAX, .digests = false}) == text,
          "another text:\n" + text);
  const graph::Shape& input = optimized->tensor(optimized->inputs.at(0)).shape;
  if (input.size() != 4 || !graph::is_static(input[1])) return;
  static_cast<void>(graph::with_input_shape(*optimized, {1, input[1], 32, 32}));
}

}  // namespace residua::fuzz
