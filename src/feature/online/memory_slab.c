/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of 32 MiB are mapped, runs are cut from chunks, and objects from runs. A class's runs
 * begin small and double to 2 MiB, so that a store of a few rows takes little and a large one few
 * runs. A freed object is put in front of its class's list: the next one finds it warm.
 *
 * Objects of 64 KiB and more are the arrays of tables that doubled; no other will have that size
 * soon, while rows are what comes next. They are cut into runs again: memory that a growing table
 * leaves behind is not lost.
 *
 * Not done: giving chunks back. What shrinks grows again, and rows of all ages share a run.
 */
#include "feature/online/memory_slab.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define STEP          ((size_t)16)
#define STEPS_MAX     ((size_t)1024)
#define EIGHTHS       8
#define CHUNK_BYTES   ((size_t)32 << 20)
#define RUN_BYTES_MIN ((size_t)64 << 10)
#define RUN_BYTES_MAX ((size_t)2 << 20)
#define RUNS_LEFT     16 /* a run is at most such a part of what is left */
#define SPARE_MIN     ((size_t)64 << 10)
#define ALIGN         ((size_t)64)

struct ax_memory_free {
    struct ax_memory_free *next;
};

struct ax_memory_spare {
    struct ax_memory_spare *next;
    size_t bytes;
};

/* In front of each chunk. */
struct ax_memory_chunk {
    struct ax_memory_chunk *next;
    char padding[ALIGN - sizeof(struct ax_memory_chunk *)];
};

/* Have AddressSanitizer report who touches an object that was freed, or is not one yet. */
#ifdef __SANITIZE_ADDRESS__
static void hide(const void *ptr, size_t bytes)
{
    __asan_poison_memory_region(ptr, bytes);
}

static void show(const void *ptr, size_t bytes)
{
    __asan_unpoison_memory_region(ptr, bytes);
}
#else
static void hide(const void *ptr, size_t bytes)
{
    (void)ptr;
    (void)bytes;
}

static void show(const void *ptr, size_t bytes)
{
    (void)ptr;
    (void)bytes;
}
#endif

static size_t log2_of(size_t value)
{
    return (size_t)(63 - __builtin_clzll(value));
}

static size_t class_of(size_t bytes)
{
    if (bytes <= STEPS_MAX)
        return (bytes - 1) / STEP;
    size_t power = log2_of(bytes - 1); /* 2^power < bytes <= 2^(power + 1) */
    size_t eighth = (bytes - 1) >> (power - 3);
    return STEPS_MAX / STEP + (power - 10) * EIGHTHS + eighth - EIGHTHS;
}

static size_t class_bytes(size_t class)
{
    if (class < STEPS_MAX / STEP)
        return (class + 1) * STEP;
    size_t above = class - STEPS_MAX / STEP;
    return (above % EIGHTHS + EIGHTHS + 1) << (above / EIGHTHS + 7);
}

void ax_memory_slab_init(struct ax_memory_slab *slab, size_t bytes_max)
{
    assert(slab && class_of(AX_MEMORY_SLAB_BYTES_MAX) == AX_MEMORY_SLAB_CLASSES - 1);
    *slab = (struct ax_memory_slab){ .budget.max = bytes_max };
    for (size_t i = 0; i < AX_MEMORY_SLAB_CLASSES; i++)
        slab->classes[i].run_bytes = RUN_BYTES_MIN;
}

void ax_memory_slab_done(struct ax_memory_slab *slab)
{
    if (!slab)
        return;
    while (slab->chunks) {
        struct ax_memory_chunk *chunk = slab->chunks;
        slab->chunks = chunk->next;
        show(chunk, CHUNK_BYTES);
        int result = munmap(chunk, CHUNK_BYTES);
        assert(result == 0);
    }
}

static bool slab_map(struct ax_memory_slab *slab)
{
    struct ax_memory_chunk *chunk = ax_try_map(NULL, 0, CHUNK_BYTES);
    if (!chunk)
        return false;
    (void)madvise(chunk, CHUNK_BYTES, MADV_HUGEPAGE); /* where the system allows it */
    chunk->next = slab->chunks;
    slab->chunks = chunk;
    slab->at = (char *)(chunk + 1);
    slab->end = (char *)chunk + CHUNK_BYTES;
    return true;
}

/* A run out of what was freed. */
static bool slab_reuse(struct ax_memory_slab *slab, struct ax_memory_class *class, size_t size)
{
    struct ax_memory_spare *spare = slab->spares;
    if (!spare || spare->bytes < size)
        return false;
    slab->spares = spare->next;
    class->at = (char *)spare;
    class->end = class->at + spare->bytes / size * size;
    return true;
}

/* What is left out before a run of objects of `size`. */
static size_t slab_gap(const struct ax_memory_slab *slab, size_t size)
{
    size_t align = size % AX_MEMORY_SLAB_PAGE == 0 ? AX_MEMORY_SLAB_PAGE : ALIGN;
    return (align - (uintptr_t)slab->at % align) % align;
}

/* A new run of objects of `size`, as long as it is wanted and there is. */
static bool slab_begin_run(struct ax_memory_slab *slab, struct ax_memory_class *class, size_t size,
                           size_t kept)
{
    if (slab_reuse(slab, class, size))
        return true;
    size_t left = slab->budget.max - slab->budget.used;
    size_t wanted = AX_MIN(class->run_bytes, left / RUNS_LEFT);
    size_t bytes = AX_MAX(wanted / size, (size_t)1) * size;
    if (left < kept || left - kept < bytes)
        return false;
    if ((size_t)(slab->end - slab->at) < slab_gap(slab, size) + bytes && !slab_map(slab))
        return false;
    bool taken = ax_budget_take(&slab->budget, bytes);
    assert(taken);
    class->at = slab->at + slab_gap(slab, size);
    class->end = class->at + bytes;
    slab->at = class->end;
    class->run_bytes = AX_MIN(2 * class->run_bytes, RUN_BYTES_MAX);
    return true;
}

void *ax_memory_slab_alloc(struct ax_memory_slab *slab, size_t bytes, size_t kept)
{
    assert(slab && bytes && bytes <= AX_MEMORY_SLAB_BYTES_MAX);
    size_t index = class_of(bytes);
    size_t size = class_bytes(index);
    struct ax_memory_class *class = &slab->classes[index];
    void *made = class->free;
    if (made) {
        class->free = class->free->next;
    } else {
        if ((size_t)(class->end - class->at) < size && !slab_begin_run(slab, class, size, kept))
            return NULL;
        made = class->at;
        class->at += size;
    }
    slab->used += size;
    show(made, size);
    return made;
}

void ax_memory_slab_free(struct ax_memory_slab *slab, void *ptr, size_t bytes)
{
    assert(slab && ptr && bytes && bytes <= AX_MEMORY_SLAB_BYTES_MAX);
    size_t index = class_of(bytes);
    size_t size = class_bytes(index);
    slab->used -= size;
    if (size >= SPARE_MIN) {
        struct ax_memory_spare *spare = ptr;
        *spare = (struct ax_memory_spare){ slab->spares, size };
        slab->spares = spare;
        hide(spare + 1, size - sizeof(*spare));
        return;
    }
    struct ax_memory_free *freed = ptr;
    freed->next = slab->classes[index].free;
    slab->classes[index].free = freed;
    hide(freed + 1, size - sizeof(*freed));
}
