// Copies of whole pixels of NHWC images: channels side by side (concat), and frames made of an image's own pixels
// (pad).

#include <algorithm>
#include <cstring>

#include "engine/layout.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

void copy_floats(const float* from, std::int64_t count, float* to) {
  std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
}

std::string reject_concat(const StepRequest& request) {
  if (request.output().shape.size() != 4) return "the output has not four dimensions";
  const std::int64_t axis = graph::attributes_of<graph::AxisAttributes>(request.node).axis;
  return axis == 1 || axis == -3 ? "" : "it joins along another axis than the channels";
}

Step make_concat(const StepRequest& request) {
  struct Source {
    std::function<const float*(const Binding&)> locate;
    std::int64_t channels, first;  // its first channel in the output
  };
  std::vector<Source> sources;
  std::int64_t channels = 0;
  for (std::size_t i = 0; i < request.node.inputs.size(); ++i) {
    sources.push_back({request.locate(i), request.input(i).shape[1], channels});
    channels += sources.back().channels;
  }
  const graph::Shape& shape = request.output().shape;
  Step step = request.make_step("pixel copy");
  step.bind = [sources, channels, pixels = shape[0] * shape[2] * shape[3], threads = request.threads,
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    struct Run {
      const float* from;
      std::int64_t channels, first;
    };
    std::vector<Run> runs;
    runs.reserve(sources.size());
    for (const Source& source : sources) runs.push_back({source.locate(binding), source.channels, source.first});
    float* const output = binding.address(output_id);
    return {in_ranges(threads, pixels, [=, runs = std::move(runs)](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p)
        for (const Run& run : runs)
          copy_floats(run.from + p * run.channels, run.channels, output + p * channels + run.first);
    })};
  };
  return step;
}

std::string reject_pad(const StepRequest& request) {
  const auto& pad = graph::attributes_of<graph::PadAttributes>(request.node);
  if (request.node.inputs.size() > 1) return "the pads are not known";
  if (pad.mode == graph::PadMode::constant) return "it pads with a constant";
  if (request.output().shape.size() != 4) return "the output has not four dimensions";
  for (const auto* counts : {&pad.before, &pad.after})
    if ((*counts)[0] != 0 || (*counts)[1] != 0) return "it pads another dimension than height and width";
  return "";
}

// Which row or column of an image of `size` each of the padded ones shows.
std::vector<std::int64_t> sources_along(graph::PadMode mode, std::int64_t before, std::int64_t size,
                                        std::int64_t padded) {
  std::vector<std::int64_t> sources;
  for (std::int64_t i = 0; i < padded; ++i) {
    const std::int64_t position = i - before;
    const std::int64_t inside = std::clamp<std::int64_t>(position, 0, size - 1);
    sources.push_back(mode == graph::PadMode::reflect ? 2 * inside - position : inside);
  }
  return sources;
}

Step make_pad(const StepRequest& request) {
  const auto& pad = graph::attributes_of<graph::PadAttributes>(request.node);
  const graph::Shape &x = request.input(0).shape, &y = request.output().shape;
  Step step = request.make_step("pixel copy");
  step.bind = [rows = sources_along(pad.mode, pad.before[2], x[2], y[2]),
               columns = sources_along(pad.mode, pad.before[3], x[3], y[3]), x, y, left = pad.before[3],
               threads = request.threads, locate = request.locate(0),
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate(binding);
    float* const output = binding.address(output_id);
    const std::int64_t channels = y[1];
    return {in_ranges(threads, y[0] * y[2], [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t line = begin; line < end; ++line) {
        const std::int64_t image = line / y[2], row = rows[static_cast<std::size_t>(line % y[2])];
        const float* const from = input + (image * x[2] + row) * x[3] * channels;
        float* const to = output + line * y[3] * channels;
        copy_floats(from, x[3] * channels, to + left * channels);
        for (std::int64_t column = 0; column < y[3]; ++column) {
          if (column == left) column += x[3];
          if (column < y[3])
            copy_floats(from + columns[static_cast<std::size_t>(column)] * channels, channels, to + column * channels);
        }
      }
    })};
  };
  return step;
}

}  // namespace

std::vector<Implementation> image_copy_implementations() {
  return {{graph::Op::concat, "pixel copy", reject_concat, make_concat},
          {graph::Op::pad, "pixel copy", reject_pad, make_pad}};
}

}  // namespace residua::engine
