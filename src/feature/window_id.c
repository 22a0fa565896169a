/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event ids as bytes. A number's sign bit is turned over (and of a negative float64 all bits), so
 * that unsigned bytes compare as the numbers do.
 */
#include "feature/window_id.h"

#include <assert.h>

static void put_bits(struct ax_buf *out, uint64_t bits)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(bits >> (56 - 8 * i));
    (void)ax_buf_append(out, bytes, sizeof bytes); /* A failure is told by the buffer. */
}

static void put_double(struct ax_buf *out, double value)
{
    value += 0.0; /* -0 becomes 0. */
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_bits(out, bits >> 63 ? ~bits : bits | UINT64_C(1) << 63);
}

static void put_text(struct ax_buf *out, struct ax_str text)
{
    while (text.len) {
        const char *zero = memchr(text.ptr, 0, text.len);
        size_t len = zero ? (size_t)(zero - text.ptr) : text.len;
        (void)ax_buf_append(out, text.ptr, len);
        if (zero)
            (void)ax_buf_append(out, "\0\xff", 2);
        text.ptr += len + (zero != NULL);
        text.len -= len + (zero != NULL);
    }
    (void)ax_buf_append(out, "\0", 1);
}

static void put_part(struct ax_buf *out, const struct ax_values *part, size_t row, bool alone)
{
    switch (part->type.kind) {
    case AX_TYPE_BOOL:
        (void)ax_buf_append_char(out, part->bools[row] ? 1 : 0);
        break;
    case AX_TYPE_INT64:
    case AX_TYPE_TIMESTAMP:
    case AX_TYPE_DURATION:
        put_bits(out, (uint64_t)part->i64s[row] ^ UINT64_C(1) << 63);
        break;
    case AX_TYPE_FLOAT64:
        put_double(out, part->f64s[row]);
        break;
    case AX_TYPE_STRING:
        if (alone)
            (void)ax_buf_append_str(out, part->texts[row]);
        else
            put_text(out, part->texts[row]);
        break;
    case AX_TYPE_COUNT:
        break;
    }
}

enum ax_code ax_window_id_put(struct ax_buf *out, const struct ax_values *const *parts,
                              size_t part_count, size_t row, struct ax_err *err)
{
    assert(out && parts && part_count && err);
    ax_buf_reset(out);
    for (size_t i = 0; i < part_count; i++) {
        assert(!parts[i]->type.is_list && row < parts[i]->rows);
        if (ax_values_is_null(parts[i], row))
            return ax_fail(err, AX_E_INVALID, "an event has no id");
        put_part(out, parts[i], row, part_count == 1);
    }
    if (out->failed)
        return ax_fail(err, out->failed, "an event's id is too long");
    return AX_OK;
}
