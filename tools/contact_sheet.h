// Contact sheets: photos with what a model sees in them, on pages that can be printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "residua/residua.hpp"
#include "tools/font.h"
#include "tools/image/image.h"
#include "tools/outcome.h"
#include "tools/output_file.h"

namespace residua::tool {

struct ContactSheetOptions {
  std::string path;                      // of the first page: "seen.png"; others are "seen-2.png", ...
  std::string title;                     // what is at the top of each page
  bool shows_evidence = true;            // not for networks whose scores belong to no place
  std::optional<std::int32_t> of_class;  // whose evidence it is; none: the likeliest of each image
};

// Takes outcomes, with thumbnails, one by one and writes a page when it is full, so that a long list needs no more
// memory than a short one. For one thread.
class ContactSheet {
 public:
  static constexpr int thumbnail_side = 170;  // in pixels

  // Throws std::runtime_error; OutputError where the first page cannot be written.
  ContactSheet(const Model& model, ContactSheetOptions options);

  // An image that failed has a place too, which says why. Throws OutputError where a page cannot be written.
  void add(const Outcome& outcome);
  // Writes what has not been yet, and returns how many pages there are.
  int finish();

 private:
  void draw_thumbnail(const Thumbnail& thumbnail, int left, int top);
  void draw_guesses(const Outcome& outcome, int left, int top, int width);
  void start_page();
  void write_page();

  const Model& model_;
  const ContactSheetOptions options_;
  const Font large_, medium_, small_;
  std::optional<OutputFile> next_page_;  // the first from the start on: whether it can be written is known then
  Image page_;
  int on_page_ = 0;
  int pages_ = 0;
};

// "seen.png" and 2: "seen-2.png".
std::string page_path(const std::string& first, int page);

}  // namespace residua::tool
