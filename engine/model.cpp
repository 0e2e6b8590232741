#include "engine/model.h"

#include <algorithm>
#include <fstream>

#include "engine/build_identity.h"
#include "engine/environment.h"
#include "engine/integrity.h"
#include "engine/layout.h"
#include "engine/log.h"
#include "engine/odd_weights.h"
#include "engine/stop.h"
#include "graph/architectures/resnet.h"
#include "graph/infer.h"
#include "graph/mapping.h"
#include "graph/operators.h"
#include "graph/pipeline.h"
#include "graph/text.h"

namespace residua::engine {
namespace {

using graph::Error;
using graph::ErrorCode;
using graph::Graph;
using graph::Result;
using graph::Status;

// A service that sees many shapes must not grow with each: programs beyond this many are made again when they come
// back.
constexpr std::size_t kept_programs = 8;

// RESIDUA_DUMP_GRAPH: one text file a stage, numbered in the order of the passes.
graph::PassObserver dump_observer(const std::string& model) {
  if (environment().dump_graph.empty()) return {};
  std::error_code failure;  // a folder that cannot be made shows in the first file that cannot be written
  std::filesystem::create_directories(environment().dump_graph, failure);
  return [model, number = 0](std::string_view stage, const Graph& graph) mutable {
    std::string index = std::to_string(number++);
    if (index.size() < 2) index.insert(0, "0");
    const auto path = environment().dump_graph / (model + "." + index + "." + std::string(stage) + ".txt");
    std::ofstream file(path);
    if (!(file << graph::to_text(graph)).flush()) log("RESIDUA_DUMP_GRAPH: could not write " + path.string());
  };
}

Status check_interface(const Graph& graph) {
  if (graph.inputs.size() != 1 || graph.outputs.empty())
    return Error{ErrorCode::unsupported, "the network has " + std::to_string(graph.inputs.size()) + " inputs and " +
                                             std::to_string(graph.outputs.size()) +
                                             " outputs, expected one input and an output"};
  const graph::Tensor& input = graph.tensor(graph.inputs[0]);
  if (input.shape.size() != 4 || !graph::is_static(input.shape[1]) || input.shape[1] < 1)
    return Error{ErrorCode::unsupported, "input '" + input.name + "' has shape " + graph::to_string(input.shape) +
                                             ", expected [N, channels, height, width] with a known number of channels"};
  for (const graph::Dimension side : {input.shape[2], input.shape[3]})
    if (graph::is_static(side) && (side < 1 || side > largest_image_side))
      return Error{ErrorCode::limit, "input '" + input.name + "' has shape " + graph::to_string(input.shape) +
                                         ", expected sides of 1 to " + std::to_string(largest_image_side)};
  if (!graph::is_floating_point(input.type))
    return Error{ErrorCode::unsupported, "input '" + input.name + "' holds integers, expected floating-point pixels"};
  return {};
}

// RESIDUA_VERBOSE=dispatch: what runs each step, and why nothing better does.
void log_dispatch(const Plan& plan) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    std::string line = "dispatch: " + step.name + " (" + std::string(graph::info_of(step.op).name) + ") " +
                       graph::to_string(plan.graph.tensor(step.output).shape) + " -> " + step.implementation;
    for (const Rejection& rejection : plan.rejections[i])
      line += "; not " + rejection.implementation + ": " + rejection.reason;
    log(line);
  }
}

// A piece of each mapped file that the model's weights lie in.
std::vector<graph::ConstantData> one_of_each_file(const graph::ImportedModel& imported) {
  std::vector<graph::ConstantData> pieces;
  const auto add = [&](const graph::ConstantData& data) {
    const bool is_new = data.file && std::none_of(pieces.begin(), pieces.end(), [&](const graph::ConstantData& known) {
                          return known.file == data.file;
                        });
    if (is_new) pieces.push_back(data);
  };
  for (const graph::Tensor& tensor : imported.graph.tensors) add(tensor.constant);
  for (const graph::PackedBlob& blob : imported.packed) add(blob.bytes);
  return pieces;
}

