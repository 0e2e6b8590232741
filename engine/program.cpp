#include "engine/program.h"

#include <algorithm>

#include "engine/bound_plan.h"
#include "engine/caches.h"
#include "engine/layout.h"
#include "engine/outputs.h"
#include "graph/infer.h"
#include "graph/stretch.h"

namespace residua::engine {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;

// Nodes [first, end), to be run for `images` images at a time.
struct Stretch {
  std::size_t first, end;
  std::int64_t images;
};

std::int64_t divided_up(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }

// Rows of factors that one image gives a convolution's weights to multiply: pixels, or tiles of 4x4.
std::int64_t rows_of_image(const Graph& one_image, const Node& node) {
  const graph::Shape& weight = one_image.tensor(node.inputs[1]).shape;
  const graph::Shape& y = one_image.tensor(node.output).shape;
  const auto& convolution = graph::attributes_of<graph::ConvolutionAttributes>(node);
  const bool tiles = weight[2] == 3 && weight[3] == 3 && convolution.strides == graph::Pair{1, 1};
  return tiles ? divided_up(y[2], 4) * divided_up(y[3], 4) : y[2] * y[3];
}

// The images that nodes [first, end) should take at a time: each weight that is read from memory should meet so many
// rows that multiplying outweighs reading, as long as the activations stay in the caches. (r rows are r / 2
// operations a byte; memory gives a core some gigabytes a second, and a core does some tens of operations for each
// byte, or about a hundred where it starts two wide multiply-adds a cycle. Both counts are measured:
// docs/decisions/convolutions.md.)
std::int64_t wanted_images(const Graph& one_image, std::size_t first, std::size_t end, bool loads_bind_products) {
  const std::int64_t enough_rows = loads_bind_products ? 160 : 48;
  const auto cached_weights = static_cast<std::int64_t>(caches().level2 / sizeof(float) / 4);
  std::int64_t images = 1, largest = 1;
  for (std::size_t i = first; i < end; ++i) {
    const Node& node = one_image.nodes[i];
    largest = std::max(largest, static_cast<std::int64_t>(float_count(one_image.tensor(node.output).shape)));
    if (node.op == Op::fully_connected) images = std::max(images, enough_rows);
    if (node.op != Op::convolution) continue;
    const auto weights = static_cast<std::int64_t>(float_count(one_image.tensor(node.inputs[1]).shape));
    if (weights > cached_weights) images = std::max(images, divided_up(enough_rows, rows_of_image(one_image, node)));
  }
  // A block keeps about three tensors alive. What the system calls the last cache is often shared with other machines.
  const std::size_t cache = std::clamp<std::size_t>(caches().level3, 4 << 20, 32 << 20) / 2;
  const auto room = static_cast<std::int64_t>(cache / sizeof(float)) / (3 * largest);
  return std::clamp<std::int64_t>(room, 1, images);
}

// At least `images`, such that passes of so many run few images twice.
std::int64_t even_pass(std::int64_t batch, std::int64_t images) {
  const auto again = [&](std::int64_t count) { return divided_up(batch, count) * count - batch; };
  std::int64_t best = images;
  for (std::int64_t count = images; count <= std::min(batch, 2 * images); ++count)
    if (again(count) < again(best)) best = count;
  return best;
}

// The stretches of the throughput schedule. Images never become fewer on the way: tensors shrink and weights grow.
std::vector<Stretch> cut(const Graph& one_image, const ProgramKey& key, const kernels::KernelTable& kernels) {
  std::vector<std::size_t> places = graph::places_to_cut(one_image);
  places.push_back(one_image.nodes.size());
  std::vector<Stretch> stretches;
  std::size_t first = 0;
  for (std::size_t end : places) {
    std::int64_t images = std::min(wanted_images(one_image, first, end, kernels.loads_bind_products), key.batch);
    if (!stretches.empty()) images = std::max(images, stretches.back().images);
    images = even_pass(key.batch, images);
    if (!stretches.empty() && stretches.back().images == images)
      stretches.back().end = end;
    else
      stretches.push_back({first, end, images});
    first = end;
  }
  return stretches;
}

bool is_plain(const Graph& graph) {
  return graph.inputs.size() == 1 && std::all_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
           return graph::is_floating_point(graph.tensor(node.output).type) &&
                  (node.op != Op::convolution || graph.tensor(node.inputs[1]).is_constant());
         });
}

