/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form in which served vectors of a service are kept: what of a vector, as bytes, and in which
 * columns of a file.
 *
 * Made with the plans of services; counted, immutable and on its own, so that it outlives the
 * definitions that it was made from. A row of it is flat bytes: it may be copied anywhere.
 */
#ifndef AX_PIPELINE_SERVED_FORM_H
#define AX_PIPELINE_SERVED_FORM_H

#include "base/sql_table.h"
#include "feature/online/online_layout.h"
#include "feature/online/online_views.h"
#include "pipeline/applied_definitions.h"

#define AX_SERVED_SOURCES_MAX ((size_t)16)
#define AX_SERVED_VALUES_MAX  ((size_t)4096)

/* Columns of a file that are none of the call or the vector, whose names have a prefix each. */
#define AX_SERVED_AT          "at"          /* the moment that was asked about */
#define AX_SERVED_MADE        "made"        /* when, by the server's clock */
#define AX_SERVED_DEFINITIONS "definitions" /* the service's digest */
#define AX_SERVED_SEEN        "seen." /* of a source: the last row that was seen for certain */
#define AX_SERVED_UNTIL       "seen_until." /* and the last one that may have been */
#define AX_SERVED_CALL        "call."
#define AX_SERVED_INPUT       "input."

struct ax_served_form {
    _Atomic unsigned refs;
    struct ax_arena arena;
    struct ax_str service;
    char digest[AX_SHA256_TEXT_SIZE];
    struct ax_online_layout layout; /* of the call's columns, then of `inputs` */
    size_t call_count;
    size_t first_key; /* of the call: keys are from there on */
    const size_t
        *inputs; /* of the service, that are fields or computed: all others are the call's */
    size_t input_count;
    const struct ax_online_seen *const *seen; /* of sources that are pushed; the store's writer's */
    size_t seen_count;
    const struct ax_sql_table_column *columns; /* of a file */
    size_t column_count;
};

/* Behind `seen` follows the part: its stamp has the moment as `time` and when it was made as
 * `created`. */
struct ax_served_row {
    struct ax_served_form *form; /* one reference */
    size_t bytes;                /* of all of it, a multiple of 8 */
    uint64_t seen[];             /* sequences behind rows: two a source, as seen.h has them */
};

/* Expected: UNSUPPORTED (values that cannot be kept; more of them, or of sources, than may be),
 * LIMIT. */
AX_MUST_USE enum ax_code ax_served_form_new(const struct ax_applied_service *applied,
                                            const struct ax_online_views *online,
                                            struct ax_served_form **ret_form, struct ax_err *err);
struct ax_served_form *ax_served_form_ref(struct ax_served_form *form);
/* NULL is fine. The last one frees. Any thread. */
void ax_served_form_unref(struct ax_served_form *form);

static inline const struct ax_online_part *ax_served_row_part(const struct ax_served_row *row)
{
    return (const struct ax_online_part *)(const void *)(row->seen + 2 * row->form->seen_count);
}

/* Write rows of one form, one behind the other, to a Parquet file that is not there; it appears
 * whole or not at all. Blocks. Expected: UNSUPPORTED (built without DuckDB), LIMIT, the system's
 * codes. */
AX_MUST_USE enum ax_code ax_served_file_write(const char *path, const struct ax_served_form *form,
                                              struct ax_str rows, struct ax_err *err);

#endif