bool output_is_softmax(const Graph& graph) {
  graph::TensorId wanted = graph.outputs[0];
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (node->output != wanted) continue;
    if (node->op == graph::Op::softmax) return true;
    if (node->op != graph::Op::flatten && node->op != graph::Op::reshape && node->op != graph::Op::identity)
      return false;
    wanted = node->inputs[0];
  }
  return false;
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::random(const std::string& architecture, std::uint64_t seed,
                                                   const LoadOptions& options) {
  const auto configuration = graph::find_architecture(architecture);
  if (!configuration) {
    std::string known;
    for (const std::string& name : graph::known_architectures()) known += (known.empty() ? "" : ", ") + name;
    return Error{ErrorCode::invalid_argument, "unknown architecture '" + architecture + "', known are " + known};
  }
  graph::ImportedModel imported;
  RESIDUA_ASSIGN(imported.graph, graph::build_resnet(*configuration, graph::random_weights(*configuration, seed)));
  imported.format = "random";
  imported.architecture = architecture;
  RESIDUA_ASSIGN(const std::shared_ptr<const Model> model, finish(std::move(imported), {}, options));
  return model;
}

Result<std::shared_ptr<Model>> Model::finish(graph::ImportedModel imported, const CardSources& sources,
                                             const LoadOptions& options) {
  if (options.progress) options.progress("optimize", 0);
  const std::shared_ptr<Model> model(new Model());
  const std::string name = sources.model.empty() ? imported.architecture : sources.model.filename().string();
  RESIDUA_ASSIGN(model->optimized_, graph::optimize(imported.graph, dump_observer(name)));
  RESIDUA_RETURN_IF_ERROR(check_interface(model->optimized_));
  model->format_ = imported.format;
  model->in_files_ = one_of_each_file(imported);
  model->runs_from_files_ = imported.is_packed && !model->in_files_.empty();
  model->metadata_ = imported.metadata;
  if (imported.packed_for == build_identity()) model->packed_.offer(imported.packed);
  model->packed_.watch(imported.checksums);
  // The optimised graph tells the input as callers see it (NCHW, whatever the file had).
  model->imported_ = std::move(imported.graph);
  imported.graph = model->optimized_;
  RESIDUA_ASSIGN(model->card_, read_model_card(imported, sources));

  RESIDUA_RETURN_IF_ERROR(check_weights(sources, model->imported_));
  // A packed file was made from weights that were looked at then; it starts without reading what it holds.
  if (!imported.is_packed && imported.format != "random") report_odd_weights(name, model->imported_);

  const ModelCard& card = model->card_;
  RESIDUA_ASSIGN(model->offered_, offer(model->optimized_));
  RESIDUA_ASSIGN(
      const Graph one_image,
      graph::with_input_shape(model->offered(), {1, model->channels(), card.input_height, card.input_width}));
  const graph::Shape& output = one_image.tensor(one_image.outputs[0]).shape;
  RESIDUA_ASSIGN(model->classes_, graph::element_count(output));
  if (output.empty() || output[0] != 1 || model->classes_ < 1)
    return Error{ErrorCode::unsupported,
                 "the first output has shape " + graph::to_string(output) + " for one image, expected [1, classes]"};
  model->ends_in_softmax_ = output_is_softmax(model->optimized_);
  if (!card.labels.empty() && static_cast<std::int64_t>(card.labels.size()) != model->classes_) {
    const std::string source =
        sources.labels.empty() ? sources.model.string() + " or its sidecar" : sources.labels.string();
    return Error{ErrorCode::mismatch, source + ": " + std::to_string(card.labels.size()) + " labels for a network of " +
                                          std::to_string(model->classes_) + " classes"};
  }
  if (options.memory_limit > 0)
    model->allotment_ = std::make_unique<const WeightAllotment>(one_image, kernel_table(), options.memory_limit);
  model->named_outputs_ = engine::named_outputs(model->offered_, one_image);
  RESIDUA_RETURN_IF_ERROR(model->check_files_unchanged());
  if (options.progress) options.progress("optimize", 1);
  return model;
}

