#include "tools/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <utility>

#include "tools/report.h"

namespace residua::tool {
namespace {

// In pixels: A4 upright in 150 to an inch, which prints sharply.
constexpr int page_width = 1240, page_height = 1754, margin = 60, gap = 28;
constexpr int columns = 2, rows = 7, cells = columns * rows;
constexpr int header_height = 84;
constexpr int cell_width = (page_width - 2 * margin - (columns - 1) * gap) / columns;
constexpr int picture_width = ContactSheet::thumbnail_side, picture_height = picture_width, picture_gap = 4;
constexpr int cell_height = (page_height - 2 * margin - header_height) / rows;
constexpr int guesses_shown = 3;

// Dark on white. Bars are blue for the likeliest and gray for others: lighter, so that it shows without colour as well.
constexpr Color paper{255, 255, 255}, ink{24, 26, 30}, soft{96, 100, 108}, track{232, 232, 230}, likeliest{11, 98, 164},
    other{150, 156, 164}, backdrop{240, 240, 238};

void fill(Image& image, int left, int top, int width, int height, Color color) {
  for (int y = std::max(top, 0); y < std::min(top + height, image.height); ++y)
    for (int x = std::max(left, 0); x < std::min(left + width, image.width); ++x) {
      std::uint8_t* pixel =
          image.rgb.data() +
          (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x)) * 3;
      pixel[0] = color.red;
      pixel[1] = color.green;
      pixel[2] = color.blue;
    }
}

// "tabby" of "tabby, tabby cat": there is little room.
std::string first_name(std::string_view label) {
  const std::string_view first = label.substr(0, label.find(','));
  return printable(first.empty() ? label : first);
}

// In the middle of the place for a picture.
void paste(Image& page, const Image& picture, int left, int top) {
  left += (picture_width - picture.width) / 2;
  top += (picture_height - picture.height) / 2;
  const auto row = static_cast<std::size_t>(picture.width) * 3;
  for (int y = 0; y < picture.height; ++y)
    std::copy_n(picture.rgb.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(y) * row), row,
                page.rgb.begin() + (static_cast<std::ptrdiff_t>(top + y) * page.width + left) * 3);
}

}  // namespace

std::string page_path(const std::string& first, int page) {
  if (page == 1) return first;
  std::filesystem::path path(first);
  const std::string name = path.stem().string() + "-" + std::to_string(page) + path.extension().string();
  return path.replace_filename(name).string();
}

ContactSheet::ContactSheet(const Model& model, ContactSheetOptions options)
    : model_(model), options_(std::move(options)), large_(30), medium_(19), small_(15) {
  next_page_.emplace(OutputFile::with_folders(options_.path));
}

void ContactSheet::start_page() {
  page_ = Image{page_width, page_height, std::vector<std::uint8_t>(std::size_t{page_width} * page_height * 3)};
  fill(page_, 0, 0, page_width, page_height, paper);
  const int width = page_width - 2 * margin;
  large_.draw(page_, margin, margin + 26, large_.fitted(options_.title, width), ink);
  const std::string legend =
      !options_.shows_evidence ? "The likeliest classes of each photo."
      : options_.of_class ? "On the right: where the network sees the class named above. Light and yellow is evidence; "
                            "the line encloses the strongest; gray was not shown to it."
                          : "On the right: where the network sees its likeliest class. Light and yellow is evidence; "
                            "the line encloses the strongest; gray was not shown to it.";
  small_.draw(page_, margin, margin + 52, small_.fitted(legend, width), soft);
  on_page_ = 0;
  ++pages_;
}

void ContactSheet::draw_thumbnail(const Thumbnail& thumbnail, int left, int top) {
  paste(page_, thumbnail.photo, left, top);
  if (options_.shows_evidence) paste(page_, thumbnail.evidence, left + picture_width + picture_gap, top);
}

void ContactSheet::draw_guesses(const Outcome& outcome, int left, int top, int width) {
  int y = top;
  for (std::size_t i = 0; i < std::min<std::size_t>(outcome.guesses.size(), guesses_shown); ++i) {
    const Guess& guess = outcome.guesses[i];
    const auto label = model_.label(guess.index);
    const std::string name = label ? first_name(*label) : "class " + std::to_string(guess.index);
    const auto share = static_cast<double>(guess.probability);
    const std::string percent = fixed(100 * share, 1) + " %";
    const Font& font = i == 0 ? medium_ : small_;
    const int percent_width = font.width_of(percent);
    y += i == 0 ? 18 : 15;
    font.draw(page_, left, y, font.fitted(name, width - percent_width - 10), i == 0 ? ink : soft);
    font.draw(page_, left + width - percent_width, y, percent, i == 0 ? ink : soft);
    y += 7;
    fill(page_, left, y, width, 6, track);
    const double bounded = share > 0 ? std::min(share, 1.0) : 0.0;
    fill(page_, left, y, static_cast<int>(std::lround(bounded * width)), 6, i == 0 ? likeliest : other);
    y += i == 0 ? 20 : 16;
  }
}

void ContactSheet::add(const Outcome& outcome) {
  if (pages_ == 0 || on_page_ == cells) {
    if (pages_ > 0) write_page();
    start_page();
  }
  const int left = margin + on_page_ % columns * (cell_width + gap);
  const int top = margin + header_height + on_page_ / columns * cell_height;
  ++on_page_;
  const int beside = left + (options_.shows_evidence ? 2 : 1) * (picture_width + picture_gap) + 14;
  const int beside_width = left + cell_width - beside;
  const std::string name = printable(std::filesystem::path(outcome.path).filename().string());
  small_.draw(page_, left, top + picture_height + 20, small_.fitted(name, cell_width), soft);
  fill(page_, left, top, picture_width, picture_height, backdrop);
  if (options_.shows_evidence)
    fill(page_, left + picture_width + picture_gap, top, picture_width, picture_height, backdrop);
  if (outcome.thumbnail) draw_thumbnail(*outcome.thumbnail, left, top);
  if (!outcome.error.empty())
    small_.draw(page_, beside, top + 18, small_.fitted(printable(outcome.error), beside_width), ink);
  draw_guesses(outcome, beside, top, beside_width);
}

void ContactSheet::write_page() {
  // Only as long as it is full.
  const int used_rows = (on_page_ + columns - 1) / columns;
  if (pages_ == 1 && used_rows < rows) {
    page_.height = margin + header_height + used_rows * cell_height + margin / 2;
    page_.rgb.resize(static_cast<std::size_t>(page_.height) * page_width * 3);
  }
  if (!next_page_) next_page_.emplace(page_path(options_.path, pages_));
  next_page_->write(encode_png(page_));
  next_page_->finish();
  next_page_.reset();
}

int ContactSheet::finish() {
  if (pages_ > 0) write_page();
  return pages_;
}

}  // namespace residua::tool
