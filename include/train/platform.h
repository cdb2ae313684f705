/// What the bits of a run rest on beside recipe and data: the program and the kernels it chose.
#pragma once
#include "comm/comm.h"
#include "store/tensors.h"

/// Local. First of all: `gemm_choose_core`, with a note for those programs that this one starts.
void platform_choose_core(char **argv);
/// Local. The environment for a program that may start others on other nodes: without an
/// OPENBLAS_CORETYPE that this node chose.
void platform_forget_core(void);
/// Local. Names the kernels in the provenance of all that is written from now on.
void platform_start(void);
/// Local. Logs program, build and kernels.
void platform_announce(void);
/// Collective. USAGE naming both sides if a rank has another build, BLAS or kernels than rank 0.
COLLECTIVE
Status platform_agree(const Comm *comm);
/// Local. Warns where a checkpoint was made with another BLAS or other kernels: what follows may
/// differ in bits from an uninterrupted run.
void platform_compare(const TensorFile *checkpoint);
