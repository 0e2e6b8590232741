#include "kernels/tiers.h"

namespace residua::kernels {

KernelTable make_kernel_table(const CpuFeatures& cpu, InstructionSet cap) {
  using Fill = void (*)(KernelTable&) noexcept;
  struct Tier {
    InstructionSet set;
    Fill fills[10];  // as many as there are; nullptr behind them
  };
  static constexpr Tier tiers[] = {
      {InstructionSet::sse2,
       {fill_layout_sse2, fill_pooling_sse2, fill_elementwise_sse2, fill_products_sse2, fill_convolution_sse2,
        fill_grouped_sse2, fill_winograd_sse2, fill_stem_sse2, fill_strassen_sse2, fill_peak_sse2}},
      {InstructionSet::avx2,
       {fill_layout_avx2, fill_pooling_avx2, fill_elementwise_avx2, fill_products_avx2, fill_convolution_avx2,
        fill_grouped_avx2, fill_winograd_avx2, fill_stem_avx2, fill_strassen_avx2, fill_peak_avx2}},
      {InstructionSet::avx512,
       {fill_layout_avx512, fill_pooling_avx512, fill_elementwise_avx512, fill_products_avx512, fill_convolution_avx512,
        fill_grouped_avx512, fill_winograd_avx512, fill_stem_avx512, fill_strassen_avx512, fill_peak_avx512}},
      {InstructionSet::amx, {fill_tiles_amx}},
  };
  KernelTable table{};
  table.instruction_set = best_instruction_set(cpu, cap);
  table.loads_bind_products = cpu.two_wide_units && table.instruction_set >= InstructionSet::avx512;
  for (const Tier& tier : tiers) {
    if (tier.set > table.instruction_set) break;
    for (Fill fill : tier.fills)
      if (fill != nullptr) fill(table);
  }
  return table;
}

}  // namespace residua::kernels
