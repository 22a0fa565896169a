/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests for people and for programs. What stands in one is anybody's, so texts are printed
 * plain only where they are, and as JSON texts otherwise.
 */
#include "cmd/data_show.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define VALUE_BYTES_MAX  30
#define SHORT_DIGEST_LEN 12

/* For a table: a text that deceives the eye in quotes, and a dash for what is not there. */
static void put_shown(struct ax_buf *out, const struct ax_json *value)
{
    enum ax_json_kind kind = ax_json_kind(value);
    if (kind == AX_JSON_KIND_NULL)
        (void)ax_buf_append_char(out, '-');
    else if (kind == AX_JSON_KIND_STRING && !ax_str_is_plain(ax_json_str(value)))
        ax_json_put_value(out, value);
    else
        ax_json_put_plain(out, value);
}

/* A scalar, cut, and blanks up to `width`. */
static void put_cell(struct ax_buf *out, const char *before, const struct ax_json *value,
                     size_t width)
{
    struct ax_buf text;
    ax_buf_init(&text, (size_t)1 << 20);
    ax_buf_printf(&text, "%s", before);
    put_shown(&text, value);
    struct ax_str cut = ax_str_cut(ax_buf_str(&text), VALUE_BYTES_MAX);
    (void)ax_buf_append_str(out, cut);
    if (cut.len < text.len)
        (void)ax_buf_append_str(out, AX_STR(".."));
    ax_buf_printf(out, "%*s", cut.len < width ? (int)(width - cut.len) : 0, "");
    (void)ax_buf_append_char(out, ' ');
    ax_buf_done(&text);
}

/* ---- the list ---- */

static int compare_listed(const void *a, const void *b)
{
    const struct ax_dataset_manifest *left = a;
    const struct ax_dataset_manifest *right = b;
    int order = ax_str_compare(left->created_at, right->created_at);
    return order ? order : ax_str_compare(left->digest, right->digest);
}

static void put_listed_json(struct ax_buf *out, const struct ax_dataset_manifest *manifest)
{
    struct ax_str service = ax_json_str(ax_json_get(manifest->made, "service"));
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "digest", manifest->digest);
    ax_json_put_member(out, "content", manifest->content);
    ax_json_put_member(out, "created_at", manifest->created_at);
    ax_json_put_member_u64(out, "rows", manifest->rows);
    ax_json_put_member_u64(out, "columns", ax_json_count(manifest->columns));
    ax_json_put_member_u64(out, "bytes", manifest->bytes);
    ax_json_put_member(out, "by", ax_json_str(ax_json_get(manifest->made, "by")));
    ax_json_put_member(out, "from", ax_json_str(ax_json_get(manifest->made, "from")));
    if (service.len)
        ax_json_put_member(out, "service", service);
    (void)ax_buf_append_str(out, AX_STR("}\n"));
}

static void put_listed(struct ax_buf *out, const struct ax_dataset_manifest *manifest)
{
    const struct ax_json *service = ax_json_get(manifest->made, "service");
    bool has_time = manifest->created_at.len >= 19 && ax_str_is_plain(manifest->created_at);
    ax_buf_printf(out, "%.*s  %.19s%s %11llu %7zu %13llu  ", SHORT_DIGEST_LEN, manifest->digest.ptr,
                  has_time ? manifest->created_at.ptr : "-                  ", has_time ? "Z" : " ",
                  (unsigned long long)manifest->rows, ax_json_count(manifest->columns),
                  (unsigned long long)manifest->bytes);
    put_shown(out, ax_json_get(manifest->made, "by"));
    ax_buf_printf(out, service ? " of service " : " ");
    put_shown(out, service ? service : ax_json_get(manifest->made, "from"));
    (void)ax_buf_append_char(out, '\n');
}

static void put_list(const struct ax_dataset_manifest *listed, size_t count, bool json,
                     struct ax_buf *out)
{
    if (!json)
        ax_buf_printf(out, "%-*s  %-20s %11s %7s %13s  %s\n", SHORT_DIGEST_LEN, "DIGEST", "CREATED",
                      "ROWS", "COLUMNS", "BYTES", "MADE BY");
    for (size_t i = 0; i < count; i++) {
        if (json)
            put_listed_json(out, &listed[i]);
        else
            put_listed(out, &listed[i]);
    }
}

enum ax_code ax_data_list(const struct ax_command_line *line, const char *state, bool json,
                          struct ax_buf *out, struct ax_err *err)
{
    assert(line && state && out && err);
    struct ax_dataset_digests digests = { 0 };
    enum ax_code code = AX_OK;
    size_t count = 0;
    if (ax_dataset_digests_read(state, &digests, err))
        return err->code;
    struct ax_dataset_manifest *listed = ax_xalloc((digests.count + 1) * sizeof(*listed));
    for (size_t i = 0; i < digests.count; i++) {
        struct ax_err damage = AX_ERR_INIT;
        if (!ax_dataset_read(state, digests.items[i], &listed[count], &damage)) {
            count++;
            continue;
        }
        ax_command_line_complain(line, "%s", damage.msg);
        code = damage.code;
    }
    qsort(listed, count, sizeof(*listed), compare_listed);
    put_list(listed, count, json, out);
    for (size_t i = 0; i < count; i++)
        ax_dataset_manifest_done(&listed[i]);
    free(listed);
    ax_dataset_digests_done(&digests);
    return ax_buf_check(out, "the list", err) ? err->code : code;
}

