// The rate that multiply-adds on registers reach: what percentages are of.
#pragma once

#include "kernels/table.h"

// Floating-point operations a second, the best of some short bursts. Takes some hundredths of a second.
double measure_peak(const residua::kernels::KernelTable& table);
