/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A history of all vectors as known at their moments comes first: what is equal there is equal.
 * The others are looked at once more, by exactly what had been seen when they were made: the
 * journals end behind the last row that was seen, and what became known later is left out. Vectors
 * that had seen the same share a history. Where the bounds of what was seen differ, the upper one
 * is tried, too; what is then still not equal is unsettled, as is all for which there were too many
 * histories.
 *
 * Vectors are looked at in blocks, so that memory does not grow with the log.
 */
#include "pipeline/consistency.h"

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/file.h"
#include "feature/offline/offline.h"
#include "pipeline/consistency_files.h"
#include "pipeline/consistency_value.h"
#include "pipeline/served_form.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define BLOCK_BYTES    ((size_t)128 << 20) /* of outcomes and terms, about */
#define BLOCK_ROWS_MAX ((size_t)262144)
#define HISTORIES_MAX  64 /* of vectors that are looked at once more */

static const char *const outcome_names[AX_CONSISTENCY_OUTCOME_COUNT] = {
    "equal", "differing", "missing", "extra", "unsettled",
};

const char *ax_consistency_outcome_name(enum ax_consistency_outcome outcome)
{
    assert((size_t)outcome < AX_COUNT(outcome_names));
    return outcome_names[outcome];
}

/* A vector that is not equal by what was known at its moment, and what it had seen. */
struct suspect {
    int64_t number; /* of the row */
    int64_t made;
    int64_t seen[AX_SERVED_SOURCES_MAX], until[AX_SERVED_SOURCES_MAX]; /* last rows */
};

struct check {
    const struct ax_consistency_config *config;
    const struct ax_service *service;
    struct ax_arena *arena;
    struct ax_consistency_report report;
    struct ax_sql *sql;
    struct ax_offline *offline;
    struct ax_source_journals *journals;
    char served[PATH_MAX];                                  /* the vectors */
    size_t *inputs;                                         /* of the service, one a feature */
    const struct ax_source *sources[AX_SERVED_SOURCES_MAX]; /* that are pushed */
    size_t source_count;
    size_t histories; /* that were made of suspects */
    bool has_kept;    /* there is a table "kept" */
    struct ax_buf text;

    /* The block in hand. */
    size_t from, rows;
    uint8_t *outcomes; /* a row after the other */
    float *terms;      /* of SMAPE; negative: none */
    int64_t *days;     /* of each row */
    struct suspect *suspects;
    size_t suspect_count;
    struct ax_err *err;
};

static void put(struct check *c, const char *text)
{
    (void)ax_buf_append_str(&c->text, ax_str_from(text));
}

static enum ax_code run(struct check *c)
{
    if (!ax_buf_check(&c->text, "the query", c->err))
        (void)(ax_sql_run(c->sql, ax_buf_str(&c->text), c->err) != AX_OK);
    ax_buf_reset(&c->text);
    return c->err->code;
}

/* "prefix" and a name as one name of a column. */
static void put_name(struct check *c, const char *prefix, struct ax_str name)
{
    char both[1024];
    int len = snprintf(both, sizeof(both), "%s%.*s", prefix, AX_STR_ARG(name));
    assert(len > 0 && (size_t)len < sizeof(both));
    ax_sql_put_name(&c->text, ax_str_from(both));
}

static void put_file(struct check *c, const char *path)
{
    put(c, "read_parquet(");
    ax_sql_put_literal(&c->text, ax_str_from(path));
    put(c, ")");
}

static struct ax_str feature_name(const struct check *c, size_t feature)
{
    return c->service->inputs[c->inputs[feature]].name;
}

/* ---- histories ---- */

/* Which rows: those of the block, or the numbers of some suspects. */
static void put_which(struct check *c, const struct suspect *suspects, size_t count)
{
    if (!suspects) {
        ax_buf_printf(&c->text, "\"" AX_CONSISTENCY_NUMBER "\" BETWEEN %zu AND %zu", c->from,
                      c->from + c->rows - 1);
        return;
    }
    put(c, "\"" AX_CONSISTENCY_NUMBER "\" IN (");
    for (size_t i = 0; i < count; i++)
        ax_buf_printf(&c->text, i ? ", %" PRId64 : "%" PRId64, suspects[i].number);
    put(c, ")");
}

