// What is in a photo?  ./classify MODEL PHOTO.png
//   c++ -std=c++20 classify.cpp -o classify $(pkg-config --cflags --libs residua libpng)
#include <png.h>

#include <iostream>
#include <residua/residua.hpp>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: classify MODEL PHOTO.png");
  const residua::Model model = residua::Model::load(argv[1]);

  png_image photo{};
  photo.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_file(&photo, argv[2])) throw std::runtime_error(photo.message);
  photo.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(photo));
  if (!png_image_finish_read(&photo, nullptr, pixels.data(), 0, nullptr)) throw std::runtime_error(photo.message);

  const residua::Input input{.data = pixels.data(),
                             .height = static_cast<std::int32_t>(photo.height),
                             .width = static_cast<std::int32_t>(photo.width),
                             .preparation = RESIDUA_PREPARE};  // resizes, crops and normalises
  const std::vector<float> probabilities = model.run(input, "probabilities");
  for (const std::int32_t index : residua::top_k(probabilities, 5)) {
    std::cout << argv[2] << ": class " << index << ", " << model.label(index).value_or("no name") << ", "
              << 100 * probabilities[static_cast<std::size_t>(index)] << " %\n";
  }
} catch (const std::exception& error) {
  std::cerr << "classify: " << error.what() << "\n";
  return 1;
}
