// What Python sees of residua.Model, residua.load and residua.random.

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <utility>

#include "python/model.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace residua::python {
namespace {

Schedule schedule_of(const std::string& name) {
  if (name == "auto") return RESIDUA_AUTO;
  if (name == "latency") return RESIDUA_LATENCY;
  if (name == "throughput") return RESIDUA_THROUGHPUT;
  throw Error(RESIDUA_INVALID_ARGUMENT, "schedule '" + name + "': auto, latency or throughput expected");
}

Stage stage_of(const std::string& name) {
  if (name == "imported") return RESIDUA_IMPORTED;
  if (name == "optimized") return RESIDUA_OPTIMIZED;
  if (name == "planned") return RESIDUA_PLANNED;
  throw Error(RESIDUA_INVALID_ARGUMENT, "stage '" + name + "': imported, optimized or planned expected");
}

TextFormat format_of(const std::string& name) {
  if (name == "text") return RESIDUA_TEXT;
  if (name == "json") return RESIDUA_JSON;
  if (name == "dot") return RESIDUA_DOT;
  throw Error(RESIDUA_INVALID_ARGUMENT, "format '" + name + "': text, json or dot expected");
}

// A path as the file system has it: str or os.PathLike.
std::string path_of(nb::handle path) {
  const nb::bytes encoded(nb::module_::import_("os").attr("fsencode")(path));
  return {encoded.c_str(), encoded.size()};
}

std::unique_ptr<PythonModel> load(nb::handle path, const std::string& architecture, nb::handle labels, bool verify,
                                  bool cache, std::size_t memory_limit, int threads, const std::string& schedule,
                                  bool tune, bool direct) {
  LoadOptions options;
  options.architecture = architecture;
  if (!labels.is_none()) options.labels = path_of(labels);
  options.verify = verify;
  options.cache = cache;
  options.memory_limit = memory_limit;
  const ContextOptions context_options{
      .threads = threads, .schedule = schedule_of(schedule), .tune = tune, .direct = direct};
  const std::string file = path_of(path);
  const nb::gil_scoped_release unlocked;
  return std::make_unique<PythonModel>(Model::load(file, options), context_options);
}

std::unique_ptr<PythonModel> random(const std::string& architecture, std::uint64_t seed, std::size_t memory_limit,
                                    int threads, const std::string& schedule, bool tune, bool direct) {
  LoadOptions options;
  options.memory_limit = memory_limit;
  const ContextOptions context_options{
      .threads = threads, .schedule = schedule_of(schedule), .tune = tune, .direct = direct};
  const nb::gil_scoped_release unlocked;
  return std::make_unique<PythonModel>(Model::random(architecture, seed, options), context_options);
}

std::string describe(const PythonModel& self, const std::string& stage, const std::string& format, int batch,
                     int height, int width) {
  const nb::gil_scoped_release unlocked;
  return self.model().describe(stage_of(stage), format_of(format), {batch, height, width}, self.options());
}

void pack(const PythonModel& self, nb::handle path, const std::vector<std::int32_t>& batches, int height, int width) {
  const std::string file = path_of(path);
  const nb::gil_scoped_release unlocked;
  self.model().pack(file, {batches, height, width}, self.options());
}

std::vector<std::string> labels_of(const PythonModel& self) {
  std::vector<std::string> labels;
  for (std::int32_t i = 0; i < self.info().label_count; ++i) labels.emplace_back(self.model().label(i).value_or(""));
  return labels;
}

// One row an image: pooling leaves [batch, features, 1, 1] in some networks.
nb::object features_of(const PythonModel& self, nb::handle images) {
  const nb::object values = self.run(images, nb::str("pooled"), nb::none());
  const auto [rows, columns] = [&] {
    const auto array = nb::cast<nb::ndarray<nb::ro>>(values);
    std::size_t product = 1;
    for (std::size_t i = 1; i < array.ndim(); ++i) product *= array.shape(i);
    return std::pair(array.shape(0), product);
  }();
  return values.attr("reshape")(rows, columns);
}

nb::list tensors_of(const PythonModel& self, int height, int width) {
  nb::list list;
  for (const TensorInfo& tensor : self.model().tensors(height, width)) {
    nb::list shape;
    for (std::int32_t i = 0; i < tensor.rank; ++i) shape.append(tensor.shape[i]);
    list.append(nb::make_tuple(tensor.name, tensor.op, nb::tuple(shape)));
  }
  return list;
}

nb::dict counters_of(const PythonModel& self) {
  const Counters counters = self.model().counters();
  nb::dict dict;
  dict["runs"] = counters.runs;
  dict["images"] = counters.images;
  dict["errors"] = counters.errors;
  dict["cancelled"] = counters.cancelled;
  dict["deadlines_exceeded"] = counters.deadlines_exceeded;
  dict["plans"] = counters.plans;
  dict["planning_ms"] = counters.planning_ms;
  dict["run_ms"] = counters.run_ms;
  dict["queue_ms"] = counters.queue_ms;
  return dict;
}

nb::tuple three(const float (&values)[3]) { return nb::make_tuple(values[0], values[1], values[2]); }

std::string representation(const PythonModel& self) {
  const ModelInfo info = self.info();
  return "<residua.Model " + std::string(*info.architecture ? info.architecture : info.format) + ", " +
         std::to_string(info.input_height) + " x " + std::to_string(info.input_width) + ", " +
         std::to_string(info.classes) + " classes>";
}

constexpr const char* load_documentation = R"(A model from a file: ONNX, safetensors, PyTorch state dict or packed.

architecture: overrides what the file says. labels: path of a label file, one a line; None: the file's own, or those of
its sidecar. verify: compare the checksums of all of a packed model file. cache: keep the optimised network in
~/.cache/residua, and start from it the next time. memory_limit: bytes that transformed weights may add; 0: no limit.
threads: at most that many, 0: the CPU budget (residua.cpu_budget()). schedule: "auto", "latency" or "throughput".
tune: run convolutions in the way measured to be fastest here. direct: run every convolution as sums of products, none by
an algorithm that mixes neighbours first, which would spread an infinity or NaN of an image, and none on tile registers
(AMX), where outputs that read an infinity are NaN; slower.

The file is mapped: it must stay as it is while the model lives. Raises a residua.Error: FileError, MalformedError,
UnsupportedError, MismatchError.)";

