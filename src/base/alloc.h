/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two kinds of allocation.
 *
 * Small bookkeeping whose size our own code decides uses the ax_x functions, which abort when
 * memory is gone. Whatever has its size from outside (body, batch, artifact) is checked against its
 * limit first and goes through ax_try_alloc, which may be refused. All results are freed by free().
 * What may become large is a block (base/block.h).
 */
#ifndef AX_BASE_ALLOC_H
#define AX_BASE_ALLOC_H

#include "base/compiler.h"

/* `size` zeroed bytes; aborts the process with a message when memory is gone. `size` may be 0. */
void *ax_xalloc(size_t size) AX_RETURNS_NONNULL;

/* An array of `count` elements of `size` bytes grown or shrunk from `ptr` (NULL: a new one); new
 * bytes are not zeroed. Aborts when memory is gone or the product overflows. */
void *ax_xrealloc(void *ptr, size_t count, size_t size) AX_RETURNS_NONNULL;

/* A copy of a NUL-terminated text, or of the first `len` bytes of `ptr` with a NUL behind them. */
char *ax_xstrdup(const char *text) AX_RETURNS_NONNULL;
char *ax_xmemdup0(const char *ptr, size_t len) AX_RETURNS_NONNULL;

/* `count` * `size` bytes, not zeroed, aligned for any type, or NULL when refused or overflowing:
 * the caller answers AX_E_LIMIT. This and ax_try_map are what the torture tests make fail. */
void *ax_try_alloc(size_t count, size_t size) AX_MUST_USE;

/* What a result of any of these takes from the heap, which is more than what was asked for. NULL
 * takes nothing. */
size_t ax_alloc_bytes(const void *ptr);

/* For base/block.c: a mapping of `size` bytes, made of `ptr`, a mapping of `old_size` bytes (NULL:
 * of none), which is gone then; what is new is zeroed. Both are multiples of AX_MAP_UNIT, which is
 * one of every page size. NULL when refused; then `ptr` is as it was. */
#define AX_MAP_UNIT ((size_t)64 << 10)
void *ax_try_map(void *ptr, size_t old_size, size_t size) AX_MUST_USE;

#endif
