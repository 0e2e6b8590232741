// From Python's arrays to what the library runs.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <residua/residua.hpp>
#include <span>
#include <vector>

namespace residua::python {

// A batch of images as the library takes it, and what keeps the pixels alive: the caller's own array (in any layout
// that strides describe), else a copy of it.
struct Images {
  nanobind::ndarray<nanobind::ro> owner;
  Input input;  // batch 0 is possible here
};

// Takes a numpy array, a tensor on the CPU or anything else that speaks DLPack or the buffer protocol. Three dimensions
// are one image. Throws nanobind::type_error for what is no such array, and residua::Error for a shape that does not
// fit.
Images images_of(nanobind::handle array, const ModelInfo& info);

// One RGB photo, uint8 [height, width, 3], dense.
nanobind::ndarray<const std::uint8_t> photo_of(nanobind::handle array);

// A new numpy array of float32, for its owner to be written to.
struct NewArray {
  nanobind::object array;
  std::span<float> values;
};
NewArray new_floats(const std::vector<std::size_t>& shape);

}  // namespace residua::python
