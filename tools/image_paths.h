// The images that a command line means.
#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace residua::tool {

// One image to look at, or one that cannot be.
struct ImageInput {
  std::string path;
  std::string error;  // empty: an image to try; else why there is none
};

// Each argument in order: a folder stands for the files under it, at any depth, with a known image suffix, sorted by
// path; "-" for the lines of `list`, each a file or a folder; anything else for itself. Links to folders inside a
// folder are not followed, so no loop can form. What does not exist, cannot be listed or holds no image yields an entry
// with an error.
std::vector<ImageInput> collect_images(std::span<const std::string> arguments, std::istream& list);

// .jpg, .jpeg, .jpe, .jfif, .png or .webp, in either case.
bool has_image_suffix(const std::string& path);

}  // namespace residua::tool
