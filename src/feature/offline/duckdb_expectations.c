/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows are looked at where they lie, in batches of claims: one query counts, for each claim of
 * the batch, rows that hold and rows that do not. Only where something does not hold is there a
 * second query, for the first such row, and a third where rows are dropped or kept as failing. No
 * table has a value a row and claim, so memory is that of the source's table, which DuckDB spills.
 *
 * All claims are about all rows: which rows another one drops makes no difference.
 */
#include "feature/offline/duckdb_expectations.h"

#include "base/alloc.h"
#include "base/file.h"
#include "data/expr/expr_sql.h"
#include "feature/offline/duckdb_expectation_sql.h"
#include "feature/offline/duckdb_role.h"
#include "feature/offline/duckdb_pushed.h"
#include "feature/offline/duckdb_relation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Claims of one query: each is some columns and perhaps a join. */
#define BATCH_MAX 64

/* What columns of failing rows are called, beside those of the source. */
#define ROW_NAME     "ax_row"
#define REASONS_NAME "ax_reasons"

struct checker {
    struct ax_offline *offline;
    struct ax_buf *text;
    const struct ax_source *source;
    const char *table;
    bool with_freshness;
    int64_t now_us;
    struct ax_claim *claims;
    size_t claim_count;
    size_t rows;
    bool has_newest;
    int64_t newest_us;
    size_t failing_rows; /* of ax_bad */
    size_t batch_count;  /* that ax_bad was made of */
    struct ax_err *err;
};

struct batch {
    struct ax_claim *claims[BATCH_MAX];
    size_t count;
};

static void put(const struct checker *c, const char *text)
{
    (void)ax_buf_append_str(c->text, ax_str_from(text));
}

/* ---- claims ---- */

static bool is_together(enum ax_expectation_kind kind)
{
    return kind == AX_EXPECT_UNIQUE;
}

static size_t claims_of(const struct checker *c, const struct ax_expectation *expectation)
{
    if (expectation->kind == AX_EXPECT_FRESHNESS && !c->with_freshness)
        return 0;
    return is_together(expectation->kind) || !expectation->column_count ? 1
                                                                        : expectation->column_count;
}

static void make_claims(struct checker *c)
{
    const struct ax_source *source = c->source;
    size_t count = 0;
    for (size_t i = 0; i < source->expectation_count; i++)
        count += claims_of(c, &source->expectations[i]);
    c->claims = ax_xalloc((count + 1) * sizeof(*c->claims));
    for (size_t i = 0; i < source->expectation_count; i++) {
        const struct ax_expectation *expectation = &source->expectations[i];
        size_t claims = claims_of(c, expectation);
        for (size_t k = 0; k < claims; k++) {
            bool is_one = claims > 1 || expectation->column_count == 1;
            c->claims[c->claim_count] = (struct ax_claim){
                .number = c->claim_count,
                .result = { .source = source,
                            .expectation = expectation,
                            .columns = expectation->columns + (is_one ? k : 0),
                            .column_count = is_one ? 1 : expectation->column_count },
            };
            c->claim_count++;
        }
    }
}

static void drop_tables(struct checker *c)
{
    static const char *const names[] = { "ax_bad", "ax_kept", "ax_r" };
    struct ax_err ignored = AX_ERR_INIT;
    ax_buf_reset(c->text);
    for (size_t i = 0; i < c->claim_count + AX_COUNT(names); i++) {
        if (i >= c->claim_count)
            ax_buf_printf(c->text, "DROP TABLE IF EXISTS %s", names[i - c->claim_count]);
        else if (ax_claim_has_side(&c->claims[i]))
            ax_buf_printf(c->text, "DROP TABLE IF EXISTS ax_d%zu", i);
        else
            continue;
        ax_err_clear(&ignored);
        (void)(ax_offline_run(c->offline, &ignored) != AX_OK);
    }
}

