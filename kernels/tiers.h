// One function a tier and a family of kernels: puts that tier's kernels into the table.
#pragma once

#include "kernels/table.h"

namespace residua::kernels {

void fill_layout_sse2(KernelTable& table) noexcept;
void fill_layout_avx2(KernelTable& table) noexcept;
void fill_layout_avx512(KernelTable& table) noexcept;

void fill_pooling_sse2(KernelTable& table) noexcept;
void fill_pooling_avx2(KernelTable& table) noexcept;
void fill_pooling_avx512(KernelTable& table) noexcept;

void fill_elementwise_sse2(KernelTable& table) noexcept;
void fill_elementwise_avx2(KernelTable& table) noexcept;
void fill_elementwise_avx512(KernelTable& table) noexcept;

void fill_products_sse2(KernelTable& table) noexcept;
void fill_products_avx2(KernelTable& table) noexcept;
void fill_products_avx512(KernelTable& table) noexcept;

void fill_convolution_sse2(KernelTable& table) noexcept;
void fill_convolution_avx2(KernelTable& table) noexcept;
void fill_convolution_avx512(KernelTable& table) noexcept;

void fill_grouped_sse2(KernelTable& table) noexcept;
void fill_grouped_avx2(KernelTable& table) noexcept;
void fill_grouped_avx512(KernelTable& table) noexcept;

void fill_winograd_sse2(KernelTable& table) noexcept;
void fill_winograd_avx2(KernelTable& table) noexcept;
void fill_winograd_avx512(KernelTable& table) noexcept;

void fill_stem_sse2(KernelTable& table) noexcept;
void fill_stem_avx2(KernelTable& table) noexcept;
void fill_stem_avx512(KernelTable& table) noexcept;

void fill_strassen_sse2(KernelTable& table) noexcept;
void fill_strassen_avx2(KernelTable& table) noexcept;
void fill_strassen_avx512(KernelTable& table) noexcept;

void fill_tiles_amx(KernelTable& table) noexcept;

void fill_peak_sse2(KernelTable& table) noexcept;
void fill_peak_avx2(KernelTable& table) noexcept;
void fill_peak_avx512(KernelTable& table) noexcept;

}  // namespace residua::kernels
