#include "tests/kernels/winograd_case.h"

#include <algorithm>
#include <sstream>

#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random_case.h"

using namespace residua::kernels;

ReferenceConvolution WinogradCase::reference() const {
  return {geometry(), stride, input.data(), weights.data(), bias.data(), residual.empty() ? nullptr : residual.data(),
          relu};
}

std::string WinogradCase::text() const {
  std::ostringstream out;
  out << "images " << images << ", height " << height << ", width " << width << ", channels " << channels
      << ", output channels " << output_channels << ", stride " << stride << ", padding top " << padding.top << " left "
      << padding.left << " bottom " << padding.bottom << " right " << padding.right << ", residual "
      << !residual.empty() << ", in place " << in_place << ", relu " << relu << ", input " << name_of(fill)
      << ", weights " << name_of(weight_fill);
  return out.str();
}

void fill_tensors(WinogradCase& c, bool with_residual, std::mt19937& random) {
  const WinogradGeometry g = c.geometry();
  c.input.resize(size(c.images * c.height * c.width * c.channels));
  c.weights.resize(size(c.output_channels * c.channels * c.taps * c.taps));
  c.bias.resize(size(c.output_channels));
  c.residual.resize(with_residual ? size(c.images * g.output_height * g.output_width * c.output_channels) : 0);
  fill_with(c.fill, c.input, random);
  fill_with(c.weight_fill, c.weights, random);
  fill_with(c.fill, c.bias, random);
  fill_with(c.fill, c.residual, random);
}

WinogradCase random_winograd_case(std::mt19937& random, std::int64_t work) {
  WinogradCase c{};
  c.images = pick(random, 1, 3);
  c.stride = static_cast<int>(pick(random, 1, 2));
  const std::int64_t most = coin(random) ? 30 : 9;
  c.height = pick(random, c.taps - 2, most);
  c.width = pick(random, c.taps - 2, most);
  c.channels = pick_channels(random, 70);
  c.output_channels = pick_channels(random, 70);
  // Fewer of what there are most of.
  while (c.images * c.height * c.width * c.channels * c.output_channels * c.taps * c.taps > work)
    if (c.images > 1)
      --c.images;
    else
      (c.channels > c.output_channels ? c.channels : c.output_channels) /= 2;
  c.padding = {pick(random, 0, 1), pick(random, 0, 1), pick(random, 0, 1), pick(random, 0, 1)};
  // There must be an output.
  if (c.height + c.padding.top + c.padding.bottom < c.taps) {
    c.padding.top = 1;
    c.padding.bottom = 1;
  }
  if (c.width + c.padding.left + c.padding.right < c.taps) {
    c.padding.left = 1;
    c.padding.right = 1;
  }
  c.relu = coin(random);
  c.in_place = coin(random);
  c.fill = all_fills[pick(random, 0, 7)];
  c.weight_fill = c.fill == Fill::mixed ? Fill::mixed : coin(random) ? Fill::uniform : Fill::positive;
  fill_tensors(c, coin(random), random);
  return c;
}

std::vector<WinogradKernelSet> winograd_kernel_sets(int stride) {
  std::vector<WinogradKernelSet> sets;
  for (const KernelTable& table : tables_of_this_cpu())
    for (const WinogradKernels* winograd :
         {&table.winograd_6x6, &table.winograd_4x4, &table.winograd_4x4_compact, &table.winograd_4x4_terms,
          &table.winograd_2x2, &table.winograd_2x2_compact, &table.winograd_4x4_stride_2,
          &table.winograd_4x4_stride_2_compact, &table.winograd_2x2_stride_2, &table.winograd_2x2_stride_2_compact}) {
      const WinogradScheme& scheme = winograd->scheme;
      if (scheme.stride != stride) continue;
      const std::string tile = std::to_string(scheme.tile);
      sets.push_back({std::string(name_of(table.instruction_set)) + " " + tile + "x" + tile +
                          (scheme.kept == WinogradWeights::compact ? " compact"
                           : scheme.kept == WinogradWeights::terms ? " terms"
                                                                   : ""),
                      table.products, *winograd});
    }
  return sets;
}

WinogradBlocking random_blocking(const WinogradKernelSet& kernels, std::mt19937& random) {
  return {.rows = static_cast<int>(pick(random, 1, kernels.products.rows)),
          .vectors = static_cast<int>(pick(random, 1, kernels.products.vectors)),
          .panels = pick(random, 1, 3),
          .gap = coin(random) ? 0 : pick(random, 1, 20)};
}

std::string text_of(const WinogradBlocking& blocking) {
  std::ostringstream out;
  out << "rows " << blocking.rows << ", vectors " << blocking.vectors << ", panels " << blocking.panels << ", gap "
      << blocking.gap;
  return out.str();
}

std::optional<std::vector<float>> run_guarded(const WinogradCase& c, const WinogradKernelSet& kernels,
                                              const WinogradBlocking& blocking, std::mt19937& random) {
  const WinogradLayer layer{kernels.products, kernels.winograd, c.geometry(), blocking};
  const WinogradGeometry& g = layer.geometry;
  const WinogradSizes sizes = sizes_of(layer);
  const std::int64_t outputs = c.images * g.output_height * g.output_width * g.output_channels;
  const std::int64_t lanes = kernels.products.lanes, whole_bias = (c.output_channels + lanes - 1) / lanes * lanes;
  GuardedBuffer input(c.images * c.height * c.width * c.channels, random),
      weights(static_cast<std::int64_t>(c.weights.size()), random), bias(whole_bias, random), residual(outputs, random),
      packed(sizes.packed, random), panels(sizes.panels, random), sums(sizes.sums, random), output(outputs, random);
  std::copy(c.input.begin(), c.input.end(), input.data());
  std::copy(c.weights.begin(), c.weights.end(), weights.data());
  std::fill(std::copy(c.bias.begin(), c.bias.end(), bias.data()), bias.data() + whole_bias, 0.0f);
  const bool in_place = c.in_place && !c.residual.empty();
  std::copy(c.residual.begin(), c.residual.end(), in_place ? output.data() : residual.data());
  for (GuardedBuffer* buffer : {&input, &weights, &bias, &residual}) buffer->freeze();
  pack_winograd_weights(layer, weights.data(), packed.data());
  packed.freeze();
  const float* added = c.residual.empty() ? nullptr : in_place ? output.data() : residual.data();
  run_winograd_layer(layer, input.data(), packed.data(), panels.data(), sums.data(),
                     {output.data(), added, bias.data(), c.relu});
  bool untouched = true;
  for (GuardedBuffer* buffer : {&packed, &panels, &sums, &output}) untouched &= buffer->margins_untouched();
  for (std::int64_t position = 1; position <= kernels.winograd.scheme.positions; ++position)
    for (std::int64_t i = 1; i <= blocking.gap; ++i)
      untouched &= GuardedBuffer::untouched(panels.values()[size(position * sizes.panel_position_stride - i)]) &&
                   GuardedBuffer::untouched(sums.values()[size(position * sizes.sum_position_stride - i)]);
  if (!untouched) return std::nullopt;
  return std::vector<float>(output.values().begin(), output.values().end());
}
