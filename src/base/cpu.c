/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On x86 the brand is 48 bytes that the instruction CPUID yields, 16 at a time, and its first leaf
 * tells family, model and stepping; a virtual machine often has a brand of no more than "AMD EPYC".
 * Elsewhere user space cannot ask, and the architecture has to do.
 */
#include "base/cpu.h"

#include "base/str.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

#define BRAND_FROM 0x80000002u
#define BRAND_LAST 0x80000004u

static struct ax_str read_brand(char text[AX_CPU_NAME_BYTES])
{
    unsigned words[12] = { 0 };
    for (unsigned leaf = BRAND_FROM; leaf <= BRAND_LAST; leaf++) {
        unsigned *to = words + (size_t)4 * (leaf - BRAND_FROM);
        if (!__get_cpuid(leaf, to, to + 1, to + 2, to + 3))
            return AX_STR("x86_64");
    }
    memcpy(text, words, sizeof(words));
    text[sizeof(words)] = '\0';
    struct ax_str brand = ax_str_trim(ax_str_from(text));
    return brand.len ? brand : AX_STR("x86_64");
}

/* The parts are numbered as CPUID has them, its extended fields in front. */
static void append_signature(char name[AX_CPU_NAME_BYTES])
{
    unsigned eax = 0, ignored;
    size_t len = strlen(name);
    if (!__get_cpuid(1, &eax, &ignored, &ignored, &ignored))
        return;
    (void)snprintf(name + len, AX_CPU_NAME_BYTES - len, " (family %u, model %u, stepping %u)",
                   (eax >> 20 & 0xff) + (eax >> 8 & 0xf), (eax >> 12 & 0xf0) | (eax >> 4 & 0xf),
                   eax & 0xf);
}
#elif defined(__aarch64__)
static struct ax_str read_brand(char text[AX_CPU_NAME_BYTES])
{
    (void)text;
    return AX_STR("aarch64");
}

static void append_signature(char name[AX_CPU_NAME_BYTES])
{
    (void)name;
}
#else
static struct ax_str read_brand(char text[AX_CPU_NAME_BYTES])
{
    (void)text;
    return AX_STR("unknown");
}

static void append_signature(char name[AX_CPU_NAME_BYTES])
{
    (void)name;
}
#endif

void ax_cpu_name(char ret_name[AX_CPU_NAME_BYTES])
{
    assert(ret_name);
    char text[AX_CPU_NAME_BYTES];
    struct ax_str brand = read_brand(text);
    (void)snprintf(ret_name, AX_CPU_NAME_BYTES, "%.*s", AX_STR_ARG(brand));
    for (char *c = ret_name; *c; c++)
        *c = *c >= ' ' && *c < 0x7f ? *c : '?';
    append_signature(ret_name);
}
