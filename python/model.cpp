#include "python/model.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "python/images.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace residua::python {
namespace {

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

// The caller's array, which must be of that shape.
std::span<float> writable(nb::handle out, const std::vector<std::size_t>& shape) {
  nb::ndarray<float, nb::c_contig, nb::device::cpu> array;
  bool fits = nb::try_cast(out, array, false) && array.ndim() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = array.shape(i) == shape[i];
  if (!fits) {
    throw Error(RESIDUA_INVALID_ARGUMENT, "out: a writable, dense array of float32 " + shape_text(shape) + " expected");
  }
  return {array.data(), array.size()};
}

// What a run is to hand out, and the arrays of it.
struct Wanted {
  std::vector<Output> outputs;
  nb::object arrays;  // of one name, or of none, the array; of several a dict of them
};

// `names`: None, a name, or several. `out`: None, or where the one output is to be written.
Wanted wanted_of(const PythonModel& model, const Input& input, nb::handle names, nb::object out) {
  const bool single = names.is_none() || nb::isinstance<nb::str>(names);
  std::vector<std::string> list;
  if (single) {
    list.push_back(names.is_none() ? std::string() : nb::cast<std::string>(names));
  } else if (!nb::try_cast(names, list)) {
    throw nb::type_error("outputs: a name or a sequence of names expected");
  }
  if (!out.is_none() && !single) throw Error(RESIDUA_INVALID_ARGUMENT, "out: with one output only");
  if (list.empty()) throw Error(RESIDUA_INVALID_ARGUMENT, "outputs: at least one name expected");

  Wanted wanted{.outputs = {}, .arrays = single ? std::move(out) : nb::dict()};
  for (const std::string& name : list) {
    const std::vector<std::size_t> shape = model.output_shape(input, name);
    if (single && !wanted.arrays.is_none()) {
      wanted.outputs.push_back({.name = name, .values = writable(wanted.arrays, shape)});
      continue;
    }
    const nb::str key(name.c_str(), name.size());
    if (!single && PyDict_Contains(wanted.arrays.ptr(), key.ptr()) == 1) continue;  // named twice
    NewArray made = new_floats(shape);
    wanted.outputs.push_back({.name = name, .values = made.values});
    if (single)
      wanted.arrays = std::move(made.array);
    else
      wanted.arrays[key] = made.array;
  }
  return wanted;
}

}  // namespace

std::vector<std::size_t> PythonModel::output_shape(const Input& input, const std::string& name) const {
  constexpr std::size_t most = 64;
  const std::lock_guard lock(mutex_);
  auto found = shapes_.find({name, input.height, input.width});
  if (found == shapes_.end()) {
    const TensorInfo tensor = model_.tensor(name, input.height, input.width);
    if (shapes_.size() == most) shapes_.clear();
    found = shapes_
                .emplace(std::tuple(name, input.height, input.width),
                         std::vector<std::size_t>(tensor.shape, tensor.shape + tensor.rank))
                .first;
  }
  std::vector<std::size_t> shape = found->second;
  shape.at(0) = static_cast<std::size_t>(input.batch);
  return shape;
}

nb::object PythonModel::run(nb::handle given, nb::handle names, nb::object out) const {
  const Images images = images_of(given, info());
  Wanted wanted = wanted_of(*this, images.input, names, std::move(out));
  if (images.input.batch > 0) {
    const nb::gil_scoped_release unlocked;
    model_.run(images.input, wanted.outputs);
  }
  return std::move(wanted.arrays);
}

nb::object PythonModel::profile(nb::handle given, nb::handle names) const {
  const Images images = images_of(given, info());
  if (images.input.batch == 0) throw Error(RESIDUA_INVALID_ARGUMENT, "images: at least one expected for a profile");
  const Wanted wanted = wanted_of(*this, images.input, names, nb::none());
  RunProfile profile;
  RunInfo run{};
  {
    const nb::gil_scoped_release unlocked;
    model_.run(images.input, wanted.outputs, {.info = &run, .profile = &profile});
  }
  const nb::module_ profiles = nb::module_::import_("residua.profiles");
  const nb::object layer_class = profiles.attr("Layer");
  nb::list layers;
  for (const RunProfile::Layer& layer : profile.layers) {
    layers.append(layer_class("name"_a = layer.name, "op"_a = layer.op, "implementation"_a = layer.implementation,
                              "milliseconds"_a = layer.milliseconds, "gflop"_a = layer.gflop));
  }
  return profiles.attr("Profile")("layers"_a = nb::tuple(layers), "trace"_a = profile.trace, "images"_a = run.images,
                                  "threads"_a = run.threads, "planned"_a = run.planned == 1,
                                  "planning_ms"_a = run.planning_ms, "total_ms"_a = run.total_ms,
                                  "queue_ms"_a = run.queue_ms, "context_bytes"_a = run.context_bytes);
}

namespace {

// uint8 [height, width, 3]: `pixels`, which the array takes over.
nb::object array_of(Pixels pixels) {
  auto held = std::make_unique<Pixels>(std::move(pixels));
  const std::size_t shape[] = {static_cast<std::size_t>(held->height), static_cast<std::size_t>(held->width), 3};
  std::uint8_t* const data = held->rgb.data();
  const nb::capsule owner(held.get(), [](void* pointer) noexcept { delete static_cast<Pixels*>(pointer); });
  static_cast<void>(held.release());
  return nb::cast(nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<3>>(data, 3, shape, owner));
}

// One photo, and what `make` makes of its pixels, width and height without the interpreter's lock.
template <class Make>
nb::object made_of(nb::handle given, const Make& make) {
  const nb::ndarray<const std::uint8_t> photo = photo_of(given);
  if (photo.shape(0) > INT32_MAX || photo.shape(1) > INT32_MAX) throw Error(RESIDUA_LIMIT, "pixels: image too large");
  Pixels made;
  {
    const nb::gil_scoped_release unlocked;
    made = make(std::span(photo.data(), photo.size()), static_cast<std::int32_t>(photo.shape(1)),
                static_cast<std::int32_t>(photo.shape(0)));
  }
  return array_of(std::move(made));
}

}  // namespace

nb::object PythonModel::preprocess(nb::handle given) const {
  return made_of(given, [&](std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height) {
    const ModelInfo facts = info();
    return Pixels{model_.preprocess(pixels, width, height), facts.input_height, facts.input_width};
  });
}

nb::object PythonModel::resized(nb::handle given, int shorter_side) const {
  return made_of(given, [&](std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height) {
    return model_.resize(pixels, width, height, shorter_side);
  });
}

}  // namespace residua::python
