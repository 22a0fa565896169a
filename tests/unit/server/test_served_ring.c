/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: pieces come out of a ring whole and in order, whatever their sizes, while others go in.
 * Method: one thread writes, another reads; the bytes of a piece follow from its number. Also run
 * under ThreadSanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/served_ring.h"

#include "base/thread.h"

#include <sched.h>
#include <string.h>

enum { PIECES = 200000 };

static size_t piece_bytes(size_t i)
{
    return 8 + i * 7919 % 1000 * 8;
}

static void write_pieces(void *arg)
{
    struct ax_served_ring *ring = arg;
    for (size_t i = 0; i < PIECES; i++) {
        size_t bytes = piece_bytes(i);
        char *room;
        while (!(room = ax_served_ring_room(ring, bytes)))
            (void)sched_yield();
        memset(room, (int)(i % 251), bytes);
        ax_served_ring_commit(ring, bytes);
    }
}

static void pieces_come_whole_and_in_order(void **state)
{
    (void)state;
    struct ax_served_ring ring;
    struct ax_err err = AX_ERR_INIT;
    struct ax_thread writer;
    size_t bytes;
    ax_served_ring_init(&ring);
    assert_null(ax_served_ring_next(&ring, &bytes));
    assert_null(ax_served_ring_room(&ring, AX_SERVED_RING_BYTES));
    if (ax_thread_start(&writer, "pieces", write_pieces, &ring, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < PIECES; i++) {
        const char *piece;
        while (!(piece = ax_served_ring_next(&ring, &bytes)))
            (void)sched_yield();
        assert_int_equal(bytes, piece_bytes(i));
        if (piece[0] != (char)(i % 251) || memcmp(piece, piece + 1, bytes - 1) != 0)
            fail_msg("piece %zu is torn", i);
        ax_served_ring_drop(&ring);
    }
    ax_thread_join(&writer);
    ax_served_ring_done(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_whole_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