static void checker_done(struct checker *c)
{
    drop_tables(c);
    for (size_t i = 0; i < c->claim_count; i++)
        free(c->claims[i].first);
    free(c->claims);
}

typedef bool (*choose_fn)(const struct ax_claim *claim);

static bool is_of_rows(const struct ax_claim *claim)
{
    return !ax_expectation_is_whole(claim->result.expectation->kind);
}

static bool is_unexpected(const struct ax_claim *claim)
{
    return claim->result.unexpected > 0;
}

static bool is_dropping(const struct ax_claim *claim)
{
    return claim->result.outcome == AX_EXPECTATION_DROPPED;
}

/* The next claims from *at on that are chosen; false when there is none. */
static bool next_batch(struct checker *c, choose_fn choose, size_t *at, struct batch *batch)
{
    batch->count = 0;
    for (; *at < c->claim_count && batch->count < BATCH_MAX; (*at)++)
        if (choose(&c->claims[*at]))
            batch->claims[batch->count++] = &c->claims[*at];
    return batch->count > 0;
}

/* ---- reading ---- */

void ax_expectations_mark_columns(const struct ax_source *source, bool *used)
{
    assert(source && used);
    struct checker c = { .source = source, .with_freshness = true };
    make_claims(&c);
    for (size_t i = 0; i < c.claim_count; i++)
        ax_claim_mark_columns(&c.claims[i], used);
    free(c.claims);
}

bool ax_expectations_drop_null(const struct ax_source *source, size_t column)
{
    assert(source && column < source->column_count);
    for (size_t i = 0; i < source->expectation_count; i++) {
        const struct ax_expectation *expectation = &source->expectations[i];
        for (size_t k = 0; k < expectation->column_count; k++)
            if (expectation->kind == AX_EXPECT_NOT_NULL &&
                expectation->action == AX_EXPECT_DROP_ROW && expectation->columns[k] == column)
                return true;
    }
    return false;
}

static enum ax_code load_source(struct checker *c, const struct ax_source *source,
                                const struct ax_relation_load *load)
{
    struct ax_relation relation;
    if (ax_relation_open(c->offline, source, &relation, c->err))
        return c->err->code;
    if (ax_relation_check(&relation, load->columns, load->count, c->err) ||
        ax_relation_add_pushed(c->offline, source, &relation, c->err) ||
        ax_relation_load(c->offline, &relation, load, c->err))
        (void)ax_source_context(source, SIZE_MAX, c->err);
    ax_relation_done(&relation);
    return c->err->code;
}

/* Columns of a source into a table, column i as c<i>. */
static enum ax_code read_source(struct checker *c, const struct ax_source *source, const bool *used,
                                const char *table)
{
    size_t count = 0;
    struct ax_relation_column *columns = ax_xalloc((source->column_count + 1) * sizeof(*columns));
    char(*aliases)[24] = ax_xalloc((source->column_count + 1) * sizeof(*aliases));
    for (size_t i = 0; i < source->column_count; i++) {
        if (!used[i])
            continue;
        (void)snprintf(aliases[count], sizeof(aliases[0]), "c%zu", i);
        columns[count] = (struct ax_relation_column){ .name = source->columns[i].name,
                                                      .storage = source->columns[i].storage,
                                                      .zone = source->zone,
                                                      .alias = ax_str_from(aliases[count]) };
        count++;
    }
    const struct ax_relation_load load = { .table = table, .columns = columns, .count = count };
    (void)(load_source(c, source, &load) != AX_OK);
    free(columns);
    free(aliases);
    return c->err->code;
}

/* A partial row repeats what others of its key have, or has none. */
static enum ax_code read_referred(struct checker *c, const struct ax_expectation *expectation)
{
    const struct ax_source *source = expectation->referred;
    const struct ax_definition_column *referred = &source->columns[expectation->referred_column];
    const struct ax_relation_column column = { .name = referred->name,
                                               .storage = referred->storage,
                                               .zone = source->zone,
                                               .alias = AX_STR("r") };
    const struct ax_relation_load load = {
        .table = "ax_r", .columns = &column, .count = 1, .where = AX_STR("r IS NOT NULL")
    };
    return load_source(c, source, &load);
}

