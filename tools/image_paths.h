// The images that a command line means.
#pragma once

#include <deque>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tools/line_reader.h"

namespace residua::tool {

// One image to look at, or one that cannot be.
struct ImageInput {
  std::string path;
  std::string error;  // empty: an image to try; else why there is none
};

// The images of each argument in order: a folder stands for the files under it, at any depth, with a known image
// suffix, sorted by path; "-" for the lines of a list, each a file or a folder; anything else for itself. Links to
// folders inside a folder are not followed, so no loop can form. What does not exist, cannot be listed or holds no
// image yields an entry with an error.
//
// A list is read as it comes and no further ahead than asked for, so it may be endless. For one thread at a time.
class ImagePaths {
 public:
  ImagePaths(std::vector<std::string> arguments, int list_descriptor);

  // How many images are known to come next: looks ahead at arguments, and at the list until `wanted` are known or the
  // next line would have to be waited for.
  std::size_t look_ahead(std::size_t wanted);
  // Whether none will come beyond those that are known.
  bool all_known() const { return !in_list_ && next_argument_ == arguments_.size(); }

  // Waits for the next image; nothing after the last, or when a stop is requested.
  std::optional<ImageInput> next(const std::stop_token& stop);

 private:
  // Takes up the next argument, or the next line. False where there is none, or none without waiting (no `stop`).
  bool advance(const std::stop_token* stop);

  const std::vector<std::string> arguments_;
  std::size_t next_argument_ = 0;
  bool in_list_ = false;  // the argument before is "-", and its list may have more
  LineReader list_;
  std::deque<ImageInput> ahead_;
};

// .jpg, .jpeg, .jpe, .jfif, .png or .webp, in either case.
bool has_image_suffix(const std::string& path);

}  // namespace residua::tool
