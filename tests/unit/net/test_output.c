/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: bytes leave an output in the order they came, whatever was copied, taken or moved into it,
 * and however few leave at a time; parts are reused.
 * Method: random appends, takes and moves against a flat copy of the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/output.h"

#include <stdlib.h>

static uint64_t seed = 88172645463325252u;

static size_t random_below(size_t end)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % end);
}

/* `len` bytes that differ from place to place, appended to both in one of the ways there are. */
static void grow(struct ax_output *output, struct ax_output_pool *pool, struct ax_buf *flat,
                 size_t len)
{
    char *at = ax_buf_reserve(flat, len + 1);
    assert_non_null(at);
    for (size_t i = 0; i < len; i++)
        at[i] = (char)(flat->len * 31 + i);
    struct ax_str bytes = { at, len };
    ax_buf_added(flat, len);
    struct ax_output side = { 0 };
    struct ax_buf body;
    ax_buf_init(&body, (size_t)1 << 24);
    switch (random_below(3)) {
    case 0:
        assert_true(ax_output_append(output, pool, bytes));
        break;
    case 1:
        assert_int_equal(ax_buf_append_str(&body, bytes), 0);
        assert_true(ax_output_take(output, pool, &body));
        assert_int_equal(body.len, 0);
        break;
    default:
        assert_true(ax_output_append(&side, pool, (struct ax_str){ bytes.ptr, len / 2 }));
        assert_int_equal(ax_buf_append(&body, bytes.ptr + len / 2, len - len / 2), 0);
        assert_true(ax_output_take(&side, pool, &body));
        assert_true(ax_output_move(output, &side, pool));
        assert_int_equal(side.len, 0);
        assert_null(side.first);
        break;
    }
    ax_buf_done(&body);
}

/* Let some bytes leave and compare them. */
static void shrink(struct ax_output *output, struct ax_output_pool *pool, const struct ax_buf *flat,
                   size_t *gone, size_t most)
{
    struct iovec iov[3];
    size_t bytes_max = 1 + random_below(200000);
    size_t count = ax_output_gather(output, iov, AX_COUNT(iov), bytes_max);
    assert_true(count > 0 || !output->len);
    size_t gathered = 0;
    for (size_t i = 0; i < count; i++)
        gathered += iov[i].iov_len;
    assert_true(gathered <= bytes_max);
    assert_true(count == AX_COUNT(iov) || gathered == AX_MIN(bytes_max, output->len));
    size_t left = most, sent = 0;
    for (size_t i = 0; i < count && left; i++) {
        size_t len = AX_MIN(iov[i].iov_len, left);
        assert_true(iov[i].iov_len > 0);
        assert_memory_equal(iov[i].iov_base, flat->ptr + *gone + sent, len);
        sent += len;
        left -= len;
    }
    ax_output_consume(output, pool, sent);
    *gone += sent;
    assert_int_equal(output->len, flat->len - *gone);
}

static void order_is_kept(void **state)
{
    (void)state;
    struct ax_output_pool pool = { 0 };
    for (size_t round = 0; round < 50; round++) {
        struct ax_output output = { 0 };
        struct ax_buf flat;
        ax_buf_init(&flat, (size_t)1 << 26);
        size_t gone = 0;
        for (size_t i = 0; i < 60; i++) {
            size_t size = random_below(4) ? random_below(300) : random_below(100000);
            grow(&output, &pool, &flat, size);
            if (i % 3 == 0)
                shrink(&output, &pool, &flat, &gone, 1 + random_below(120000));
        }
        while (output.len && round % 2)
            shrink(&output, &pool, &flat, &gone, 1 + random_below(50000));
        ax_output_clear(&output, &pool);
        assert_int_equal(output.len, 0);
        ax_buf_done(&flat);
    }
    ax_output_pool_done(&pool);
}

static void small_answers_share_a_part(void **state)
{
    (void)state;
    struct ax_output_pool pool = { 0 };
    struct ax_output output = { 0 };
    struct iovec iov[8];
    for (size_t i = 0; i < 200; i++) {
        struct ax_output side = { 0 };
        assert_true(ax_output_append(&side, &pool, AX_STR("an answer")));
        assert_true(ax_output_move(&output, &side, &pool));
    }
    assert_int_equal(ax_output_gather(&output, iov, 8, SIZE_MAX), 1);
    assert_int_equal(iov[0].iov_len, 200 * 9);
    ax_output_consume(&output, &pool, output.len);
    assert_null(output.first);
    /* The part is free for the next. */
    assert_true(pool.count >= 1);
    ax_output_pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(small_answers_share_a_part),
    };
    return cmocka_run_group_tests_name("net/output", tests, NULL, NULL);
}
