#include "python/images.h"

#include <memory>
#include <string>

namespace nb = nanobind;

namespace residua::python {
namespace {

using Array = nb::ndarray<nb::ro>;

std::string shape_text(const Array& array) {
  std::string text = "[";
  for (std::size_t i = 0; i < array.ndim(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
  return text + "]";
}

// "float64", "int8"
std::string dtype_text(const nb::dlpack::dtype& type) {
  const auto code = static_cast<nb::dlpack::dtype_code>(type.code);
  const std::string bits = std::to_string(type.bits);
  if (code == nb::dlpack::dtype_code::Float) return "float" + bits;
  if (code == nb::dlpack::dtype_code::Int) return "int" + bits;
  if (code == nb::dlpack::dtype_code::UInt) return "uint" + bits;
  return "type code " + std::to_string(type.code) + ", " + bits + " bits";
}

nb::builtin_exception type_error(const std::string& message) { return nb::type_error(message.c_str()); }

[[noreturn]] void refuse(const std::string& message) { throw Error(RESIDUA_INVALID_ARGUMENT, message); }

[[noreturn]] void refuse_type(nb::handle found, const char* what, const char* expected) {
  throw type_error(std::string(what) + ": " + nb::type_name(found.type()).c_str() + " given, " + expected);
}

std::int32_t size_of(std::size_t size) {
  if (size > INT32_MAX) refuse("a size of " + std::to_string(size) + ": at most " + std::to_string(INT32_MAX));
  return static_cast<std::int32_t>(size);
}

// The array as it is where its rows lie one after the other; else the copy that its own library makes of it.
Array dense(nb::handle object, const char* what, const char* expected) {
  Array array;
  if (!nb::try_cast(object, array, false)) refuse_type(object, what, expected);
  if (array.device_type() != nb::device::cpu::value) {
    throw type_error(std::string(what) + " on device type " + std::to_string(array.device_type()) +
                     ": memory of the CPU expected (for a tensor: .cpu())");
  }
  nb::ndarray<nb::ro, nb::c_contig> contiguous;
  if (!nb::try_cast(object, contiguous, true)) refuse_type(object, what, expected);
  return Array(contiguous);
}

}  // namespace

Images images_of(nb::handle object, const ModelInfo& info) {
  constexpr const char* expected =
      "an array expected: numpy's, or a tensor on the CPU that needs no gradient (for a tensor: .detach().cpu())";
  Images images;
  images.owner = dense(object, "images", expected);
  const Array& array = images.owner;

  images.is_float = array.dtype() == nb::dtype<float>();
  if (!images.is_float && array.dtype() != nb::dtype<std::uint8_t>()) {
    throw type_error(
        "images: " + dtype_text(array.dtype()) +
        " given, float32 [batch, channels, height, width], normalised, or uint8 [batch, height, width, 3], RGB, "
        "expected");
  }
  const std::string channels = std::to_string(images.is_float ? info.channels : 3);
  const std::string wanted =
      images.is_float ? "[batch, " + channels + ", height, width]" : "[batch, height, width, " + channels + "]";
  const std::size_t first = array.ndim() == 3 ? 0 : 1;  // of an image's own dimensions
  if (array.ndim() != 3 && array.ndim() != 4) {
    refuse("images of shape " + shape_text(array) + ": " + wanted + " expected");
  }
  const std::size_t channel_dimension = images.is_float ? first : first + 2;
  if (std::to_string(array.shape(channel_dimension)) != channels) {
    refuse("images of shape " + shape_text(array) + ": " + wanted + " expected for " +
           (images.is_float ? "float32" : "uint8"));
  }
  images.shape.batch = first == 0 ? 1 : size_of(array.shape(0));
  images.shape.height = size_of(array.shape(images.is_float ? first + 1 : first));
  images.shape.width = size_of(array.shape(images.is_float ? first + 2 : first + 1));
  if (images.shape.height == 0 || images.shape.width == 0) refuse("images of shape " + shape_text(array) + ": empty");
  return images;
}

nb::ndarray<const std::uint8_t> photo_of(nb::handle object) {
  constexpr const char* expected = "an array of uint8 [height, width, 3], RGB, expected";
  const Array array = dense(object, "pixels", expected);
  if (array.dtype() != nb::dtype<std::uint8_t>()) {
    throw type_error("pixels: " + dtype_text(array.dtype()) + " given, " + expected);
  }
  if (array.ndim() != 3 || array.shape(2) != 3) {
    refuse("pixels of shape " + shape_text(array) + ": [height, width, 3], RGB, expected");
  }
  return nb::ndarray<const std::uint8_t>(array);
}

NewArray new_floats(std::size_t rows, std::size_t columns) {
  auto values = std::make_unique_for_overwrite<float[]>(rows * columns);
  float* data = values.get();
  const nb::capsule owner(data, [](void* pointer) noexcept { delete[] static_cast<float*>(pointer); });
  static_cast<void>(values.release());
  return {nb::cast(nb::ndarray<nb::numpy, float, nb::ndim<2>>(data, {rows, columns}, owner)), data};
}

}  // namespace residua::python
