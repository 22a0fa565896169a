/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What <immintrin.h> is to a kernel that is compiled for tests on CPUs without AVX-512: SIMDe,
 * which has the same names and computes what they mean by AVX2 and plain C. The folder of this file
 * is searched before the compiler's own in that one compilation.
 */
#ifndef AX_TESTS_SIMDE_IMMINTRIN_H
#define AX_TESTS_SIMDE_IMMINTRIN_H

#pragma GCC system_header

#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#endif
