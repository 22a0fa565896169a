/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that aborts and allocation that may be refused. Nothing in this file calls
 * ax_try_alloc or ax_try_map, so that the linker's --wrap, which sees only calls between object
 * files, reaches every call of them.
 */
#include "base/alloc.h"

#include <assert.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

AX_NORETURN static void alloc_abort(size_t size)
{
    (void)fprintf(stderr, "auspex: out of memory (%zu bytes)\n", size);
    abort();
}

void *ax_xalloc(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);
    if (!ptr)
        alloc_abort(size);
    return ptr;
}

void *ax_xrealloc(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (AX_MUL_OVERFLOWS(count, size, &bytes))
        alloc_abort((size_t)-1);
    void *grown = realloc(ptr, bytes ? bytes : 1);
    if (!grown)
        alloc_abort(bytes);
    return grown;
}

char *ax_xstrdup(const char *text)
{
    assert(text);
    return ax_xmemdup0(text, strlen(text));
}

char *ax_xmemdup0(const char *ptr, size_t len)
{
    assert(ptr || !len);
    char *copy = ax_xalloc(len + 1);
    if (len)
        memcpy(copy, ptr, len);
    return copy;
}

void *ax_try_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (AX_MUL_OVERFLOWS(count, size, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    return malloc(bytes ? bytes : 1);
}

size_t ax_alloc_bytes(const void *ptr)
{
    /* The allocator's function does not say const, and writes nothing. */
    union {
        const void *from;
        void *to;
    } at = { .from = ptr };
    return ptr ? malloc_usable_size(at.to) + sizeof(size_t) : 0;
}

void *ax_try_map(void *ptr, size_t old_size, size_t size)
{
    assert(size && size % AX_MAP_UNIT == 0 && old_size % AX_MAP_UNIT == 0 && !ptr == !old_size);
    void *map = ptr ? mremap(ptr, old_size, size, MREMAP_MAYMOVE)
                    : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}
