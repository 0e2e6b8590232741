// Images of which it is known what they show.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace residua::tool {

struct LabelledImage {
  std::string name;  // as the list names it; unique
  std::string path;
  std::int32_t truth;  // the class
};

struct LabelledImages {
  std::vector<LabelledImage> images;
  std::string source;  // the labels file, or the folder of folders
  // One a class: the model's label, else what the list calls it, else "class 17".
  std::vector<std::string> class_names;
};

// A line an image: file (in `folder`), class (its number from 0 on, or its label), and a name of the class where there
// is one; with tabs between them, or file and class with a blank. A first line that names no image and no class is a
// heading. Throws UsageError with file and line.
LabelledImages read_labels_file(const std::string& file, const std::string& folder,
                                const std::vector<std::string>& labels);

// A folder for each class, with its images at any depth, hidden ones aside: the folders' names are labels (blanks may
// be underscores) or numbers; where not one of them is and there are as many as classes, they are the classes in the
// order of their names, as torchvision's ImageFolder takes them. Throws UsageError.
LabelledImages read_class_folders(const std::string& folder, const std::vector<std::string>& labels);

// The size of its file; none where that is not to be had.
std::optional<std::uint64_t> bytes_of(const LabelledImage& image);

// Of names and classes of all images, in order.
std::string digest_of(const LabelledImages& set);

}  // namespace residua::tool
