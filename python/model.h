// residua.Model: a model and the contexts that its callers share.
#pragma once

#include <nanobind/nanobind.h>

#include <mutex>
#include <residua/residua.hpp>
#include <string>
#include <vector>

namespace residua::python {

class PythonModel {
 public:
  PythonModel(Model model, const ContextOptions& options) : model_(std::move(model)), options_(options) {}

  // `out`: None, or float32 [batch, classes] to be written. Any number of threads at once, without the interpreter's
  // lock while the network runs.
  nanobind::object run(nanobind::handle images, nanobind::object out);

  // uint8 [height, width, 3] to uint8 [input_height, input_width, 3].
  nanobind::object preprocess(nanobind::handle pixels) const;

  const Model& model() const { return model_; }
  const ContextOptions& options() const { return options_; }
  ModelInfo info() const { return model_.info(); }

 private:
  // A context for one call: one that no other call uses, else a new one.
  Context take();
  void give_back(Context context);

  Model model_;
  ContextOptions options_;
  std::mutex mutex_;           // guards idle_
  std::vector<Context> idle_;  // as many as there ever were calls at once
};

// Adds the class Model, and load and random, which make one.
void bind_model(nanobind::module_& module);

}  // namespace residua::python
