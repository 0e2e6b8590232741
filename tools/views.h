// How an image is looked at: at which sizes, and which parts of it. What the network makes of the views is averaged.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "residua/residua.hpp"
#include "tools/image/image.h"

namespace residua::tool {

enum class Crops {
  center,      // what the model's own preprocessing leaves
  ten,         // the corners and the centre of the resized image, and of its mirror image (torchvision's TenCrop)
  ten_square,  // the same of its central square (Krizhevsky et al., 2012)
  whole,       // all of it, whatever its shape
};

struct ViewOptions {
  static constexpr int full = -1;  // a scale: the image as large as it is

  Crops crops = Crops::center;
  bool flip = false;           // each view mirrored as well
  std::vector<int> scales{0};  // what the shorter side is resized to; 0: the model's own size

  std::size_t views_an_image() const;
  bool at_full_size() const;
  // Whether images come to the network in sizes of their own.
  bool in_any_size() const { return crops == Crops::whole; }
};

// "224,256,full" to scales. Throws std::invalid_argument.
std::vector<int> parse_scales(const std::string& text);

// Refuses a model that cannot be run so: its crops are larger than a scale, or it takes no images of other sizes.
// Throws UsageError and ModelError; `name`: the model's, for the message.
void check_views(const ViewOptions& options, const Model& model, const std::string& name);

struct View {
  residua::Image image;
  int shorter_side;  // of the whole image, resized
};

// The views of one image, for one model.
struct Views {
  std::vector<Pixels> pixels;  // that the views are of, where they are not the photo's own
  std::vector<View> list;      // scale by scale
};

// The order is always the same. `photo` must live as long as what is returned. Throws ImageError where a crop is larger
// than the image, and Error where the image has more pixels than the limit resized_pixels. Thread-safe.
Views views_of(const Image& photo, const Model& model, const ModelInfo& info, const ViewOptions& options);

}  // namespace residua::tool
