/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrapper around ax_try_alloc and ax_try_map, put in place by the linker's --wrap.
 *
 * It counts the calls of the whole process and refuses the one whose number
 * stands in AX_TORTURE_FAIL_AT. It says so on stderr at once, so that
 * tools/torture knows of it even when the process dies next. A test may name
 * the call instead.
 *
 * Our own calls of malloc and its kind are counted too, for tests of what must not allocate.
 */
#include "torture.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *__real_ax_try_alloc(size_t count, size_t size);
void *__wrap_ax_try_alloc(size_t count, size_t size);
void *__real_ax_try_map(void *ptr, size_t old_size, size_t size);
void *__wrap_ax_try_map(void *ptr, size_t old_size, size_t size);

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static atomic_ulong allocations;
static atomic_ulong calls;
static atomic_ulong asked; /* the number of the call that a test names; 0: none */
static atomic_bool struck;

bool ax_torture_struck(void)
{
    return atomic_load(&struck);
}

void ax_torture_refuse(unsigned long number)
{
    atomic_store(&struck, false);
    atomic_store(&asked, number ? atomic_load(&calls) + number : 0);
}

/* Count a call; true when it is the one to refuse. */
static bool strikes(void)
{
    const char *text = getenv("AX_TORTURE_FAIL_AT");
    unsigned long fail_at = text ? strtoul(text, NULL, 10) : 0;
    unsigned long call = atomic_fetch_add(&calls, 1) + 1;
    bool is_asked = call == atomic_load(&asked);
    if (call != fail_at && !is_asked)
        return false;
    static const char note[] = "torture: refused\n";
    atomic_store(&struck, true);
    ssize_t written = is_asked ? 0 : write(STDERR_FILENO, note, sizeof(note) - 1);
    (void)written;
    return true;
}

void *__wrap_ax_try_alloc(size_t count, size_t size)
{
    return strikes() ? NULL : __real_ax_try_alloc(count, size);
}

void *__wrap_ax_try_map(void *ptr, size_t old_size, size_t size)
{
    return strikes() ? NULL : __real_ax_try_map(ptr, old_size, size);
}

unsigned long ax_torture_allocations(void)
{
    return atomic_load(&allocations);
}

void *__wrap_malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_realloc(ptr, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __real_aligned_alloc(align, size);
}
