/// What the bits of a run rest on beside recipe and data: the program and the kernels it chose.
#pragma once
#include "comm/comm.h"
#include "store/tensors.h"

enum { PLATFORM_VALUES = 3 };

/// Local. What a checkpoint keeps of it.
void platform_values(Value values[PLATFORM_VALUES]);
/// Collective. USAGE naming both sides if a rank has another build, BLAS or kernels than rank 0.
COLLECTIVE
Status platform_agree(const Comm *comm);
/// Local. Warns where a checkpoint was made with another BLAS or other kernels: what follows may
/// differ in bits from an uninterrupted run.
void platform_compare(const TensorFile *checkpoint);
