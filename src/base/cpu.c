/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On x86 the brand is 48 bytes that the instruction CPUID yields, 16 at a time. Elsewhere user
 * space cannot ask, and the architecture has to do.
 */
#include "base/cpu.h"

#include "base/str.h"

#include <assert.h>
#include <stdio.h>

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
#elif defined(__aarch64__)
static struct ax_str read_brand(char text[AX_CPU_NAME_BYTES])
{
    (void)text;
    return AX_STR("aarch64");
}
#else
static struct ax_str read_brand(char text[AX_CPU_NAME_BYTES])
{
    (void)text;
    return AX_STR("unknown");
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
}