/* The rows that ask, with the columns of the call as it had them. */
static void put_query(struct check *c, const struct suspect *suspects, size_t count)
{
    put(c, "SELECT \"" AX_CONSISTENCY_NUMBER "\", \"" AX_SERVED_AT "\" AS \"row.at\"");
    for (size_t i = 0; i < c->service->call_count; i++) {
        put(c, ", ");
        put_name(c, AX_SERVED_CALL, c->service->call[i].name);
        put(c, " AS ");
        put_name(c, "", c->service->call[i].name);
    }
    put(c, " FROM ");
    put_file(c, c->served);
    put(c, " WHERE ");
    put_which(c, suspects, count);
    put(c, " ORDER BY \"" AX_CONSISTENCY_NUMBER "\"");
}

static enum ax_code make_history(struct check *c, const struct suspect *suspects, size_t count,
                                 const char *out)
{
    struct ax_offline_report report;
    put_query(c, suspects, count);
    const struct ax_offline_rows rows = {
        .sql = ax_buf_str(&c->text),
        .at = AX_STR("row.at"),
        .as_known = !suspects,
        .known_until = suspects ? &suspects[0].made : NULL,
    };
    if (!ax_buf_check(&c->text, "the query", c->err))
        (void)(ax_offline_history(c->offline, c->service, &rows, out, &report, c->err) != AX_OK);
    ax_buf_reset(&c->text);
    return c->err->code;
}

/* ---- comparing ---- */

static void take_value(struct check *c, size_t row, size_t feature,
                       const struct ax_sql_column *served, const struct ax_sql_column *known,
                       size_t at)
{
    size_t cell = row * c->report.feature_count + feature;
    const struct ax_service_input *input = &c->service->inputs[c->inputs[feature]];
    if (c->outcomes[cell] == AX_CONSISTENCY_EQUAL)
        return;
    c->outcomes[cell] = (uint8_t)ax_consistency_compare(served, known, at, input->storage);
    c->terms[cell] = (float)ax_consistency_smape(served, known, at);
}

static void put_compared(struct check *c, const char *known)
{
    put(c, "SELECT s.\"" AX_CONSISTENCY_NUMBER "\", epoch_us(s.\"" AX_SERVED_AT "\")");
    for (size_t i = 0; i < c->report.feature_count; i++) {
        put(c, ", s.");
        put_name(c, AX_SERVED_INPUT, feature_name(c, i));
        put(c, ", k.");
        put_name(c, "", feature_name(c, i));
    }
    put(c, " FROM ");
    put_file(c, c->served);
    put(c, " AS s JOIN ");
    put_file(c, known);
    put(c, " AS k USING (\"" AX_CONSISTENCY_NUMBER "\")");
}

static enum ax_code compare(struct check *c, const char *known)
{
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk = { 0 };
    put_compared(c, known);
    if (ax_buf_check(&c->text, "the query", c->err) ||
        ax_sql_query(c->sql, ax_buf_str(&c->text), &stream, c->err)) {
        ax_buf_reset(&c->text);
        return c->err->code;
    }
    ax_buf_reset(&c->text);
    while (!ax_sql_stream_next(stream, &chunk, c->err) && chunk.rows) {
        for (size_t at = 0; at < chunk.rows; at++) {
            size_t row = (size_t)chunk.columns[0].i64s[at] - c->from;
            assert(row < c->rows);
            c->days[row] = ax_calendar_day_of(chunk.columns[1].i64s[at]);
            for (size_t i = 0; i < c->report.feature_count; i++)
                take_value(c, row, i, &chunk.columns[2 + 2 * i], &chunk.columns[3 + 2 * i], at);
        }
    }
    ax_sql_stream_free(stream);
    return c->err->code;
}

static bool is_equal(const struct check *c, int64_t number)
{
    size_t row = (size_t)number - c->from;
    const uint8_t *outcomes = c->outcomes + row * c->report.feature_count;
    for (size_t i = 0; i < c->report.feature_count; i++)
        if (outcomes[i] != AX_CONSISTENCY_EQUAL)
            return false;
    return true;
}

static void unsettle(struct check *c, int64_t number)
{
    size_t row = (size_t)number - c->from;
    uint8_t *outcomes = c->outcomes + row * c->report.feature_count;
    for (size_t i = 0; i < c->report.feature_count; i++)
        if (outcomes[i] != AX_CONSISTENCY_EQUAL)
            outcomes[i] = AX_CONSISTENCY_UNSETTLED;
}

/* ---- what is kept ---- */

