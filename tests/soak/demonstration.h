// The demonstration model on its golden images, through the C++ interface: what the programs of this folder run.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <memory>
#include <residua/residua.hpp>
#include <span>
#include <string>
#include <vector>

#include "tests/api/golden.h"

namespace residua::tests {

inline Model load_demonstration() {
  static const std::string path = golden_path("models/resnet20-cifar10.safetensors");  // its buffer is all threads'
  return Model::load(path);
}

inline std::span<const float> demonstration_images(int images) {
  static const std::unique_ptr<golden> values = [] {
    auto read = std::make_unique<golden>();
    golden_read(read.get());
    return read;
  }();
  return {&values->nchw[0][0][0], static_cast<std::size_t>(images) * GOLDEN_PIXELS * 3};
}

// Logits of the first `images` images, 1 to 8.
inline std::vector<float> run_demonstration(Context& context, int images) {
  return context.run(demonstration_images(images), {.batch = images});
}

}  // namespace residua::tests
