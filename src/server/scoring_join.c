/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laying out, copying, giving back.
 *
 * Rows of jobs are row-major blocks of one layout, so joining them is a copy a job. Validity bits
 * are joined one by one, since jobs do not begin at words. A slice copies nothing but such bits:
 * its columns begin further behind.
 */
#include "server/scoring_join.h"

#include "base/alloc.h"
#include "base/bits.h"

#include <assert.h>

#define SCRATCH_ALIGN 64

char *ax_scratch_get(struct ax_scratch *scratch, size_t size)
{
    assert(scratch);
    if (size <= scratch->size)
        return scratch->ptr;
    if (size > AX_SCORING_SCRATCH_MAX)
        return NULL;
    size_t grown = AX_MIN(AX_MAX(size, 2 * scratch->size), AX_SCORING_SCRATCH_MAX);
    char *raw = ax_try_alloc(grown + SCRATCH_ALIGN, 1);
    if (!raw)
        return NULL;
    free(scratch->raw);
    scratch->raw = raw;
    scratch->ptr = raw + (SCRATCH_ALIGN - (uintptr_t)raw % SCRATCH_ALIGN) % SCRATCH_ALIGN;
    scratch->size = grown;
    return scratch->ptr;
}

static size_t align_up(size_t size)
{
    return (size + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
}

static bool call_wants(const struct ax_scoring_call *call, size_t output)
{
    const struct ax_scoring_job *job = call->first;
    for (; job; job = job->next)
        if (job->out.columns[output].values)
            return true;
    return false;
}

/* Lay a joined call out in the scratch, without its values; false without memory. */
static bool join_layout(struct ax_scratch *scratch, const struct ax_scoring_call *call,
                        struct ax_scoring_joined *joined)
{
    const struct ax_rows *rows = call->first->rows;
    const struct ax_batch *out = &call->first->out;
    size_t inputs = rows->signature->input_count;
    size_t heads = align_up((inputs + out->column_count) * sizeof(struct ax_column));
    size_t block = align_up(call->rows * rows->row_bytes);
    size_t words = align_up((call->rows + 63) / 64 * sizeof(uint64_t));
    size_t size = heads + block + inputs * words;
    for (size_t i = 0; i < out->column_count; i++)
        size += align_up(call->rows * out->columns[i].stride);
    char *at = ax_scratch_get(scratch, size);
    if (!at)
        return false;
    struct ax_column *columns = (struct ax_column *)(void *)at;
    joined->in = (struct ax_batch){ call->rows, inputs, columns };
    joined->out = (struct ax_batch){ call->rows, out->column_count, columns + inputs };
    joined->block = at + heads;
    at += heads + block;
    for (size_t i = 0; i < inputs; i++) {
        columns[i] = rows->columns[i];
        columns[i].values = joined->block + ((char *)rows->columns[i].values - rows->block);
        if (!columns[i].validity)
            continue;
        columns[i].validity = memset(at, 0, words);
        at += words;
    }
    for (size_t i = 0; i < out->column_count; i++) {
        columns[inputs + i] = out->columns[i];
        columns[inputs + i].values = call_wants(call, i) ? at : NULL;
        at += align_up(call->rows * out->columns[i].stride);
    }
    return true;
}

static void join_validity(const struct ax_scoring_job *job, struct ax_scoring_joined *joined,
                          size_t from)
{
    for (size_t i = 0; i < joined->in.column_count; i++) {
        uint64_t *bits = joined->in.columns[i].validity;
        for (size_t row = 0; bits && row < job->rows->count; row++)
            if (ax_column_is_valid(&job->rows->columns[i], row))
                bits[(from + row) / 64] |= (uint64_t)1 << ((from + row) % 64);
    }
}

/* Copy the rows of all jobs into one block, in their order. */
static void join_rows(const struct ax_scoring_call *call, struct ax_scoring_joined *joined)
{
    size_t from = 0;
    for (const struct ax_scoring_job *job = call->first; job; job = job->next) {
        size_t row_bytes = job->rows->row_bytes;
        memcpy(joined->block + from * row_bytes, job->rows->block, job->rows->count * row_bytes);
        join_validity(job, joined, from);
        from += job->rows->count;
    }
}

bool ax_scoring_join(struct ax_scratch *scratch, const struct ax_scoring_call *call,
                     struct ax_scoring_joined *ret_joined)
{
    assert(scratch && call && call->first && ret_joined);
    if (call->rows == 0 || !join_layout(scratch, call, ret_joined))
        return false;
    join_rows(call, ret_joined);
    return true;
}

void ax_scoring_scatter(const struct ax_scoring_call *call, const struct ax_scoring_joined *joined)
{
    assert(call && joined);
    size_t from = 0;
    for (struct ax_scoring_job *job = call->first; job; job = job->next) {
        for (size_t i = 0; i < job->out.column_count; i++) {
            const struct ax_column *to = &job->out.columns[i];
            if (to->values)
                memcpy(to->values, ax_column_at(&joined->out.columns[i], from),
                       job->rows->count * to->stride);
        }
        from += job->rows->count;
    }
}

/* A column from row `from` on, whose values may be left out; its validity bits are not moved. */
static struct ax_column column_part(const struct ax_column *column, size_t from)
{
    struct ax_column part = *column;
    if (part.values)
        part.values = ax_column_at(column, from);
    return part;
}

bool ax_scoring_cut(struct ax_scratch *scratch, const struct ax_scoring_job *job, size_t count,
                    struct ax_scoring_joined *ret_joined)
{
    assert(scratch && job && count && job->scored + count <= job->rows->count && ret_joined);
    const struct ax_rows *rows = job->rows;
    size_t inputs = rows->signature->input_count;
    size_t outputs = job->out.column_count;
    size_t heads = align_up((inputs + outputs) * sizeof(struct ax_column));
    size_t words = (count + 63) / 64;
    char *memory = ax_scratch_get(scratch, heads + inputs * words * sizeof(uint64_t));
    if (!memory)
        return false;
    struct ax_column *columns = (struct ax_column *)(void *)memory;
    uint64_t *bits = (uint64_t *)(void *)(memory + heads);
    for (size_t i = 0; i < inputs; i++, bits += words) {
        columns[i] = column_part(&rows->columns[i], job->scored);
        if (!columns[i].validity)
            continue;
        ax_bits_copy(bits, columns[i].validity, rows->count, job->scored, count);
        columns[i].validity = bits;
    }
    for (size_t i = 0; i < outputs; i++)
        columns[inputs + i] = column_part(&job->out.columns[i], job->scored);
    ret_joined->in = (struct ax_batch){ count, inputs, columns };
    ret_joined->out = (struct ax_batch){ count, outputs, columns + inputs };
    ret_joined->block = NULL;
    return true;
}