constexpr const char* random_documentation = R"(A known architecture (see residua.architectures()) with random weights.

The same seed gives the same weights. memory_limit, threads, schedule, tune, direct: as for load. Raises
InvalidArgumentError for an unknown name.)";

constexpr const char* model_documentation = R"(A network with its weights. residua.load and residua.random make one.

Immutable: any number of threads may call it at once; they share the CPUs of the process.)";

constexpr const char* call_documentation = R"(Run the network: its first output, float32 [batch, classes], or others.

images: uint8 [batch, height, width, 3], RGB 0..255, which is scaled and normalised as the model wants it, or float32
[batch, channels, height, width], normalised already. Without the batch dimension: one image. A numpy array, or anything
with DLPack or the buffer protocol on the CPU (a torch tensor). It is read where it is, in whatever strides. Any size that
the network takes; a new size or batch is planned first, which takes longer.
outputs: a name gives that tensor's values, a sequence of names a dict of them, None the network's first output. "logits",
"probabilities" and "pooled" (the features) work with every classifier; tensors() lists the others, such as the feature
pyramid, "C2" to "C5".
out: float32 of the one output's shape, dense, to be written and returned; None: a new array.

The first output's values are logits, unless the network itself ends in softmax (outputs_are_probabilities). The
interpreter's lock is released during the run. Raises TypeError for what is no array of these types,
InvalidArgumentError for shapes that do not fit, MismatchError for names that the network has no tensor of and sizes
that it does not take, OutOfMemoryError.)";

constexpr const char* profile_documentation = R"(Run the network and tell where the time went: a residua.Profile.

images, outputs: as for a call; at least one image. The values are not kept. profile.layers has a name, operator,
implementation, milliseconds and GFLOP for each layer; profile.trace is the run as JSON for chrome://tracing and
ui.perfetto.dev. Timing costs some per cent. A first run of a size also plans it: profile twice, or look at planning_ms.
Releases the interpreter's lock. Raises what a call raises, and InvalidArgumentError for no image.)";

constexpr const char* preprocess_documentation = R"(Resize and crop one photo as the network wants it.

pixels: uint8 [height, width, 3], RGB. Returns uint8 [input_height, input_width, 3]: the shorter side becomes
`resize`, antialiased as Pillow does it, then the centre is cropped. Releases the interpreter's lock. Raises TypeError for
what is no array of uint8, and InvalidArgumentError for another shape.)";

constexpr const char* resized_documentation = R"(One photo, resized and not cropped.

pixels: uint8 [height, width, 3], RGB. Its shorter side becomes `shorter_side` (0: the model's `resize`), the longer one
keeps the proportion, rounded down; antialiased as Pillow does it. ten_crops() cuts crops from the result. Releases the
interpreter's lock.)";

constexpr const char* tensors_documentation = R"(What outputs= takes: (name, operator, shape) of each tensor.

Shapes are those of one image of height x width (0: the model's own). Raises MismatchError where the network does not
take such images.)";

constexpr const char* counters_documentation = R"(Sums since the model was loaded, for a service to export.

runs, images, errors, cancelled, deadlines_exceeded, plans: how many; planning_ms, run_ms, queue_ms: how long.)";

constexpr const char* describe_documentation = R"(The network as text, JSON or Graphviz.

stage: "imported", as the file says; "optimized", after the passes; "planned", for a run of batch x height x width (0:
the model's own size). format: "text", "json" or "dot". Raises InvalidArgumentError for another word, MismatchError where
the network does not take such images.)";

constexpr const char* pack_documentation = R"(Write a packed model file, which loads in milliseconds.

batches: the batch sizes to pack the weights for; height, width: their image size, 0: the model's own. The file appears
whole or not at all. Raises FileError where it cannot be written, MismatchError where the network does not take such
images.)";

}  // namespace

