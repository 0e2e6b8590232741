// Batch norm that no convolution could take: one multiply and one add a channel.

#include <cmath>

#include "engine/steps/clamp.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

std::string reject(const StepRequest& request) {
  for (std::size_t i = 1; i <= 4; ++i)
    if (!request.input(i).is_constant()) return "the statistics are no constants";
  if (request.input(0).shape.size() != 4) return "x has not four dimensions";
  return "";
}

Step make(const StepRequest& request) {
  const auto scale = graph::read_floats(request.input(1)), shift = graph::read_floats(request.input(2));
  const auto mean = graph::read_floats(request.input(3)), variance = graph::read_floats(request.input(4));
  const auto& [epsilon, activation] = graph::attributes_of<graph::BatchNormAttributes>(request.node);
  struct Coefficients {
    std::vector<float> scale, shift;
  };
  const auto coefficients = std::make_shared<Coefficients>();
  for (std::size_t c = 0; c < scale.size(); ++c) {
    const double factor = scale[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    coefficients->scale.push_back(static_cast<float>(factor));
    coefficients->shift.push_back(static_cast<float>(shift[c] - mean[c] * factor));
  }
  const graph::Shape& shape = request.output().shape;
  Step step = request.make_step(std::string("scale_shift ") + std::string(name_of(request.kernels.vector_set())));
  if (request.may_overwrite(request.node.input(0))) step.overwrites = request.node.input(0);
  step.bind = [coefficients, channels = shape[1], pixels = shape[0] * shape[2] * shape[3], threads = request.threads,
               minimum = least_value(activation), kernel = request.kernels.scale_shift, locate = request.locate(0),
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate(binding);
    float* const output = binding.address(output_id);
    return {in_ranges(threads, pixels, [=](std::int64_t begin, std::int64_t end) {
      kernel(input + begin * channels, end - begin, channels, coefficients->scale.data(), coefficients->shift.data(),
             minimum, output + begin * channels);
    })};
  };
  return step;
}

}  // namespace

std::vector<Implementation> batch_norm_implementations() {
  return {{graph::Op::batch_norm, "scale_shift", reject, make}};
}

}  // namespace residua::engine
