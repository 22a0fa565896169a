/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is told of a dataset is what was measured, depends on no cut into chunks, is read back
 * as it was written, and any change of it is found; texts that are no manifest are refused.
 * Method: columns made by hand are added whole and in pieces; a manifest of them is printed, read,
 * compared, and compared again with one piece of its text changed. Also run with refused
 * allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/dataset_manifest.h"
#include "pipeline/dataset_origin.h"

#include "torture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER  "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

/* Whether memory was refused; fails the test when something else went wrong. */
static bool is_refused(enum ax_code code, const struct ax_err *err)
{
    if (code && !(code == AX_E_LIMIT && ax_torture_struck()))
        fail_msg("%d %s", code, err->msg);
    return code != AX_OK;
}

/* ---- statistics ---- */

enum { ROWS = 600 };

static int64_t i64s[ROWS];
static double f64s[ROWS];
static bool bools[ROWS];
static struct ax_str texts[ROWS];
static char text_bytes[ROWS][24];
static uint64_t validity[(ROWS + 63) / 64];

static const struct ax_sql_column columns[] = {
    { .type = AX_SQL_I64, .i64s = i64s, .validity = validity },
    { .type = AX_SQL_F64, .f64s = f64s },
    { .type = AX_SQL_BOOL, .bools = bools, .validity = validity },
    { .type = AX_SQL_TEXT, .texts = texts, .validity = validity },
    { .type = AX_SQL_TIMESTAMP, .i64s = i64s },
};

static void make_values(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        i64s[i] = (int64_t)(i * 7919 % 1000) - 300;
        f64s[i] = i % 50 == 7 ? NAN : i % 50 == 9 ? -INFINITY : (double)i64s[i] / 8;
        bools[i] = i % 3 == 0;
        int len = snprintf(text_bytes[i], sizeof(text_bytes[i]), "t%zu \"\xC3\xA9\"\n", i % 400);
        texts[i] = (struct ax_str){ text_bytes[i], (size_t)len };
        if (i % 11)
            validity[i / 64] |= (uint64_t)1 << (i % 64);
    }
}

/* Rows [first, first + rows) of a column, which begin at a word of its validity. */
static struct ax_sql_column part_of(const struct ax_sql_column *column, size_t first)
{
    struct ax_sql_column part = *column;
    if (part.validity)
        part.validity += first / 64;
    switch (part.type) {
    case AX_SQL_BOOL:
        part.bools += first;
        break;
    case AX_SQL_F64:
        part.f64s += first;
        break;
    case AX_SQL_TEXT:
    case AX_SQL_BYTES:
        part.texts += first;
        break;
    case AX_SQL_I64:
    case AX_SQL_TIMESTAMP:
    case AX_SQL_LIST:
        part.i64s += first;
        break;
    }
    return part;
}

static enum ax_code add_in_pieces(struct ax_dataset_statistics *statistics,
                                  const struct ax_sql_column *column, size_t piece,
                                  struct ax_err *err)
{
    statistics->type = column->type;
    for (size_t first = 0; first < ROWS; first += piece) {
        struct ax_sql_column part = part_of(column, first);
        size_t rows = AX_MIN(piece, (size_t)ROWS - first);
        if (ax_dataset_statistics_add(statistics, &part, rows, err))
            return err->code;
    }
    return AX_OK;
}

static void pieces_change_nothing(void **state AX_UNUSED)
{
    static const size_t pieces[] = { ROWS, 64, 128, 320 };
    for (size_t i = 0; i < AX_COUNT(columns); i++) {
        char whole[2048] = "";
        for (size_t k = 0; k < AX_COUNT(pieces); k++) {
            struct ax_dataset_statistics statistics = { 0 };
            struct ax_err err = AX_ERR_INIT;
            struct ax_buf out;
            ax_buf_init(&out, sizeof(whole) - 1);
            if (!is_refused(add_in_pieces(&statistics, &columns[i], pieces[k], &err), &err)) {
                ax_dataset_statistics_put(&statistics, &out);
                assert_true(!out.failed || ax_torture_struck());
                struct ax_str text = ax_buf_str(&out);
                if (!whole[0])
                    (void)snprintf(whole, sizeof(whole), "%.*s", AX_STR_ARG(text));
                else if (!out.failed && !ax_torture_struck())
                    assert_true(ax_str_is(text, whole));
            }
            ax_buf_done(&out);
            ax_dataset_statistics_done(&statistics);
        }
    }
}

/* ---- printed, read, compared ---- */

struct made {
    struct ax_dataset_column columns[AX_COUNT(columns)];
    struct ax_dataset_content content;
    struct ax_dataset_origins origins;
    struct ax_buf text;
};