static enum ax_code make_side(struct checker *c, const struct ax_claim *claim)
{
    const struct ax_expectation *expectation = claim->result.expectation;
    if (expectation->referred && read_referred(c, expectation))
        return c->err->code;
    ax_claim_put_side(c->text, claim, c->table);
    if (ax_offline_run(c->offline, c->err) || !expectation->referred)
        return c->err->code;
    put(c, "DROP TABLE ax_r");
    return ax_offline_run(c->offline, c->err);
}

static enum ax_code make_sides(struct checker *c)
{
    for (size_t i = 0; i < c->claim_count; i++)
        if (ax_claim_has_side(&c->claims[i]) && make_side(c, &c->claims[i]))
            return c->err->code;
    return AX_OK;
}

/* ---- the rows with their claims ---- */

static void put_input(struct ax_buf *out, size_t input, void *arg AX_UNUSED)
{
    ax_buf_printf(out, "e%zu", input);
}

static void put_inputs(const struct checker *c, const struct batch *batch, struct ax_buf *out)
{
    char name[32];
    bool *used = ax_xalloc((c->source->column_count + 1) * sizeof(*used));
    for (size_t i = 0; i < batch->count; i++)
        if (batch->claims[i]->result.expectation->expr)
            ax_expr_inputs(batch->claims[i]->result.expectation->expr, used);
    for (size_t i = 0; i < c->source->column_count; i++) {
        if (!used[i])
            continue;
        (void)snprintf(name, sizeof(name), "b.c%zu", i);
        ax_buf_printf(out, ", ");
        ax_storage_put_widened(out, name, c->source->columns[i].storage);
        ax_buf_printf(out, " AS e%zu", i);
    }
    free(used);
}

/* "(SELECT n, t, h<number>, … FROM the table)", without what expressions compute. */
static void put_plain(const struct checker *c, const struct batch *batch, struct ax_buf *out)
{
    ax_buf_printf(out, "(SELECT b.rowid AS n");
    if (c->with_freshness && c->source->time >= 0)
        ax_buf_printf(out, ", epoch_us(b.c%ld) AS t", c->source->time);
    put_inputs(c, batch, out);
    for (size_t i = 0; i < batch->count; i++) {
        const struct ax_claim *claim = batch->claims[i];
        if (claim->result.expectation->expr)
            continue;
        ax_buf_printf(out, ", ");
        ax_claim_put_sql(out, claim);
        ax_buf_printf(out, " AS h%zu", claim->number);
    }
    ax_buf_printf(out, " FROM %s AS b", c->table);
    for (size_t i = 0; i < batch->count; i++)
        if (ax_claim_has_side(batch->claims[i]))
            ax_claim_put_join(out, batch->claims[i]);
    ax_buf_printf(out, ")");
}

static void put_rows(const struct checker *c, const struct batch *batch)
{
    struct ax_expr_column columns[BATCH_MAX];
    char names[BATCH_MAX][24];
    struct ax_buf plain;
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->claims[i]->result.expectation->expr)
            continue;
        (void)snprintf(names[count], sizeof(names[0]), "h%zu", batch->claims[i]->number);
        columns[count] = (struct ax_expr_column){ batch->claims[i]->result.expectation->expr,
                                                  ax_str_from(names[count]) };
        count++;
    }
    if (!count) {
        put_plain(c, batch, c->text);
        return;
    }
    ax_buf_init(&plain, AX_OFFLINE_TEXT_MAX);
    put_plain(c, batch, &plain);
    put(c, "(");
    ax_expr_put_select(c->text, columns, count, AX_STR("*"), ax_buf_str(&plain), AX_SQL_DUCKDB,
                       put_input, NULL);
    put(c, ")");
    ax_buf_fail_with(c->text, &plain);
    ax_buf_done(&plain);
}

