// residua.Model: a model, with how to run it.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <residua/residua.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace residua::python {

class PythonModel {
 public:
  PythonModel(Model model, const ContextOptions& options) : model_(std::move(model)), options_(options) {
    model_.set_run_options(options_);
  }

  // `outputs`: None, a name, or several. `out`: None, or where the one output is to be written. Any number of threads
  // at once, without the interpreter's lock while the network runs.
  nanobind::object run(nanobind::handle images, nanobind::handle outputs, nanobind::object out) const;

  // The same, timed layer by layer: a residua.profiles.Profile in place of the values.
  nanobind::object profile(nanobind::handle images, nanobind::handle outputs) const;

  // uint8 [height, width, 3] to uint8 [input_height, input_width, 3].
  nanobind::object preprocess(nanobind::handle pixels) const;

  // The same, whole, with that shorter side (0: the model's).
  nanobind::object resized(nanobind::handle pixels, int shorter_side) const;
  // Of the tensor `name` ("": the first output) for all images of `input`. Any number of threads at once.
  std::vector<std::size_t> output_shape(const Input& input, const std::string& name) const;

  const Model& model() const { return model_; }
  const ContextOptions& options() const { return options_; }
  ModelInfo info() const { return model_.info(); }

 private:
  Model model_;
  ContextOptions options_;
  // Shapes of one image, by name, height and width: the library infers them anew, which takes a tenth of a millisecond.
  mutable std::mutex mutex_;
  mutable std::map<std::tuple<std::string, std::int32_t, std::int32_t>, std::vector<std::size_t>> shapes_;
};

// Adds the class Model, and load and random, which make one.
void bind_model(nanobind::module_& module);

}  // namespace residua::python
