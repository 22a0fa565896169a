/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AVX-512 kernel as tests run it on any CPU that has AVX2: its own text, compiled with SIMDe
 * in the place of the compiler's intrinsics (tests/simde/immintrin.h). A program that is linked
 * with this finds this kernel in the table of kernels instead of the real one. Not a test itself.
 */
#define AX_BLOCK_AVX512

/* What is not emulated is what the kernel shares with the AVX2 one. */
#define __builtin_cpu_supports(feature) (__builtin_cpu_supports("avx2"))

#include "../../../../src/engine/forest/kernel_avx512.c"
#include "../../../../src/engine/forest/mux_block.c"
