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

// Whether a tensor says so of itself: by an attribute or a method of that name.
bool says(nb::handle object, const char* name) {
  const nb::object found = nb::getattr(object, name, nb::none());
  const nb::object value = PyCallable_Check(found.ptr()) != 0 ? found() : found;
  const int truth = PyObject_IsTrue(value.ptr());
  if (truth < 0) throw nb::python_error();
  return truth != 0;
}

// The array as it is, in the CPU's memory.
Array array_of(nb::handle object, const char* what, const char* expected) {
  // torch's newer way to hand out memory passes over what its __dlpack__ refuses. Negation may be a mark on a tensor
  // whose memory holds the values before it.
  if (says(object, "requires_grad") || says(object, "is_neg")) refuse_type(object, what, expected);
  Array array;
  if (!nb::try_cast(object, array, false)) refuse_type(object, what, expected);
  if (array.device_type() != nb::device::cpu::value) {
    throw type_error(std::string(what) + " on device type " + std::to_string(array.device_type()) +
                     ": memory of the CPU expected (for a tensor: .cpu())");
  }
  return array;
}

// The same with its elements one after the other: as it is, or the copy that its own library makes of it.
Array dense(nb::handle object, const char* what, const char* expected) {
  nb::ndarray<nb::ro, nb::c_contig> contiguous;
  if (!nb::try_cast(object, contiguous, true)) refuse_type(object, what, expected);
  return Array(contiguous);
}

bool is_dense(const Array& array) {
  std::int64_t stride = 1;
  for (std::size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != stride) return false;
    stride *= static_cast<std::int64_t>(array.shape(i));
  }
  return true;
}

// A stride of 0 repeats pixels in Python, and means "as in a dense image" to the library.
bool repeats(const Array& array) {
  for (std::size_t i = 0; i < array.ndim(); ++i) {
    if (array.shape(i) > 1 && array.stride(i) == 0) return true;
  }
  return false;
}

}  // namespace

Images images_of(nb::handle object, const ModelInfo& info) {
  constexpr const char* expected =
      "an array expected: numpy's, or a tensor on the CPU that needs no gradient and is not negated lazily (for a "
      "tensor: .detach().resolve_neg().cpu())";
  Images images{.owner = array_of(object, "images", expected), .input = {}};
  if (repeats(images.owner)) images.owner = dense(object, "images", expected);
  const Array& array = images.owner;

  const bool is_float = array.dtype() == nb::dtype<float>();
  if (!is_float && array.dtype() != nb::dtype<std::uint8_t>()) {
    throw type_error("images: " + dtype_text(array.dtype()) +
                     " given, float32 [batch, channels, height, width], normalised, or uint8 [batch, height, width, "
                     "3], RGB, expected");
  }
  const auto channels = static_cast<std::size_t>(is_float ? info.channels : 3);
  const std::string wanted = is_float ? "[batch, " + std::to_string(channels) + ", height, width] expected for float32"
                                      : "[batch, height, width, 3] expected for uint8";
  const std::size_t first = array.ndim() == 3 ? 0 : 1;  // of an image's own dimensions
  const std::size_t rows = is_float ? first + 1 : first, channel = is_float ? first : first + 2;
  if ((array.ndim() != 3 && array.ndim() != 4) || array.shape(channel) != channels) {
    refuse("images of shape " + shape_text(array) + ": " + wanted);
  }
  if (array.shape(rows) == 0 || array.shape(rows + 1) == 0) refuse("images of shape " + shape_text(array) + ": empty");

  Input& input = images.input;
  input.format = is_float ? RESIDUA_FLOAT32_NCHW : RESIDUA_UINT8_NHWC;
  input.data = array.data();
  input.batch = first == 0 ? 1 : size_of(array.shape(0));
  input.height = size_of(array.shape(rows));
  input.width = size_of(array.shape(rows + 1));
  if (!is_dense(array)) {
    const std::int64_t element = is_float ? sizeof(float) : 1;
    input.row_stride = array.stride(rows) * element;
    input.pixel_stride = array.stride(rows + 1) * element;
    input.channel_stride = array.stride(channel) * element;
    if (first == 1 && input.batch > 1) input.image_stride = array.stride(0) * element;
  }
  return images;
}

nb::ndarray<const std::uint8_t> photo_of(nb::handle object) {
  constexpr const char* expected = "an array of uint8 [height, width, 3], RGB, expected";
  static_cast<void>(array_of(object, "pixels", expected));
  const Array array = dense(object, "pixels", expected);
  if (array.dtype() != nb::dtype<std::uint8_t>()) {
    throw type_error("pixels: " + dtype_text(array.dtype()) + " given, " + expected);
  }
  if (array.ndim() != 3 || array.shape(2) != 3) {
    refuse("pixels of shape " + shape_text(array) + ": [height, width, 3], RGB, expected");
  }
  return nb::ndarray<const std::uint8_t>(array);
}

NewArray new_floats(const std::vector<std::size_t>& shape) {
  std::size_t count = 1;
  for (const std::size_t size : shape) count *= size;
  auto values = std::make_unique_for_overwrite<float[]>(count);
  float* data = values.get();
  const nb::capsule owner(data, [](void* pointer) noexcept { delete[] static_cast<float*>(pointer); });
  static_cast<void>(values.release());
  return {nb::cast(nb::ndarray<nb::numpy, float>(data, shape.size(), shape.data(), owner)), {data, count}};
}

}  // namespace residua::python