static void made_done(struct made *made)
{
    for (size_t i = 0; i < AX_COUNT(made->columns); i++)
        ax_dataset_statistics_done(&made->columns[i].statistics);
    ax_dataset_origins_done(&made->origins);
    ax_buf_done(&made->text);
}

/* False when memory was refused. */
static bool make(struct made *made)
{
    static const char *const names[] = { "n", "x", "ok \"?\"", "text", "at" };
    struct ax_err err = AX_ERR_INIT;
    struct ax_dataset_file file = { .bytes = 1234, .digest = DIGEST };
    *made = (struct made){ .content = { .digest = DIGEST, .content = OTHER, .rows = ROWS } };
    made->content.columns = made->columns;
    made->content.column_count = AX_COUNT(made->columns);
    ax_dataset_origins_init(&made->origins);
    ax_buf_init(&made->text, (size_t)1 << 20);
    for (size_t i = 0; i < AX_COUNT(columns); i++) {
        made->columns[i].name = ax_str_from(names[i]);
        made->columns[i].type = ax_str_from(ax_sql_type_name(columns[i].type));
        if (is_refused(add_in_pieces(&made->columns[i].statistics, &columns[i], ROWS, &err), &err))
            return false;
    }
    struct ax_dataset_origin *origin = &made->origins.origin;
    origin->by = AX_DATASET_BY_HISTORY;
    origin->from = AX_STR("/rows \"1\"\n.csv");
    origin->service = AX_STR("s");
    origin->at = AX_STR("sched_dep - 2h");
    origin->definitions = AX_STR("/d");
    origin->definition_digest = AX_STR(OTHER);
    for (size_t i = 0; i < 40; i++)
        if (is_refused(ax_dataset_origins_add_text(&made->origins, AX_STR("source \xFF"),
                                                   AX_STR(""), AX_STR("SELECT 1"), &err),
                       &err))
            return false;
    ax_dataset_manifest_put(&made->content, &file, origin, 0, &made->text);
    return !is_refused(ax_buf_check(&made->text, "the manifest", &err), &err);
}

/* What comes of comparing `made` with the manifest `text`; "" when they are the same, NULL when
 * memory was refused. */
static const char *compared(const struct made *made, struct ax_str text)
{
    static struct ax_err err;
    struct ax_dataset_manifest manifest = { 0 };
    err = (struct ax_err)AX_ERR_INIT;
    enum ax_code code = ax_dataset_manifest_parse(text, &manifest, &err);
    if (!code)
        code = ax_dataset_manifest_compare(&manifest, &made->content, &err);
    ax_dataset_manifest_done(&manifest);
    if (code == AX_E_LIMIT && ax_torture_struck())
        return NULL;
    assert_true(!code || code == AX_E_INVALID);
    return code ? err.msg : "";
}

static void what_is_printed_is_read(void **state AX_UNUSED)
{
    struct made made;
    if (make(&made)) {
        struct ax_dataset_manifest manifest;
        struct ax_err err = AX_ERR_INIT;
        const char *found = compared(&made, ax_buf_str(&made.text));
        if (found)
            assert_string_equal(found, "");
        if (!is_refused(ax_dataset_manifest_parse(ax_buf_str(&made.text), &manifest, &err), &err)) {
            assert_int_equal(manifest.rows, ROWS);
            assert_int_equal(manifest.bytes, 1234);
            assert_true(ax_str_is(manifest.digest, DIGEST));
            assert_true(ax_str_is(manifest.content, OTHER));
            assert_true(ax_str_is(manifest.file_digest, DIGEST));
            assert_true(ax_str_is(manifest.created_at, "1970-01-01T00:00:00.000000Z"));
            assert_true(
                ax_str_is(ax_json_str(ax_json_get(manifest.made, "from")), "/rows \"1\"\n.csv"));
            assert_int_equal(ax_json_count(manifest.columns), AX_COUNT(columns));
            assert_int_equal(ax_json_count(manifest.sources), 40);
            ax_dataset_manifest_done(&manifest);
        }
    }
    made_done(&made);
}

