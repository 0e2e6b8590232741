// The classifier, as a convolution on oneDNN.
//
// oneDNN's inner product sums in another order for one image than for several; its convolutions do not, and equal
// images must give equal bits in whatever company they come. x with one pixel an image, [N, K], is one image of N
// pixels and K channels; x with more pixels is a convolution whose window is the whole image.

#include "engine/onednn.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

Step make(const StepRequest& request) {
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& weight = request.input(1).shape;
  const std::int64_t images = x[0], outputs = weight[0], inputs = weight[1];
  if (!is_row_major(x))
    return make_onednn_convolution_step(request, {.source = x,
                                                  .destination = {images, outputs, 1, 1},
                                                  .plain_weights = row_major_desc({outputs, x[1], x[2], x[3]})});
  return make_onednn_convolution_step(request, {.source = {1, inputs, 1, images},
                                                .destination = {1, outputs, 1, images},
                                                .plain_weights = row_major_desc({outputs, inputs, 1, 1})});
}

}  // namespace

std::vector<Implementation> onednn_fully_connected_implementations() {
  return {{graph::Op::fully_connected, "onednn", reject_without_constant_weights, make}};
}

}  // namespace residua::engine