static enum ax_code keep(struct check *c, const struct suspect *suspects, size_t count,
                         const char *known)
{
    if (!c->config->out || !count)
        return AX_OK;
    put(c, c->has_kept ? "INSERT INTO kept " : "CREATE TEMP TABLE kept AS ");
    put(c, "SELECT s.*");
    for (size_t i = 0; i < c->report.feature_count; i++) {
        put(c, ", k.");
        put_name(c, "", feature_name(c, i));
        put(c, " AS ");
        put_name(c, "known.", feature_name(c, i));
    }
    put(c, " FROM ");
    put_file(c, c->served);
    put(c, " AS s JOIN ");
    put_file(c, known);
    put(c, " AS k USING (\"" AX_CONSISTENCY_NUMBER "\") WHERE ");
    put_which(c, suspects, count);
    c->has_kept = true;
    return run(c);
}

static enum ax_code write_kept(struct check *c)
{
    char hidden[PATH_MAX];
    if (!c->has_kept)
        return AX_OK;
    const char *out = c->config->out;
    const char *slash = strrchr(out, '/');
    int folder = slash ? (int)(slash - out) + 1 : 0;
    int len = snprintf(hidden, sizeof(hidden), "%.*s.%s", folder, out, out + folder);
    if (len < 0 || (size_t)len >= sizeof(hidden))
        return ax_fail(c->err, AX_E_INVALID, "'%s' is too long a path", out);
    put(c, "COPY (SELECT * EXCLUDE (\"" AX_CONSISTENCY_NUMBER
           "\") FROM kept ORDER BY \"" AX_CONSISTENCY_NUMBER "\") TO ");
    ax_sql_put_literal(&c->text, ax_str_from(hidden));
    put(c, " (FORMAT parquet)");
    if (run(c) || ax_file_publish(hidden, out, c->err))
        (void)unlink(hidden);
    return c->err->code;
}

/* ---- suspects ---- */

static int compare_states(const struct suspect *x, const struct suspect *y)
{
    if (x->made != y->made)
        return x->made < y->made ? -1 : 1;
    int order = memcmp(x->seen, y->seen, sizeof(x->seen));
    return order ? order : memcmp(x->until, y->until, sizeof(x->until));
}

static int by_state(const void *a, const void *b)
{
    const struct suspect *x = a;
    const struct suspect *y = b;
    int order = compare_states(x, y);
    return order ? order : x->number < y->number ? -1 : x->number > y->number;
}

static enum ax_code find_suspects(struct check *c)
{
    struct ax_sql_stream *stream;
    struct ax_sql_chunk chunk = { 0 };
    put(c, "SELECT \"" AX_CONSISTENCY_NUMBER "\", epoch_us(\"" AX_SERVED_MADE "\")");
    for (size_t i = 0; i < c->source_count; i++) {
        put(c, ", ");
        put_name(c, AX_SERVED_SEEN, c->sources[i]->name);
        put(c, ", ");
        put_name(c, AX_SERVED_UNTIL, c->sources[i]->name);
    }
    put(c, " FROM ");
    put_file(c, c->served);
    put(c, " WHERE ");
    put_which(c, NULL, 0);
    c->suspect_count = 0;
    if (ax_buf_check(&c->text, "the query", c->err) ||
        ax_sql_query(c->sql, ax_buf_str(&c->text), &stream, c->err)) {
        ax_buf_reset(&c->text);
        return c->err->code;
    }
    ax_buf_reset(&c->text);
    while (!ax_sql_stream_next(stream, &chunk, c->err) && chunk.rows) {
        for (size_t at = 0; at < chunk.rows; at++) {
            if (is_equal(c, chunk.columns[0].i64s[at]))
                continue;
            struct suspect *suspect = &c->suspects[c->suspect_count++];
            *suspect = (struct suspect){ .number = chunk.columns[0].i64s[at],
                                         .made = chunk.columns[1].i64s[at] };
            for (size_t i = 0; i < c->source_count; i++) {
                suspect->seen[i] = chunk.columns[2 + 2 * i].i64s[at];
                suspect->until[i] = chunk.columns[3 + 2 * i].i64s[at];
            }
        }
    }
    ax_sql_stream_free(stream);
    qsort(c->suspects, c->suspect_count, sizeof(*c->suspects), by_state);
    return c->err->code;
}

static void cut_journals(struct check *c, const int64_t *last)
{
    for (size_t i = 0; i < c->source_count; i++)
        ax_source_journals_cut(c->journals, c->sources[i]->name,
                               last ? (uint64_t)last[i] : UINT64_MAX);
}

/* Those that are not equal come first; returns how many. */
static size_t keep_unequal(struct check *c, struct suspect *suspects, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_equal(c, suspects[i].number))
            suspects[kept++] = suspects[i];
    return kept;
}