static void changes_are_found(void **state AX_UNUSED)
{
    static const struct {
        const char *old;
        const char *new;
        const char *message;
    } rows[] = {
        { "\"rows\":600", "\"rows\":601", "there are 600 rows, the manifest says 601" },
        { "{\"name\":\"n\"", "{\"name\":\"m\"",
          "column 'n': name is \"n\", the manifest says \"m\"" },
        { "\"type\":\"DOUBLE\"", "\"type\":\"FLOAT\"", "column 'x': type is \"DOUBLE\"" },
        { "\"nulls\":55", "\"nulls\":54", "column 'n': nulls is 55, the manifest says 54" },
        { "\"min\":-298", "\"min\":-298.5", "column 'n': min is -298, the manifest says -298.5" },
        { "\"min\":-298", "\"min\":\"-298\"",
          "column 'n': min is -298, the manifest says \"-298\"" },
        { "\"not_finite\":24", "\"not_finite\":[]", "column 'x': not_finite is 24" },
        { "\"min\":false", "\"min\":null", "column 'ok \"?\"': min is false" },
        { "\"distinct_is_estimate\":true", "\"distinct_is_estimate\":1", "distinct_is_estimate" },
        { "],\n\"columns\":[", "],\n\"columns\":[{\"name\":\"z\",\"type\":\"\"},",
          "there are 5 columns, the manifest says 6" },
        { "\"content\":\"fe", "\"content\":\"ef", "the content of the rows is " OTHER },
        { "\"digest\":\"01", "\"digest\":\"10", "the digest of the rows is " DIGEST },
    };
    struct made made;
    if (!make(&made)) {
        made_done(&made);
        return;
    }
    struct ax_str text = ax_buf_str(&made.text);
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_buf changed;
        const char *at = memmem(text.ptr, text.len, rows[i].old, strlen(rows[i].old));
        if (!at)
            fail_msg("no '%s' in %.*s", rows[i].old, AX_STR_ARG(text));
        const char *rest = at + strlen(rows[i].old);
        ax_buf_init(&changed, 2 * text.len + 100);
        (void)ax_buf_append(&changed, text.ptr, (size_t)(at - text.ptr));
        (void)ax_buf_append_str(&changed, ax_str_from(rows[i].new));
        (void)ax_buf_append(&changed, rest, text.len - (size_t)(rest - text.ptr));
        const char *found = changed.failed ? NULL : compared(&made, ax_buf_str(&changed));
        if (found && !strstr(found, rows[i].message))
            fail_msg("%s: %s", rows[i].new, found);
        assert_true(found || ax_torture_struck());
        ax_buf_done(&changed);
    }
    made_done(&made);
}

/* ---- what is none ---- */

#define FILE_OF(bytes, sha) "\"file\":{\"bytes\":" bytes ",\"sha256\":\"" sha "\"}"

#define MADE "\"made\":{\"by\":\"file\",\"from\":\"x\",\"created_at\":\"\",\"auspex\":\"0\"}"

#define HEAD "{\"format\":1,\"digest\":\"" DIGEST "\",\"content\":\"" DIGEST "\",\"rows\":1,"

static void manifests_are_checked(void **state AX_UNUSED)
{
    static const struct {
        const char *text;
        const char *message; /* NULL: it is one */
    } cases[] = {
        { HEAD FILE_OF("1", DIGEST) "," MADE ",\"columns\":[],\"sources\":[]}", NULL },
        { HEAD FILE_OF("1", DIGEST) "," MADE ",\"columns\":[{\"name\":\"\",\"type\":\"x\"}],"
                                    "\"sources\":[{\"of\":\"\",\"sha256\":"
                                    "\"\"}],\"more\":[[]]}",
          NULL },
        { "", "malformed" },
        { "{\"format\":1.5}", "'format' is no count" },
        { "{\"format\":1,\"digest\":\"" DIGEST "0\"}", "'digest' is no text of 64" },
        { "{\"format\":1,\"digest\":\"" DIGEST "\"}", "'content' is no text" },
        { HEAD "\"x\":1}", "'sha256' is no text" },
        { HEAD FILE_OF("-1", DIGEST) "}", "'bytes' is no count" },
        { HEAD FILE_OF("1", "ABCDEF") "}", "'sha256' is no text" },
        { HEAD FILE_OF("1", DIGEST) "}", "'made' has no text 'by'" },
        { HEAD FILE_OF("1", DIGEST) "," MADE "}", "'columns' is no list" },
        { HEAD FILE_OF("1", DIGEST) "," MADE ",\"columns\":[1],\"sources\":[]}",
          "an element of 'columns' has no text 'name'" },
        { HEAD FILE_OF("1", DIGEST) "," MADE ",\"columns\":[],\"sources\":[{}]}",
          "an element of 'sources' has no text 'of'" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_dataset_manifest manifest = { 0 };
        enum ax_code code = ax_dataset_manifest_parse(ax_str_from(cases[i].text), &manifest, &err);
        if (code == AX_E_LIMIT && ax_torture_struck())
            continue;
        if (cases[i].message ? code != AX_E_INVALID || !strstr(err.msg, cases[i].message) : code)
            fail_msg("%s: %d %s", cases[i].text, code, err.msg);
        ax_dataset_manifest_done(&manifest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_change_nothing),
        cmocka_unit_test(what_is_printed_is_read),
        cmocka_unit_test(changes_are_found),
        cmocka_unit_test(manifests_are_checked),
    };
    make_values();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
