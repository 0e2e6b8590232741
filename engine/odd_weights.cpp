#include "engine/odd_weights.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "engine/log.h"
#include "graph/mapping.h"
#include "graph/text.h"

namespace residua::engine {
namespace {

constexpr std::uint32_t exponent_bits = 0x7F800000;
constexpr std::size_t piece_elements = 4096;  // looked at at a time; the compiler makes vectors of the inner loop

std::uint32_t bits_at(std::span<const std::byte> floats, std::size_t index) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, floats.data() + index * sizeof bits, sizeof bits);
  return bits;
}

bool is_odd(std::uint32_t bits) { return (bits & exponent_bits) == exponent_bits; }

struct OddValues {
  std::size_t count = 0, first = 0;
};

OddValues odd_values(std::span<const std::byte> floats) {
  OddValues found;
  const std::size_t elements = floats.size() / sizeof(std::uint32_t);
  for (std::size_t begin = 0; begin < elements; begin += piece_elements) {
    const std::size_t end = std::min(begin + piece_elements, elements);
    std::uint32_t odd = 0;
    for (std::size_t i = begin; i < end; ++i) odd += is_odd(bits_at(floats, i)) ? 1 : 0;
    if (odd > 0 && found.count == 0)
      for (found.first = begin; !is_odd(bits_at(floats, found.first));) ++found.first;
    found.count += odd;
  }
  return found;
}

}  // namespace

void report_odd_weights(const std::string& model, const graph::Graph& network) {
  for (const graph::TensorId id : graph::constants_in_order(network)) {
    const graph::Tensor& tensor = network.tensor(id);
    if (tensor.type != graph::ElementType::float32) continue;
    const OddValues odd = odd_values(tensor.constant.span());
    graph::give_back_pages(tensor.constant);
    if (odd.count > 0)
      log(model + ": weight " + graph::quoted(tensor.name) + " holds " + std::to_string(odd.count) +
          " infinities or NaN, the first one as its value " + std::to_string(odd.first));
  }
}

}  // namespace residua::engine