/* Those that had seen up to the same rows. */
static enum ax_code try_again(struct check *c, const struct suspect *suspects, size_t count,
                              const int64_t *last, const char *out)
{
    cut_journals(c, last);
    (void)(make_history(c, suspects, count, out) || compare(c, out));
    cut_journals(c, NULL);
    return c->err->code;
}

static enum ax_code settle(struct check *c, struct suspect *suspects, size_t count, const char *out)
{
    bool is_sure = memcmp(suspects[0].seen, suspects[0].until, sizeof(suspects[0].seen)) == 0;
    if (try_again(c, suspects, count, suspects[0].seen, out))
        return c->err->code;
    count = keep_unequal(c, suspects, count);
    if (count && !is_sure) {
        if (try_again(c, suspects, count, suspects[0].until, out))
            return c->err->code;
        count = keep_unequal(c, suspects, count);
        for (size_t i = 0; i < count; i++)
            unsettle(c, suspects[i].number);
    }
    return keep(c, suspects, count, out);
}

static enum ax_code settle_all(struct check *c, const char *first, const char *again)
{
    size_t at = 0;
    if (find_suspects(c))
        return c->err->code;
    while (at < c->suspect_count && c->histories < HISTORIES_MAX) {
        size_t end = at + 1;
        while (end < c->suspect_count && compare_states(&c->suspects[at], &c->suspects[end]) == 0)
            end++;
        c->histories++;
        if (settle(c, c->suspects + at, end - at, again))
            return c->err->code;
        at = end;
    }
    for (size_t i = at; i < c->suspect_count; i++)
        unsettle(c, c->suspects[i].number);
    return keep(c, c->suspects + at, c->suspect_count - at, first);
}

/* ---- counting ---- */

static struct ax_consistency_day *find_day(struct check *c, int64_t day)
{
    struct ax_consistency_report *report = &c->report;
    size_t at = report->day_count;
    while (at > 0 && report->days[at - 1].day > day)
        at--;
    if (at > 0 && report->days[at - 1].day == day)
        return &report->days[at - 1];
    struct ax_consistency_day *days =
        ax_arena_alloc(c->arena, report->day_count + 1, sizeof(*days));
    struct ax_consistency_counts *features =
        ax_arena_zalloc(c->arena, report->feature_count, sizeof(*features));
    if (!days || !features) {
        (void)ax_arena_fail(c->arena, "the report", c->err);
        return NULL;
    }
    if (report->day_count) {
        memcpy(days, report->days, at * sizeof(*days));
        memcpy(days + at + 1, report->days + at, (report->day_count - at) * sizeof(*days));
    }
    days[at] = (struct ax_consistency_day){ .day = day, .features = features };
    report->days = days;
    report->day_count++;
    return &days[at];
}

static void count_value(struct ax_consistency_counts *counts, uint8_t outcome, float term)
{
    counts->values[outcome]++;
    if (term >= 0) {
        counts->smape_sum += (double)term;
        counts->smape_count++;
    }
}

static enum ax_code count_block(struct check *c)
{
    struct ax_consistency_report *report = &c->report;
    for (size_t row = 0; row < c->rows; row++) {
        struct ax_consistency_day *day = find_day(c, c->days[row]);
        if (!day)
            return c->err->code;
        for (size_t i = 0; i < report->feature_count; i++) {
            size_t cell = row * report->feature_count + i;
            count_value(&report->totals[i], c->outcomes[cell], c->terms[cell]);
            count_value(&day->features[i], c->outcomes[cell], c->terms[cell]);
        }
    }
    return AX_OK;
}

/* ---- all of it ---- */

static size_t block_rows(const struct check *c)
{
    size_t row_bytes = c->report.feature_count * (sizeof(*c->outcomes) + sizeof(*c->terms)) + 1;
    return AX_MIN(AX_MAX(BLOCK_BYTES / row_bytes, (size_t)1024), BLOCK_ROWS_MAX);
}

static enum ax_code check_block(struct check *c, const char *first, const char *again)
{
    size_t cells = c->rows * c->report.feature_count;
    c->outcomes = ax_try_alloc(AX_MAX(cells, (size_t)1), sizeof(*c->outcomes));
    c->terms = ax_try_alloc(AX_MAX(cells, (size_t)1), sizeof(*c->terms));
    c->days = ax_try_alloc(c->rows, sizeof(*c->days));
    c->suspects = ax_try_alloc(c->rows, sizeof(*c->suspects));
    if (!c->outcomes || !c->terms || !c->days || !c->suspects) {
        (void)ax_fail(c->err, AX_E_LIMIT, "no memory for %zu vectors", c->rows);
    } else {
        memset(c->outcomes, AX_CONSISTENCY_UNSETTLED, cells);
        (void)(make_history(c, NULL, 0, first) || compare(c, first) ||
               settle_all(c, first, again) || count_block(c));
    }
    free(c->outcomes);
    free(c->terms);
    free(c->days);
    free(c->suspects);
    return c->err->code;
}

