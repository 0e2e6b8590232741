// What `residua run` gives a network: the images of a .npy file, or image files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "residua/residua.hpp"

namespace residua::tool {

// Images that are run together.
struct RunBatch {
  Input input;
  std::vector<std::uint8_t> pixels;  // that it points to, of image files
  struct Failure {
    std::int64_t image;  // within the batch
    std::string complaint;
  };
  std::vector<Failure> failures;  // images that there are not
};

struct RunInputs {
  std::string name;  // for complaints
  std::int64_t count = 0;
  std::int32_t height = 0, width = 0;
  // Images [first, first + size). From any thread, one call at a time.
  std::function<RunBatch(std::int64_t first, std::int32_t size)> take;
};

// float32 [N, channels, height, width], normalised as the network was trained. Throws NpyError, which names the file.
RunInputs array_inputs(const std::string& path, std::int32_t channels);

// Images, folders of them, or - for a list on standard input, as `residua classify` takes them; each resized and
// cropped as the model does it, which outlives what is returned. Waits for the end of a list.
RunInputs image_inputs(const std::vector<std::string>& arguments, const Model& model);

}  // namespace residua::tool