graph::Result<std::vector<Stretch>> stretches_for(const Graph& optimized, const ProgramKey& key,
                                                  const kernels::KernelTable& kernels) {
  const Stretch whole{0, optimized.nodes.size(), key.whole_images ? 1 : key.batch};
  if (!key.whole_images || key.batch == 1 || !is_plain(optimized)) return std::vector{whole};
  const graph::Shape& declared = optimized.tensor(optimized.inputs.at(0)).shape;
  RESIDUA_ASSIGN(const Graph one_image, graph::with_input_shape(optimized, {1, declared.at(1), key.height, key.width}));
  return cut(one_image, key, kernels);
}

// The shape of one image's part of output `index` of `plan`.
graph::Result<graph::Shape> output_of_image(const Plan& plan, std::size_t index) {
  const graph::Tensor& tensor = plan.graph.tensor(plan.graph.outputs[index]);
  if (tensor.shape.empty() || tensor.shape[0] != plan.key.batch)
    return graph::Error{graph::ErrorCode::unsupported,
                        "output '" + tensor.name + "' has shape " + graph::to_string(tensor.shape) + " for " +
                            std::to_string(plan.key.batch) + " images, expected one row an image"};
  return graph::Shape(tensor.shape.begin() + 1, tensor.shape.end());
}

// Places what segments carry and where they work.
void lay_out(Program& program) {
  std::size_t carried[2] = {0, 0}, work = 0;
  for (std::size_t i = 0; i < program.segments.size(); ++i) {
    const Segment& segment = program.segments[i];
    const Plan& plan = *segment.plan;
    const int threads = program.key.threads;
    work = std::max(work, segment.alone ? BoundPlan::bytes_for(plan, 1) * static_cast<std::size_t>(threads)
                                        : BoundPlan::bytes_for(plan, threads));
    if (!segment.carries) continue;
    const std::size_t image =
        float_bytes(plan.graph.tensor(plan.graph.outputs[0]).shape) / static_cast<std::size_t>(plan.key.batch);
    carried[i % 2] = std::max(carried[i % 2], whole_cache_lines(image * static_cast<std::size_t>(program.key.batch)));
  }
  for (std::size_t i = 0; i < program.segments.size(); ++i)
    program.segments[i].carried_at = i % 2 == 0 ? 0 : carried[0];
  program.work_at = carried[0] + carried[1];
  program.bytes = program.work_at + work;
}

}  // namespace

graph::Result<std::shared_ptr<const Program>> make_program(const Graph& offered, const ProgramKey& key,
                                                           const kernels::KernelTable& kernels, PackedWeights& packed,
                                                           const SelectionOptions& options) {
  const auto program = std::make_shared<Program>();
  program->key = key;
  SelectionOptions selection = options;
  selection.direct = key.direct;
  const Graph wanted = with_outputs(offered, key.outputs);
  program->outputs.resize(wanted.outputs.size());
  RESIDUA_ASSIGN(const std::vector<Stretch> stretches, stretches_for(wanted, key, kernels));
  std::int64_t height = key.height, width = key.width;
  for (const Stretch& stretch : stretches) {
    const bool alone = key.whole_images && stretch.images == 1;
    const Graph part = stretches.size() == 1 ? wanted : graph::stretch_of(wanted, stretch.first, stretch.end);
    const PlanKey plan_key{stretch.images, height, width, alone ? 1 : key.threads, key.batch};
    RESIDUA_ASSIGN(std::shared_ptr<const Plan> plan, make_plan(part, plan_key, kernels, packed, selection));
    Segment segment{.plan = plan, .alone = alone, .carries = stretch.end != wanted.nodes.size()};
    if (segment.carries) {
      const graph::Shape& carried = plan->graph.tensor(plan->graph.outputs[0]).shape;
      height = carried[2];
      width = carried[3];
    }
    for (std::size_t i = 0; i < wanted.outputs.size(); ++i) {
      const bool made_here = std::any_of(wanted.nodes.begin() + static_cast<std::ptrdiff_t>(stretch.first),
                                         wanted.nodes.begin() + static_cast<std::ptrdiff_t>(stretch.end),
                                         [&](const Node& node) { return node.output == wanted.outputs[i]; });
      if (!made_here && stretches.size() > 1) continue;
      RESIDUA_ASSIGN(program->outputs[i], output_of_image(*plan, segment.outputs.size() + (segment.carries ? 1 : 0)));
      segment.outputs.push_back(i);
    }
    const double runs = static_cast<double>(key.batch) / static_cast<double>(stretch.images);
    program->gflop += plan->gflop * runs;
    for (const Step& step : plan->steps) program->layers.push_back({&step, runs});
    program->segments.push_back(std::move(segment));
  }
  lay_out(*program);
  return std::shared_ptr<const Program>(program);
}

}  // namespace residua::engine