static enum ax_code check_all(struct check *c)
{
    char first[PATH_MAX], again[PATH_MAX];
    size_t most = block_rows(c);
    (void)snprintf(first, sizeof(first), "%s/known.parquet", c->config->work);
    (void)snprintf(again, sizeof(again), "%s/again.parquet", c->config->work);
    for (c->from = 0; c->from < c->report.vectors && !c->err->code; c->from += c->rows) {
        c->rows = AX_MIN(c->report.vectors - c->from, most);
        (void)(check_block(c, first, again) != AX_OK);
    }
    return c->err->code ? c->err->code : write_kept(c);
}

/* Fields and computed inputs, and sources that are pushed. */
static enum ax_code list_features(struct check *c)
{
    const struct ax_service *service = c->service;
    const struct ax_definitions *definitions = &c->config->applied->definitions;
    struct ax_str *names = ax_arena_alloc(c->arena, service->input_count, sizeof(*names));
    c->inputs = ax_arena_alloc(c->arena, service->input_count, sizeof(*c->inputs));
    c->report.totals = ax_arena_zalloc(c->arena, service->input_count, sizeof(*c->report.totals));
    if (!names || !c->inputs || !c->report.totals)
        return ax_arena_fail(c->arena, "the report", c->err);
    for (size_t i = 0; i < service->input_count; i++) {
        if (service->inputs[i].kind != AX_INPUT_FIELD && service->inputs[i].kind != AX_INPUT_EXPR)
            continue;
        names[c->report.feature_count] = service->inputs[i].name;
        c->inputs[c->report.feature_count++] = i;
    }
    c->report.features = names;
    for (size_t i = 0; i < definitions->source_count; i++) {
        const struct ax_source *source = &definitions->sources[i];
        if (source->push && ax_service_reads(service, source) &&
            c->source_count < AX_SERVED_SOURCES_MAX)
            c->sources[c->source_count++] = source;
    }
    return AX_OK;
}

static enum ax_code open_stores(struct check *c)
{
    const struct ax_consistency_config *config = c->config;
    const struct ax_definitions *definitions = &config->applied->definitions;
    const struct ax_sql_config sql = { .threads = config->threads,
                                       .memory_bytes_max = config->memory_bytes_max,
                                       .temp_folder = config->work,
                                       .cancelled = config->cancelled };
    if (ax_source_journals_open(config->state, definitions, &c->journals, c->err))
        return c->err->code;
    const struct ax_offline_config offline = {
        .definitions = definitions,
        .data_folder = config->data ? config->data : definitions->folder,
        .journals = c->journals,
        .work_folder = config->work,
        .threads = config->threads,
        .memory_bytes_max = config->memory_bytes_max,
        .cancelled = config->cancelled,
        .progress = config->progress,
        .notice = config->notice,
        .arg = config->arg,
    };
    return ax_sql_open(&sql, &c->sql, c->err) || ax_offline_open(&offline, &c->offline, c->err)
               ? c->err->code
               : AX_OK;
}

enum ax_code ax_consistency_check(const struct ax_consistency_config *config,
                                  struct ax_arena *arena, struct ax_consistency_report *ret_report,
                                  struct ax_err *err)
{
    assert(config && config->applied && config->service && config->work && arena && ret_report &&
           err);
    struct check c = {
        .config = config, .service = config->service->service, .arena = arena, .err = err
    };
    int len = snprintf(c.served, sizeof(c.served), "%s/served.parquet", config->work);
    if (len < 0 || (size_t)len >= sizeof(c.served))
        return ax_fail(err, AX_E_INVALID, "the path of the state directory is too long");
    ax_buf_init(&c.text, TEXT_BYTES_MAX);
    if (!(list_features(&c) || open_stores(&c) ||
          ax_consistency_gather(config, c.sql, c.served, &c.report.vectors, &c.report.other_vectors,
                                err) ||
          check_all(&c)))
        *ret_report = c.report;
    ax_offline_close(c.offline);
    ax_source_journals_close(c.journals);
    ax_sql_close(c.sql);
    ax_buf_done(&c.text);
    return err->code;
}
