#include "engine/digest.h"

#include <nettle/sha2.h>

#include <array>

#include "graph/mapping.h"
#include "graph/text.h"

namespace residua::engine {

struct Sha256::State {
  sha256_ctx context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { sha256_init(&state_->context); }
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  sha256_update(&state_->context, bytes.size(),
                static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data())));
}

std::string Sha256::finish() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest{};
  sha256_digest(&state_->context, digest.size(), digest.data());
  std::string text;
  for (const std::uint8_t byte : digest) text += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

std::string sha256_of(std::span<const std::byte> bytes) {
  Sha256 sum;
  sum.add(bytes);
  return sum.finish();
}

std::string weights_digest(const graph::Graph& network) {
  Sha256 sum;
  for (const graph::TensorId id : graph::constants_in_order(network)) {
    const graph::Tensor& tensor = network.tensor(id);
    const std::string head = std::string(graph::name_of(tensor.type)) + " " + graph::to_string(tensor.shape) + "\n";
    sum.add(std::as_bytes(std::span(head)));
    sum.add(tensor.constant.span());
    if (tensor.constant.row_scale) sum.add(std::as_bytes(std::span(*tensor.constant.row_scale)));
    graph::give_back_pages(tensor.constant);
  }
  return sum.finish();
}

}  // namespace residua::engine