/* ---- one of them ---- */

static void put_line(struct ax_buf *out, const char *name, const struct ax_json *value)
{
    if (!value)
        return;
    ax_buf_printf(out, "  %-12s", name);
    put_shown(out, value);
    (void)ax_buf_append_char(out, '\n');
}

static void put_made(struct ax_buf *out, const struct ax_dataset_manifest *manifest)
{
    static const char *const names[] = { "by", "from", "service", "at", "as_known", "definitions" };
    const struct ax_json *definition = ax_json_get(ax_json_root(manifest->doc), "definition");
    for (size_t i = 0; i < AX_COUNT(names); i++)
        put_line(out, names[i], ax_json_get(manifest->made, names[i]));
    put_line(out, "definition", ax_json_get(definition, "digest"));
    put_line(out, "created", ax_json_get(manifest->made, "created_at"));
    put_line(out, "auspex", ax_json_get(manifest->made, "auspex"));
}

static void put_columns(struct ax_buf *out, const struct ax_dataset_manifest *manifest)
{
    static const struct {
        const char *title;
        const char *key;
        size_t width;
    } cells[] = {
        { "COLUMN", "name", 24 }, { "TYPE", "type", 10 },        { "COUNT", "count", 10 },
        { "NULLS", "nulls", 9 },  { "DISTINCT", "distinct", 9 }, { "MIN", "min", 20 },
        { "MAX", "max", 20 },     { "MEAN", "mean", 0 },
    };
    struct ax_json_iter iter = ax_json_iterate(manifest->columns);
    for (size_t i = 0; i < AX_COUNT(cells); i++)
        ax_buf_printf(out, "%-*s%s", (int)cells[i].width, cells[i].title,
                      i + 1 < AX_COUNT(cells) ? " " : "\n");
    for (const struct ax_json *column; (column = ax_json_next(&iter));) {
        bool is_estimate = ax_json_is_true(ax_json_get(column, "distinct_is_estimate"));
        for (size_t i = 0; i < AX_COUNT(cells); i++) {
            const char *before = is_estimate && strcmp(cells[i].key, "distinct") == 0 ? "~" : "";
            put_cell(out, before, ax_json_get(column, cells[i].key), cells[i].width);
        }
        out->len -= out->len && out->ptr[out->len - 1] == ' ';
        (void)ax_buf_append_char(out, '\n');
    }
}

static void put_sources(struct ax_buf *out, const struct ax_dataset_manifest *manifest)
{
    struct ax_json_iter iter = ax_json_iterate(manifest->sources);
    for (const struct ax_json *source; (source = ax_json_next(&iter));) {
        struct ax_str digest = ax_json_str(ax_json_get(source, "sha256"));
        const struct ax_json *path = ax_json_get(source, "path");
        ax_buf_printf(out, "  made of     ");
        put_shown(out, ax_json_get(source, "of"));
        ax_buf_printf(out, ": ");
        if (path)
            put_shown(out, path);
        else
            ax_buf_printf(out, "SQL");
        ax_buf_printf(out, ", ");
        put_shown(out, ax_json_get(source, "bytes"));
        ax_buf_printf(out, " bytes, sha256 ");
        if (ax_dataset_is_digest(digest))
            ax_buf_printf(out, "%.12s", digest.ptr);
        (void)ax_buf_append_char(out, '\n');
    }
}

enum ax_code ax_data_show(const struct ax_dataset_manifest *manifest, bool json, struct ax_buf *out,
                          struct ax_err *err)
{
    assert(manifest && out && err);
    if (json) {
        /* The manifest as it stands has line breaks; this is one line. */
        ax_json_put_value(out, ax_json_root(manifest->doc));
        (void)ax_buf_append_char(out, '\n');
        return ax_buf_check(out, "the manifest", err);
    }
    ax_buf_printf(out, "%.*s\n  rows        %llu in %zu columns, %llu bytes\n",
                  AX_STR_ARG(manifest->digest), (unsigned long long)manifest->rows,
                  ax_json_count(manifest->columns), (unsigned long long)manifest->bytes);
    ax_buf_printf(out, "  content     %.*s\n", AX_STR_ARG(manifest->content));
    put_made(out, manifest);
    put_sources(out, manifest);
    (void)ax_buf_append_char(out, '\n');
    put_columns(out, manifest);
    return ax_buf_check(out, "the manifest", err);
}