void bind_model(nb::module_& module) {
  nb::class_<PythonModel>(module, "Model", model_documentation)
      .def("__call__", &PythonModel::run, "images"_a, "outputs"_a = nb::none(), nb::kw_only(), "out"_a = nb::none(),
           call_documentation)
      .def("features", &features_of, "images"_a,
           "What the last fully connected layer reads, float32 [batch, 512 or 2048]: model(images, \"pooled\").\n\n"
           "images: as for a call. The classifier itself is not computed. Raises what a call raises.",
           nb::sig("def features(self, images: typing.Any) -> numpy.typing.NDArray[numpy.float32]"))
      .def("profile", &PythonModel::profile, "images"_a, "outputs"_a = nb::none(), profile_documentation,
           nb::sig(
               "def profile(self, images: typing.Any, outputs: str | collections.abc.Sequence[str] | None = None) -> "
               "residua.profiles.Profile"))
      .def("tensors", &tensors_of, nb::kw_only(), "height"_a = 0, "width"_a = 0, tensors_documentation,
           nb::sig("def tensors(self, *, height: int = 0, width: int = 0) -> list[tuple[str, str, tuple[int, ...]]]"))
      .def("counters", &counters_of, counters_documentation, nb::sig("def counters(self) -> dict[str, int | float]"))
      .def("preprocess", &PythonModel::preprocess, "pixels"_a, preprocess_documentation,
           nb::sig("def preprocess(self, pixels: typing.Any) -> numpy.typing.NDArray[numpy.uint8]"))
      .def("resized", &PythonModel::resized, "pixels"_a, "shorter_side"_a = 0, resized_documentation,
           nb::sig("def resized(self, pixels: typing.Any, shorter_side: int = 0) -> numpy.typing.NDArray[numpy.uint8]"))
      .def("describe", &describe, "stage"_a = "imported", "format"_a = "text", nb::kw_only(), "batch"_a = 1,
           "height"_a = 0, "width"_a = 0, describe_documentation)
      .def("pack", &pack, "path"_a, nb::kw_only(), "batches"_a = std::vector<std::int32_t>{1}, "height"_a = 0,
           "width"_a = 0, pack_documentation,
           nb::sig("def pack(self, path: str | os.PathLike[str], *, batches: collections.abc.Sequence[int] = (1,), "
                   "height: int = 0, width: int = 0) -> None"))
      .def_prop_ro(
          "format", [](const PythonModel& self) { return self.info().format; },
          "\"onnx\", \"safetensors\", \"pth (zip)\", \"pth (legacy)\", \"packed\" or \"random\"")
      .def_prop_ro(
          "architecture", [](const PythonModel& self) { return self.info().architecture; },
          "\"resnet50\", or \"\" where the file does not tell")
      .def_prop_ro(
          "channels", [](const PythonModel& self) { return self.info().channels; }, "Channels of the input image: 3")
      .def_prop_ro(
          "input_size",
          [](const PythonModel& self) { return nb::make_tuple(self.info().input_height, self.info().input_width); },
          "(height, width) of what preprocess makes", nb::sig("def input_size(self) -> tuple[int, int]"))
      .def_prop_ro(
          "resize", [](const PythonModel& self) { return self.info().resize; },
          "The shorter side before the centre is cropped, in pixels")
      .def_prop_ro(
          "mean", [](const PythonModel& self) { return three(self.info().mean); },
          "Of channel values scaled to 0..1, R, G, B", nb::sig("def mean(self) -> tuple[float, float, float]"))
      .def_prop_ro(
          "standard_deviation", [](const PythonModel& self) { return three(self.info().standard_deviation); },
          "Of channel values scaled to 0..1, R, G, B",
          nb::sig("def standard_deviation(self) -> tuple[float, float, float]"))
      .def_prop_ro(
          "classes", [](const PythonModel& self) { return self.info().classes; },
          "Values of one image in the first output")
      .def_prop_ro("labels", &labels_of, "The name of each class; empty without labels")
      .def_prop_ro(
          "outputs_are_probabilities",
          [](const PythonModel& self) { return self.info().outputs_are_probabilities == 1; },
          "Whether the network itself ends in softmax")
      .def_prop_ro(
          "parameters", [](const PythonModel& self) { return self.info().parameters; },
          "Learned values that the network keeps after optimisation")
      .def("__repr__", &representation);

  module.def(
      "load", &load, "path"_a, nb::kw_only(), "architecture"_a = "", "labels"_a = nb::none(), "verify"_a = false,
      "cache"_a = false, "memory_limit"_a = 0, "threads"_a = 0, "schedule"_a = "auto", "tune"_a = false,
      "direct"_a = false, load_documentation,
      nb::sig("def load(path: str | os.PathLike[str], *, architecture: str = '', labels: str | "
              "os.PathLike[str] | None = None, verify: bool = False, cache: bool = False, memory_limit: int = "
              "0, threads: int = 0, schedule: str = 'auto', tune: bool = False, direct: bool = False) -> Model"));
  module.def("random", &random, "architecture"_a, nb::kw_only(), "seed"_a = 0, "memory_limit"_a = 0, "threads"_a = 0,
             "schedule"_a = "auto", "tune"_a = false, "direct"_a = false, random_documentation);
}

}  // namespace residua::python