Status Model::check_files_unchanged() const {
  for (const graph::ConstantData& piece : in_files_) RESIDUA_RETURN_IF_ERROR(piece.file->check_unchanged());
  return {};
}

std::int64_t Model::parameters() const {
  std::int64_t sum = 0;
  for (const graph::Tensor& tensor : optimized_.tensors)
    if (tensor.is_constant() && graph::is_floating_point(tensor.type))
      sum += static_cast<std::int64_t>(float_count(tensor.shape));
  return sum;
}

Result<std::shared_ptr<const Program>> Model::program(const ProgramKey& key, bool* made_now,
                                                      const std::function<void()>& step_made) const {
  const PackedWeights::Threads lent(packed_, key.threads);
  std::unique_lock lock(programs_mutex_);
  const auto known =
      std::find_if(programs_.begin(), programs_.end(), [&](const auto& program) { return program->key == key; });
  if (known != programs_.end()) {
    std::rotate(known, known + 1, programs_.end());
    return programs_.back();
  }
  if (made_now) *made_now = true;
  RESIDUA_RETURN_IF_ERROR(check_files_unchanged());
  const std::size_t packings = packed_.packings();
  if (key.tuned && !tuner_) tuner_ = std::make_unique<Tuner>(TuningCache(environment().cache_folder));
  auto made = [&]() -> Result<std::shared_ptr<const Program>> {
    try {
      return make_program(offered(), key, kernel_table(), packed_,
                          {.allotment = allotment_.get(),
                           .tuner = key.tuned ? tuner_.get() : nullptr,
                           .step_made = step_made ? &step_made : nullptr});
    } catch (const Stopped& stopped) {
      if (stopped.error.code != ErrorCode::malformed) throw;
      std::error_code ignored;
      if (cache_) std::filesystem::remove(cache_->file, ignored);  // the next load makes it again
      return stopped.error;
    }
  }();
  if (key.tuned) tuner_->save();
  packed_.end_packing();
  RESIDUA_RETURN_IF_ERROR(check_files_unchanged());
  RESIDUA_ASSIGN(const std::shared_ptr<const Program> program, std::move(made));
  if (programs_.size() == kept_programs) programs_.erase(programs_.begin());
  programs_.push_back(program);
  const bool packed_more = packed_.packings() != packings;
  // A callback may itself ask this model for a program.
  lock.unlock();
  if (cache_ && packed_more) write_cache();
  if (environment().verbose_dispatch && log_wanted())
    for (const Segment& segment : program->segments) log_dispatch(*segment.plan);
  return program;
}

Status Model::prepare(std::span<const ProgramKey> programs, const Progress& progress) const {
  // Views are no steps, so this is an upper bound; what is missing at the end of a program is made up for then.
  const double steps = static_cast<double>(optimized_.nodes.size()) * static_cast<double>(programs.size());
  double done = 0;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const double end = static_cast<double>((i + 1) * optimized_.nodes.size());
    const auto step_made = [&] {
      done = std::min(done + 1, end);
      progress("plan", done / steps);
    };
    if (progress) progress("plan", done / steps);
    RESIDUA_RETURN_IF_ERROR(program(programs[i], nullptr, progress ? step_made : std::function<void()>()));
    done = end;
  }
  if (progress) progress("plan", 1);
  return {};
}

Result<MemoryEstimate> Model::estimate_memory(const ProgramKey& key) const {
  MemoryEstimate estimate;
  estimate.weights_are_mapped = true;
  for (const graph::Tensor& tensor : optimized_.tensors)
    if (tensor.is_constant()) {
      estimate.weights += tensor.constant.size;
      // A bias that a pass has computed lies in memory; it is the weights that count.
      if (tensor.shape.size() > 1 && !tensor.constant.file) estimate.weights_are_mapped = false;
    }
  PackedWeights sizes(PackedWeights::Purpose::only_sizes);
  RESIDUA_ASSIGN(const std::shared_ptr<const Program> program,
                 make_program(offered(), key, kernel_table(), sizes, {.allotment = allotment_.get()}));
  estimate.packed_weights = sizes.bytes();
  estimate.context = program->bytes;
  return estimate;
}

}  // namespace residua::engine
