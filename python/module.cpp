// residua._residua: the extension module. What users import is residua/__init__.py.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "python/images.h"
#include "python/model.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace residua::python {
namespace {

// Each status has a class of its own in residua/errors.py, which is found by number.
void raise_as_python(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    const nb::module_ errors = nb::module_::import_("residua.errors");
    const nb::object classes = errors.attr("BY_STATUS");
    const auto place = static_cast<std::size_t>(error.status()) - 1;
    const nb::object kind = place < nb::len(classes) ? nb::object(classes[place]) : nb::object(errors.attr("Error"));
    PyErr_SetString(kind.ptr(), error.what());
  }
}

nb::dict version_as_dict() {
  const VersionInfo info = version();
  nb::dict dict;
  dict["version"] = info.version;
  dict["compiler"] = info.compiler;
  dict["onednn"] = info.onednn;
  dict["instruction_sets"] = info.instruction_sets;
  dict["instruction_set_in_use"] = info.instruction_set_in_use;
  return dict;
}

using Scores = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;

// [rows, classes]: the last dimension, and all before it.
std::pair<std::size_t, std::size_t> rows_and_classes(const Scores& values) {
  if (values.ndim() != 2 || values.shape(1) == 0) {
    throw Error(RESIDUA_INVALID_ARGUMENT, "values: float32 [rows, classes] expected");
  }
  return {values.shape(0), values.shape(1)};
}

nb::object softmax_of(const Scores& values) {
  const auto [rows, classes] = rows_and_classes(values);
  const NewArray made = new_floats({rows, classes});
  residua_softmax(values.data(), rows, classes, made.values.data());
  return made.array;
}

std::vector<std::vector<std::int32_t>> top_k_of(const Scores& values, std::size_t count) {
  const auto [rows, classes] = rows_and_classes(values);
  std::vector<std::vector<std::int32_t>> best;
  for (std::size_t row = 0; row < rows; ++row) best.push_back(top_k({values.data() + row * classes, classes}, count));
  return best;
}

}  // namespace
}  // namespace residua::python

NB_MODULE(_residua, module) {
  using namespace residua::python;
  nb::register_exception_translator(&raise_as_python);
  bind_model(module);
  module.def("version", &version_as_dict,
             "Version, compiler, oneDNN, instruction sets: compiled in, and the one in use.",
             nb::sig("def version() -> dict[str, str]"));
  module.def(
      "architectures",
      [] {
        std::vector<std::string> names;
        for (const std::string_view name : residua::architectures()) names.emplace_back(name);
        return names;
      },
      "The names that random takes, sorted.");
  module.def("cpu_budget", &residua::cpu_budget,
             "How many threads this process may keep busy: min(affinity, cgroup quota rounded up), at least 1.");
  module.def(
      "softmax", &softmax_of, "values"_a,
      "Softmax over each row of float32 [rows, classes], as a new array. Raises InvalidArgumentError for another "
      "shape.",
      nb::sig("def softmax(values: numpy.typing.NDArray[numpy.float32]) -> numpy.typing.NDArray[numpy.float32]"));
  module.def(
      "top_k", &top_k_of, "values"_a, "count"_a = 5,
      "The indices of the `count` largest values of each row of float32 [rows, classes], best first, ties by lower "
      "index, NaN last. Raises InvalidArgumentError for another shape.",
      nb::sig("def top_k(values: numpy.typing.NDArray[numpy.float32], count: int = 5) -> list[list[int]]"));
}
