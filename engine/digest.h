// SHA-256, of files and of a network's weights.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "graph/graph.h"

namespace residua::engine {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::byte> bytes);
  // 64 hexadecimal digits; nothing may be added afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_of(std::span<const std::byte> bytes);

// Of all constants, in the order in which the network's nodes read them: element type, shape and bytes of each, names
// not. So the same weights in another format have the same digest. Reads all of them, and gives mapped pages back.
std::string weights_digest(const graph::Graph& network);

}  // namespace residua::engine
