/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library as compilers make it with -ffast-math: as it is loaded, it has denormals flushed to
 * zero, by setting the mode of the thread that loads it. Tests open it, and preload it.
 */
#include <stdint.h>

#if defined(__x86_64__)

#include <immintrin.h>

static void set_mode(void)
{
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
}

#elif defined(__aarch64__)

static void set_mode(void)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(1) << 24)); /* flush to zero */
}

#else

static void set_mode(void)
{
}

#endif

__attribute__((constructor)) static void flush_to_zero(void)
{
    set_mode();
}
