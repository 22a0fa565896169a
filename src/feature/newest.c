/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap from which rows are taken when they are found to be gone at its top: those below
 * may be gone for long, which nobody asks. The second row is found by taking the first out for a
 * moment.
 */
#include "feature/newest.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 16

void ax_newest_init(struct ax_newest *newest)
{
    assert(newest);
    *newest = (struct ax_newest){ 0 };
}

void ax_newest_done(struct ax_newest *newest)
{
    assert(newest);
    free(newest->heap);
    *newest = (struct ax_newest){ 0 };
}

void ax_newest_clear(struct ax_newest *newest)
{
    assert(newest);
    newest->stay_count = newest->count = 0;
}

static bool is_newer(const struct ax_newest_row *a, const struct ax_newest_row *b)
{
    return a->time != b->time ? a->time > b->time : a->number > b->number;
}

/* ---- rows that stay ---- */

static void stays_add(struct ax_newest *newest, struct ax_newest_row row)
{
    struct ax_newest_row *stays = newest->stays;
    if (newest->stay_count == 0 || is_newer(&row, &stays[0])) {
        stays[1] = stays[0];
        stays[0] = row;
    } else if (newest->stay_count == 1 || is_newer(&row, &stays[1])) {
        stays[1] = row;
    }
    if (newest->stay_count < 2)
        newest->stay_count++;
}

/* ---- the heap ---- */

static enum ax_code heap_make_room(struct ax_newest *newest, struct ax_err *err)
{
    if (newest->count < newest->room)
        return AX_OK;
    size_t room = newest->room ? newest->room * 2 : ROOM_FIRST;
    struct ax_newest_row *heap = ax_try_alloc(room, sizeof(*heap));
    if (!heap)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu rows of one key that change", room);
    if (newest->count)
        memcpy(heap, newest->heap, newest->count * sizeof(*heap));
    free(newest->heap);
    newest->heap = heap;
    newest->room = room;
    return AX_OK;
}

static void heap_push(struct ax_newest *newest, struct ax_newest_row row)
{
    assert(newest->count < newest->room);
    struct ax_newest_row *heap = newest->heap;
    size_t at = newest->count++;
    for (; at && is_newer(&row, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = row;
}

static void heap_pop(struct ax_newest *newest)
{
    assert(newest->count);
    struct ax_newest_row *heap = newest->heap;
    struct ax_newest_row last = heap[--newest->count];
    size_t at = 0;
    for (size_t child = 1; child < newest->count; child = 2 * at + 1) {
        if (child + 1 < newest->count && is_newer(&heap[child + 1], &heap[child]))
            child++;
        if (!is_newer(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
}

/* The newest that is there at `moment`; NULL: none is. */
static const struct ax_newest_row *heap_top(struct ax_newest *newest, int64_t moment)
{
    while (newest->count && newest->heap[0].gone <= moment)
        heap_pop(newest);
    return newest->count ? newest->heap : NULL;
}

/* ---- both ---- */

enum ax_code ax_newest_add(struct ax_newest *newest, struct ax_newest_row row, struct ax_err *err)
{
    assert(newest && row.number >= 0 && err);
    if (row.gone == AX_NEWEST_STAYS) {
        stays_add(newest, row);
        return AX_OK;
    }
    if (newest->stay_count == 2 && is_newer(&newest->stays[1], &row))
        return AX_OK;
    if (heap_make_room(newest, err))
        return err->code;
    heap_push(newest, row);
    return AX_OK;
}

void ax_newest_get(struct ax_newest *newest, int64_t moment, int64_t ret_numbers[2])
{
    assert(newest && ret_numbers);
    const struct ax_newest_row *top = heap_top(newest, moment);
    struct ax_newest_row taken[2];
    size_t taken_count = 0;
    size_t stay = 0;
    for (size_t i = 0; i < 2; i++) {
        ret_numbers[i] = -1;
        bool has_stay = stay < newest->stay_count;
        if (top && (!has_stay || is_newer(top, &newest->stays[stay]))) {
            ret_numbers[i] = top->number;
            taken[taken_count++] = *top;
            heap_pop(newest);
            top = heap_top(newest, moment);
        } else if (has_stay) {
            ret_numbers[i] = newest->stays[stay++].number;
        }
    }
    while (taken_count)
        heap_push(newest, taken[--taken_count]);
}