/* ---- counting ---- */

static void put_count(const struct checker *c, const struct batch *batch)
{
    put(c, "SELECT count(*), ");
    if (c->with_freshness && c->source->time >= 0)
        ax_buf_printf(c->text, "max(t) FILTER (WHERE t <= %" PRId64 ")", c->now_us);
    else
        put(c, "CAST(NULL AS BIGINT)");
    for (size_t i = 0; i < batch->count; i++) {
        size_t number = batch->claims[i]->number;
        ax_buf_printf(c->text,
                      ", count(*) FILTER (WHERE h%zu IS NULL), count(*) FILTER (WHERE NOT h%zu), "
                      "coalesce(min(n) FILTER (WHERE NOT h%zu), -1) + 1",
                      number, number, number);
    }
    put(c, " FROM ");
    put_rows(c, batch);
}

static enum ax_code count_batch(struct checker *c, struct batch *batch)
{
    struct ax_sql_stream *stream = NULL;
    struct ax_sql_chunk chunk = { 0 };
    put_count(c, batch);
    if (ax_offline_query(c->offline, &stream, c->err))
        return c->err->code;
    if (!ax_sql_stream_next(stream, &chunk, c->err)) {
        assert(chunk.rows == 1);
        c->rows = (size_t)chunk.columns[0].i64s[0];
        c->has_newest = !ax_sql_is_null(&chunk.columns[1], 0);
        if (c->has_newest)
            c->newest_us = chunk.columns[1].i64s[0];
        for (size_t i = 0; i < batch->count; i++) {
            struct ax_expectation_result *result = &batch->claims[i]->result;
            result->missing = (size_t)chunk.columns[2 + 3 * i].i64s[0];
            result->unexpected = (size_t)chunk.columns[3 + 3 * i].i64s[0];
            result->first_row = (size_t)chunk.columns[4 + 3 * i].i64s[0];
        }
    }
    ax_sql_stream_free(stream);
    return c->err->code;
}

/* Also without claims of rows: then how many there are, and how new. */
static enum ax_code count(struct checker *c)
{
    struct batch batch;
    size_t at = 0;
    bool is_more = next_batch(c, is_of_rows, &at, &batch);
    do {
        if (count_batch(c, &batch))
            return c->err->code;
        is_more = next_batch(c, is_of_rows, &at, &batch);
    } while (is_more);
    return AX_OK;
}

