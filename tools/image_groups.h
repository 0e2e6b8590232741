// The images of a command line, cut into groups for workers.
#pragma once

#include <atomic>
#include <cstddef>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tools/image_paths.h"

namespace residua::tool {

// A batch each as long as there are many; fewer towards the end, so that all workers end together; and fewer where a
// list is slow to come, so that its first images need not wait for more. Files that are known are always cut alike.
class ImageGroups {
 public:
  struct Source {
    std::vector<std::string> arguments;
    int list_descriptor;
  };

  // `threads` and `batch`: at least 1.
  ImageGroups(Source source, std::size_t threads, std::size_t batch);

  // How many can be kept busy: one a thread, or one an image where those are fewer.
  std::size_t workers() const { return workers_; }
  // The next group, of 1 to `batch` images; none at the end, or when a stop is requested. For one thread at a time.
  std::vector<ImageInput> take(const std::stop_token& stop);
  // How many images there are in all, once that is known. For any thread.
  std::optional<std::size_t> total() const;

 private:
  static constexpr std::size_t unknown = std::numeric_limits<std::size_t>::max();

  // How many images are known to come, as far as that matters.
  std::size_t look_ahead();

  ImagePaths paths_;
  const std::size_t batch_;
  std::size_t workers_;
  // A single image in a list of many would need its own plan and packed weights: the last groups are of two or three.
  std::size_t least_;
  std::size_t taken_ = 0;
  std::atomic<std::size_t> total_{unknown};
};

}  // namespace residua::tool
