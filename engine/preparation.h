// Images of any sizes become equal ones: resized and cropped as the model's card says.
#pragma once

#include <functional>
#include <vector>

#include "engine/arena.h"
#include "engine/images.h"
#include "engine/threads.h"

namespace residua::engine {

// The memory for it, kept from run to run. One call at a time.
class Preparer {
 public:
  // Resizes and crops the images of `input` (Preparation::full, RGB), one a part of a phase that `run` runs on at most
  // `workers` workers. Bytes give bytes, by Pillow's arithmetic; floats give floats, by the same filter without
  // rounding. What is returned lives here until the next call. `before_image` is called before each image; what it
  // throws ends the call.
  Input prepare(const Input& input, const ModelCard& card, int workers, const std::function<void(const Phase&)>& run,
                const std::function<void()>& before_image);
  std::size_t bytes() const;

 private:
  Block prepared_;
  std::vector<Block> scratch_;  // one a worker
};

}  // namespace residua::engine
