// From Python's arrays to what the library runs.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <residua/residua.hpp>

namespace residua::python {

// A batch of images, dense. Keeps the array alive that the pixels belong to: the caller's own, where its layout was
// right, else a copy.
struct Images {
  nanobind::ndarray<nanobind::ro> owner;
  bool is_float = false;  // float32 [batch, channels, height, width]; else uint8 [batch, height, width, 3]
  InputShape shape;       // batch 0 is possible here

  std::size_t values() const { return owner.size(); }
  const void* data() const { return owner.data(); }
};

// Takes a numpy array, a tensor on the CPU or anything else that speaks DLPack or the buffer protocol. Three dimensions
// are one image. Throws nanobind::type_error for what is no such array, and residua::Error for a shape that does not
// fit.
Images images_of(nanobind::handle array, const ModelInfo& info);

// One RGB photo, uint8 [height, width, 3], dense.
nanobind::ndarray<const std::uint8_t> photo_of(nanobind::handle array);

// A new numpy array of float32 [rows, columns], for `fill` to write.
struct NewArray {
  nanobind::object array;
  float* data;
};
NewArray new_floats(std::size_t rows, std::size_t columns);

}  // namespace residua::python
