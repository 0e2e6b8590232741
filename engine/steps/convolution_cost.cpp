#include "engine/steps/convolution_cost.h"

#include "engine/layout.h"

namespace residua::engine {

std::size_t own_weight_bytes(const StepRequest& request) { return float_bytes(request.input(1).shape); }

Cost direct_cost(const StepRequest& request) {
  const graph::Shape& weight = request.input(1).shape;
  const graph::Shape& y = request.output().shape;
  return {.multiplications = static_cast<double>(y[2] * y[3]) * static_cast<double>(float_count(weight)),
          .weight_bytes = own_weight_bytes(request)};
}

}  // namespace residua::engine
