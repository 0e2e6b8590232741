// Where heat maps are written.
#pragma once

#include <string>
#include <vector>

namespace residua::tool {

// One PNG file for one image, or a folder in which each image's map stands under the image's own path:
//
//   --heatmap maps      photos/cat.jpg -> maps/photos/cat.jpg.png       /data/dog.jpg -> maps/data/dog.jpg.png
class HeatMapFiles {
 public:
  // `target` is a file where it ends in ".png". `arguments`: what is to be classified. Throws UsageError for a file
  // and more than one image, and for that image itself.
  HeatMapFiles(std::string target, const std::vector<std::string>& arguments);

  std::string path_for(const std::string& image) const;

 private:
  std::string target_;
  bool is_file_;
};

}  // namespace residua::tool
