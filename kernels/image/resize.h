// Resizing 8-bit RGB images, equal bit for bit to Pillow's antialiased Image.resize, and torchvision's "shorter side to
// R, then centre crop" on top of it.
//
// A plan holds everything that depends on sizes only. Making one allocates; applying one does not, does not throw, and
// may be done by any number of threads at once with the same plan (each with its own scratch).
//
// Images are rows of R, G, B bytes; a stride is the distance between two rows in bytes, at least 3 x width. Sizes are
// 1 .. 2^31 - 1. Only the part of the resized image that a crop keeps is computed; its bytes are those of the whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace residua::kernels {

enum class Interpolation : std::uint8_t { bilinear, bicubic };

struct ImageSize {
  std::int64_t width = 0, height = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

struct ImageBox {
  std::int64_t left = 0, top = 0, width = 0, height = 0;
};

// Two neighbouring coefficients in fixed point, each low + 4096 * high, so that 16-bit multiply-adds give exact
// products.
struct ResizeCoefficients {
  std::int16_t low[2];
  std::int16_t high[2];
};

// One output column or row: `count` source columns or rows from `first` on, weighted by the pairs from `pair` on. Where
// count is odd the last pair's second coefficient is 0.
struct ResizeTaps {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::size_t pair = 0;
};

struct ResizeAxis {
  bool copied = false;            // same length before and after: taps and pairs are empty
  std::int64_t source_begin = 0;  // what the kept outputs read: [source_begin, source_end)
  std::int64_t source_end = 0;
  std::vector<ResizeTaps> taps;  // one per kept output
  std::vector<ResizeCoefficients> coefficients;
};

struct ResizePlan {
  ResizeAxis columns, rows;
  bool vertical_first = false;    // the order of the passes shows: there is rounding to 8 bits between them
  ImageSize output;               // of the kept box
  std::size_t scratch_bytes = 0;  // any alignment
};

// `kept` lies inside `resized` and is not empty.
ResizePlan make_resize_plan(ImageSize source, ImageSize resized, ImageBox kept, Interpolation interpolation);

// `source` has the plan's source size. `scratch` holds plan.scratch_bytes, `destination` the kept box; none overlap.
void resize_rgb8(const ResizePlan& plan, const std::uint8_t* source, std::size_t source_stride, std::uint8_t* scratch,
                 std::uint8_t* destination, std::size_t destination_stride) noexcept;

// torchvision's Resize(shorter): the shorter side becomes `shorter`, the longer one keeps the proportion, rounded down.
ImageSize resized_to_shorter_side(ImageSize source, std::int64_t shorter);

// Where torchvision's CenterCrop to `kept` of `length` >= kept begins: half of what is left over, and of two halves the
// even one.
std::int64_t center_begin(std::int64_t length, std::int64_t kept);

// Resize the shorter side to `shorter`, then torchvision's CenterCrop to `output`: an image smaller than that is
// centred on black.
struct PreprocessPlan {
  ResizePlan resize;
  ImageSize output;
  std::int64_t left = 0, top = 0;  // where the image stands in the output
  std::size_t scratch_bytes = 0;
};

PreprocessPlan make_preprocess_plan(ImageSize source, std::int64_t shorter, Interpolation interpolation,
                                    ImageSize output);

// `destination`: output.height x output.width x 3, dense.
void preprocess_rgb8(const PreprocessPlan& plan, const std::uint8_t* source, std::size_t source_stride,
                     std::uint8_t* scratch, std::uint8_t* destination) noexcept;

}  // namespace residua::kernels