static enum ax_code show_first(struct checker *c, struct ax_claim *claim)
{
    put(c, "SELECT ");
    ax_claim_put_shown(c->text, claim);
    ax_buf_printf(c->text, " FROM %s WHERE rowid = %zu", c->table, claim->result.first_row - 1);
    enum ax_code code = ax_buf_check(c->text, "the query", c->err);
    if (!code)
        code = ax_sql_get_text(c->offline->sql, ax_buf_str(c->text), &claim->first, c->err);
    ax_buf_reset(c->text);
    if (code)
        return code;
    for (char *at = claim->first; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
    claim->result.first = ax_str_from(claim->first);
    return AX_OK;
}

/* ---- judging ---- */

static void observe(const struct checker *c, struct ax_expectation_result *result)
{
    bool is_count = result->expectation->kind == AX_EXPECT_ROW_COUNT;
    result->rows = c->rows;
    result->has_observed = is_count || c->has_newest;
    result->observed = is_count ? (int64_t)c->rows : c->newest_us;
    result->now_us = c->now_us;
}

static enum ax_code judge(struct checker *c)
{
    if (make_sides(c) || count(c))
        return c->err->code;
    for (size_t i = 0; i < c->claim_count; i++) {
        struct ax_expectation_result *result = &c->claims[i].result;
        observe(c, result);
        ax_expectation_judge(result);
        if (result->unexpected && show_first(c, &c->claims[i]))
            return c->err->code;
    }
    return AX_OK;
}

/* ---- failing rows ---- */

/* "list_filter([CASE WHEN NOT h0 THEN 'not_null x' END, …])" */
static void put_reasons(const struct checker *c, const struct batch *batch)
{
    struct ax_buf name;
    put(c, "list_filter([");
    for (size_t i = 0; i < batch->count; i++) {
        ax_buf_init(&name, 65536);
        ax_expectation_put_name(&name, &batch->claims[i]->result);
        ax_buf_printf(c->text, "%sCASE WHEN NOT h%zu THEN ", i ? ", " : "",
                      batch->claims[i]->number);
        ax_sql_put_literal(c->text, ax_buf_str(&name));
        ax_buf_fail_with(c->text, &name);
        put(c, " END");
        ax_buf_done(&name);
    }
    put(c, "], lambda r: r IS NOT NULL)");
}

/* The table ax_bad: rows of which a chosen claim does not hold, with the reasons, a batch after the
 * other. */
static enum ax_code find_failing(struct checker *c, choose_fn choose)
{
    struct batch batch;
    size_t at = 0;
    int64_t rows;
    put(c, "CREATE TEMP TABLE ax_bad (n BIGINT, batch BIGINT, reasons VARCHAR[])");
    if (ax_offline_run(c->offline, c->err))
        return c->err->code;
    while (next_batch(c, choose, &at, &batch)) {
        ax_buf_printf(c->text, "INSERT INTO ax_bad SELECT n, %zu, ", at);
        put_reasons(c, &batch);
        put(c, " FROM ");
        put_rows(c, &batch);
        for (size_t i = 0; i < batch.count; i++)
            ax_buf_printf(c->text, "%sNOT h%zu", i ? " OR " : " WHERE ", batch.claims[i]->number);
        if (ax_offline_run(c->offline, c->err))
            return c->err->code;
        c->batch_count++;
    }
    put(c, "SELECT count(DISTINCT n) FROM ax_bad");
    if (ax_offline_get_i64(c->offline, &rows, c->err))
        return c->err->code;
    c->failing_rows = (size_t)rows;
    return AX_OK;
}

static enum ax_code check_names(const struct checker *c)
{
    for (size_t i = 0; i < c->source->column_count; i++) {
        struct ax_str name = c->source->columns[i].name;
        if (ax_str_equals_nocase(name, AX_STR(ROW_NAME)) ||
            ax_str_equals_nocase(name, AX_STR(REASONS_NAME)))
            return ax_fail(c->err, AX_E_INVALID,
                           "source '%.*s': rows with a column '%.*s' cannot be kept as failing, "
                           "which adds one of that name",
                           AX_STR_ARG(c->source->name), AX_STR_ARG(name));
    }
    return AX_OK;
}

/* In small groups and by one thread, since what is being written is not spilled; and lists are only
 * joined where there are several, since those that are being joined are not spilled either. */
static enum ax_code write_failing(struct checker *c, const char *path)
{
    put(c, "COPY (SELECT b.rowid + 1 AS " ROW_NAME);
    for (size_t i = 0; i < c->source->column_count; i++) {
        ax_buf_printf(c->text, ", b.c%zu AS ", i);
        ax_sql_put_name(c->text, c->source->columns[i].name);
    }
    ax_buf_printf(c->text, ", f.reasons AS " REASONS_NAME " FROM %s AS b JOIN ", c->table);
    put(c, c->batch_count > 1 ? "(SELECT n, flatten(list(reasons ORDER BY batch)) AS reasons FROM "
                                "ax_bad GROUP BY n)"
                              : "ax_bad");
    put(c, " AS f ON b.rowid = f.n ORDER BY b.rowid) TO ");
    ax_sql_put_literal(c->text, ax_str_from(path));
    put(c, " (FORMAT parquet, ROW_GROUP_SIZE 16384)");
    return ax_offline_run_in_order(c->offline, c->err);
}

static enum ax_code publish(const char *hidden, const char *path, const char *folder,
                            struct ax_err *err)
{
    int fd = open(hidden, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        (void)ax_fail_errno(err, errno, "write '%s'", hidden);
    if (fd >= 0)
        (void)close(fd);
    if (!err->code && rename(hidden, path))
        (void)ax_fail_errno(err, errno, "replace '%s'", path);
    return err->code ? err->code : ax_file_sync_folder(folder, err);
}

/* "FOLDER/SOURCE.failed.parquet": whole, in the place of the one of an earlier run, or gone. */
static enum ax_code keep_failing(struct checker *c, const char *folder)
{
    char path[PATH_MAX], hidden[PATH_MAX];
    int len =
        snprintf(path, sizeof(path), "%s/%.*s.failed.parquet", folder, AX_STR_ARG(c->source->name));
    int hidden_len = snprintf(hidden, sizeof(hidden), "%s/failed.parquet", c->offline->work_folder);
    if (len < 0 || (size_t)len >= sizeof(path) || hidden_len < 0 ||
        (size_t)hidden_len >= sizeof(hidden))
        return ax_fail(c->err, AX_E_INVALID, "the path of '%s' is too long", folder);
    if (find_failing(c, is_unexpected))
        return c->err->code;
    if (!c->failing_rows) {
        if (unlink(path) && errno != ENOENT)
            return ax_fail_errno(c->err, errno, "remove '%s'", path);
        return AX_OK;
    }
    if (write_failing(c, hidden) || publish(hidden, path, folder, c->err))
        (void)ax_err_context(c->err, "write '%s'", path);
    (void)unlink(hidden);
    return c->err->code;
}

/* ---- a source by itself ---- */

static enum ax_code expect(struct checker *c, const struct ax_offline_expect *request)
{
    const struct ax_source *source = c->source;
    bool *used = ax_xalloc((source->column_count + 1) * sizeof(*used));
    bool has_column = false;
    ax_expectations_mark_columns(source, used);
    for (size_t i = 0; i < source->column_count; i++) {
        used[i] |= request->failed_folder != NULL || (long)i == source->time;
        has_column |= used[i];
    }
    used[0] |= !has_column;
    enum ax_code code = request->failed_folder ? check_names(c) : AX_OK;
    if (!code)
        code = read_source(c, source, used, c->table);
    free(used);
    if (code || judge(c))
        return c->err->code;
    return request->failed_folder ? keep_failing(c, request->failed_folder) : AX_OK;
}

enum ax_code ax_source_expect(struct ax_offline *offline, const struct ax_source *source,
                              const struct ax_offline_expect *request,
                              struct ax_offline_expect_report *ret_report, struct ax_err *err)
{
    assert(offline && source && source->column_count && request && ret_report && err);
    struct ax_err ignored = AX_ERR_INIT;
    struct checker c = { .offline = offline,
                         .text = &offline->text,
                         .source = source,
                         .table = "ax_x",
                         .with_freshness = true,
                         .now_us = request->now_us,
                         .err = err };
    make_claims(&c);
    if (!expect(&c, request)) {
        for (size_t i = 0; i < c.claim_count; i++)
            request->result(request->arg, &c.claims[i].result);
        *ret_report = (struct ax_offline_expect_report){ c.rows, c.failing_rows };
    }
    checker_done(&c);
    ax_buf_printf(&offline->text, "DROP TABLE IF EXISTS ax_x");
    (void)(ax_offline_run(offline, &ignored) != AX_OK);
    return err->code;
}

/* ---- a source of a history ---- */

static void put_held(const struct checker *c)
{
    struct ax_buf *held = &c->offline->held;
    ax_buf_printf(held, "%zu\n", c->failing_rows);
    for (size_t i = 0; i < c->claim_count; i++) {
        const struct ax_expectation_result *result = &c->claims[i].result;
        if (result->outcome == AX_EXPECTATION_HELD)
            continue;
        ax_buf_printf(held, "source '%.*s': %s: ", AX_STR_ARG(c->source->name),
                      ax_expectation_outcome_name(result->outcome));
        ax_expectation_put_name(held, result);
        ax_buf_printf(held, ": ");
        ax_expectation_put_finding(held, result);
        ax_buf_printf(held, "\n");
    }
}

void ax_source_tell_held(struct ax_offline *offline)
{
    assert(offline);
    const struct ax_offline_config *config = &offline->config;
    struct ax_str held = ax_buf_str(&offline->held);
    bool is_count = true;
    while (held.len) {
        const char *end = memchr(held.ptr, '\n', held.len);
        size_t len = end ? (size_t)(end - held.ptr) : held.len;
        if (is_count)
            offline->dropped_rows += strtoull(held.ptr, NULL, 10);
        else if (config->notice)
            config->notice(config->arg, (struct ax_str){ held.ptr, len });
        is_count = false;
        len = AX_MIN(len + 1, held.len);
        held = (struct ax_str){ held.ptr + len, held.len - len };
    }
}

static enum ax_code fail(const struct checker *c, const struct ax_expectation_result *result)
{
    struct ax_buf text;
    const struct ax_place *place = &result->expectation->place;
    ax_buf_init(&text, 65536);
    ax_expectation_put_name(&text, result);
    ax_buf_printf(&text, ": ");
    ax_expectation_put_finding(&text, result);
    (void)ax_fail(c->err, AX_E_INVALID, "source '%.*s': %s:%u:%u: %.*s",
                  AX_STR_ARG(c->source->name), place->file, place->line, place->column,
                  AX_STR_ARG(ax_buf_str(&text)));
    ax_buf_done(&text);
    return c->err->code;
}

static enum ax_code replace_table(struct checker *c, bool needs_time)
{
    ax_buf_printf(c->text,
                  "CREATE TEMP TABLE ax_kept AS SELECT b.* FROM %s AS b ANTI JOIN ax_bad ON "
                  "b.rowid = ax_bad.n",
                  c->table);
    if (needs_time)
        ax_buf_printf(c->text, " WHERE b.c%ld IS NOT NULL", c->source->time);
    put(c, " ORDER BY b.rowid");
    if (ax_offline_run(c->offline, c->err))
        return c->err->code;
    ax_buf_printf(c->text, "DROP TABLE %s", c->table);
    if (ax_offline_run(c->offline, c->err))
        return c->err->code;
    ax_buf_printf(c->text, "ALTER TABLE ax_kept RENAME TO %s", c->table);
    return ax_offline_run(c->offline, c->err);
}

static enum ax_code hold(struct checker *c, bool needs_time)
{
    bool drops = false;
    if (judge(c))
        return c->err->code;
    for (size_t i = 0; i < c->claim_count; i++) {
        const struct ax_expectation_result *result = &c->claims[i].result;
        if (result->outcome == AX_EXPECTATION_FAILED)
            return fail(c, result);
        drops |= is_dropping(&c->claims[i]);
    }
    if ((drops || needs_time) && (find_failing(c, is_dropping) || replace_table(c, needs_time)))
        return c->err->code;
    put_held(c);
    return ax_buf_check(&c->offline->held, "what is told of expectations", c->err);
}

enum ax_code ax_source_hold(struct ax_offline *offline, const struct ax_source *source,
                            const char *table, bool needs_time, struct ax_err *err)
{
    assert(offline && source && table && (!needs_time || source->time >= 0) && err);
    struct checker c = {
        .offline = offline, .text = &offline->text, .source = source, .table = table, .err = err
    };
    make_claims(&c);
    (void)(hold(&c, needs_time) != AX_OK);
    checker_done(&c);
    return err->code;
}
