/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing and reading manifests. To compare what was measured with what is written, the measured
 * columns are printed as a manifest has them and read back: so there is one form of each value, and
 * two trees of JSON are compared, two levels deep.
 */
#include "pipeline/dataset_manifest.h"

#include "base/clock.h"

#include <assert.h>

#include "auspex_config.h"

#define COLUMNS_TEXT_MAX ((size_t)256 << 20)
#define SHOWN_BYTES_MAX  40

/* ---- printing ---- */

static void put_columns(const struct ax_dataset_content *content, struct ax_buf *out)
{
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < content->column_count; i++) {
        const struct ax_dataset_column *column = &content->columns[i];
        ax_buf_printf(out, i ? ",\n  {" : "\n  {");
        ax_json_put_member(out, "name", column->name);
        ax_json_put_member(out, "type", column->type);
        ax_dataset_statistics_put(&column->statistics, out);
        (void)ax_buf_append_char(out, '}');
    }
    ax_buf_printf(out, "\n]");
}

static void put_made(const struct ax_dataset_origin *origin, int64_t created_us, struct ax_buf *out)
{
    char text[AX_CLOCK_TEXT_SIZE];
    bool by_history = origin->by == AX_DATASET_BY_HISTORY;
    ax_clock_text(created_us, text);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "by", by_history ? AX_STR("history") : AX_STR("file"));
    ax_json_put_member(out, "from", origin->from);
    if (by_history) {
        ax_json_put_member(out, "service", origin->service);
        ax_json_put_member(out, "at", origin->at);
        ax_json_put_member_bool(out, "as_known", origin->as_known);
        ax_json_put_member(out, "definitions", origin->definitions);
    }
    ax_json_put_member(out, "created_at", ax_str_from(text));
    ax_json_put_member(out, "auspex", ax_str_from(AX_VERSION));
    (void)ax_buf_append_char(out, '}');
}

static void put_sources(const struct ax_dataset_origin *origin, struct ax_buf *out)
{
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < origin->source_count; i++) {
        const struct ax_dataset_source *source = &origin->sources[i];
        ax_buf_printf(out, i ? ",\n  {" : "\n  {");
        ax_json_put_member(out, "of", source->whose);
        if (source->path.len)
            ax_json_put_member(out, "path", source->path);
        ax_json_put_member_u64(out, "bytes", source->bytes);
        ax_json_put_member(out, "sha256", ax_str_from(source->digest));
        (void)ax_buf_append_char(out, '}');
    }
    ax_buf_printf(out, "\n]");
}

void ax_dataset_manifest_put(const struct ax_dataset_content *content,
                             const struct ax_dataset_file *file,
                             const struct ax_dataset_origin *origin, int64_t created_us,
                             struct ax_buf *out)
{
    assert(content && file && origin && out);
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member_u64(out, "format", AX_DATASET_FORMAT);
    ax_buf_printf(out, ",\n\"digest\":\"%s\",\n\"content\":\"%s\",\n\"rows\":%llu,\n",
                  content->digest, content->content, (unsigned long long)content->rows);
    ax_buf_printf(out, "\"file\":{\"name\":\"data.parquet\",\"bytes\":%llu,\"sha256\":\"%s\"}",
                  (unsigned long long)file->bytes, file->digest);
    ax_buf_printf(out, ",\n\"made\":");
    put_made(origin, created_us, out);
    if (origin->by == AX_DATASET_BY_HISTORY) {
        ax_buf_printf(out, ",\n\"definition\":{");
        ax_json_put_member(out, "service", origin->service);
        ax_json_put_member(out, "digest", origin->definition_digest);
        (void)ax_buf_append_char(out, '}');
    }
    ax_buf_printf(out, ",\n\"sources\":");
    put_sources(origin, out);
    ax_buf_printf(out, ",\n\"columns\":");
    put_columns(content, out);
    ax_buf_printf(out, "\n}\n");
}

/* ---- reading ---- */

bool ax_dataset_is_digest(struct ax_str text)
{
    if (text.len != AX_SHA256_TEXT_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789abcdef", text.ptr[i]) || !text.ptr[i])
            return false;
    return true;
}

static enum ax_code take_digest(const struct ax_json *object, const char *key, struct ax_str *ret,
                                struct ax_err *err)
{
    struct ax_str text = ax_json_str(ax_json_get(object, key));
    if (!ax_dataset_is_digest(text))
        return ax_fail(err, AX_E_INVALID, "'%s' is no text of 64 lower-case hex digits", key);
    *ret = text;
    return AX_OK;
}

static enum ax_code take_count(const struct ax_json *object, const char *key, uint64_t *ret,
                               struct ax_err *err)
{
    if (!ax_json_to_u64(ax_json_get(object, key), ret))
        return ax_fail(err, AX_E_INVALID, "'%s' is no count", key);
    return AX_OK;
}

static enum ax_code take_list(const struct ax_json *object, const char *key,
                              const char *const *keys, const struct ax_json **ret,
                              struct ax_err *err)
{
    const struct ax_json *list = ax_json_get(object, key);
    if (ax_json_kind(list) != AX_JSON_KIND_ARRAY)
        return ax_fail(err, AX_E_INVALID, "'%s' is no list", key);
    struct ax_json_iter iter = ax_json_iterate(list);
    for (const struct ax_json *at; (at = ax_json_next(&iter));)
        for (size_t i = 0; keys[i]; i++)
            if (ax_json_kind(ax_json_get(at, keys[i])) != AX_JSON_KIND_STRING)
                return ax_fail(err, AX_E_INVALID, "an element of '%s' has no text '%s'", key,
                               keys[i]);
    *ret = list;
    return AX_OK;
}

static enum ax_code take_made(const struct ax_json *root, struct ax_dataset_manifest *manifest,
                              struct ax_err *err)
{
    static const char *const keys[] = { "by", "from", "created_at", "auspex" };
    manifest->made = ax_json_get(root, "made");
    for (size_t i = 0; i < AX_COUNT(keys); i++)
        if (ax_json_kind(ax_json_get(manifest->made, keys[i])) != AX_JSON_KIND_STRING)
            return ax_fail(err, AX_E_INVALID, "'made' has no text '%s'", keys[i]);
    manifest->created_at = ax_json_str(ax_json_get(manifest->made, "created_at"));
    return AX_OK;
}

static enum ax_code take(const struct ax_json *root, struct ax_dataset_manifest *manifest,
                         struct ax_err *err)
{
    static const char *const column_keys[] = { "name", "type", NULL };
    static const char *const source_keys[] = { "of", "sha256", NULL };
    const struct ax_json *file = ax_json_get(root, "file");
    uint64_t format = 0;
    if (ax_json_kind(root) != AX_JSON_KIND_OBJECT)
        return ax_fail(err, AX_E_INVALID, "it is no JSON object");
    if (take_count(root, "format", &format, err))
        return err->code;
    if (format != AX_DATASET_FORMAT)
        return ax_fail(err, AX_E_UNSUPPORTED, "its format is %llu; this auspex knows %d",
                       (unsigned long long)format, AX_DATASET_FORMAT);
    if (take_digest(root, "digest", &manifest->digest, err) ||
        take_digest(root, "content", &manifest->content, err) ||
        take_count(root, "rows", &manifest->rows, err) ||
        take_digest(file, "sha256", &manifest->file_digest, err) ||
        take_count(file, "bytes", &manifest->bytes, err) || take_made(root, manifest, err) ||
        take_list(root, "columns", column_keys, &manifest->columns, err))
        return err->code;
    return take_list(root, "sources", source_keys, &manifest->sources, err);
}

enum ax_code ax_dataset_manifest_parse(struct ax_str text, struct ax_dataset_manifest *ret_manifest,
                                       struct ax_err *err)
{
    assert((text.ptr || !text.len) && ret_manifest && err);
    struct ax_dataset_manifest manifest = { 0 };
    if (ax_json_parse(text, &manifest.doc, err))
        return err->code;
    if (take(ax_json_root(manifest.doc), &manifest, err)) {
        ax_dataset_manifest_done(&manifest);
        return err->code;
    }
    *ret_manifest = manifest;
    return AX_OK;
}

void ax_dataset_manifest_done(struct ax_dataset_manifest *manifest)
{
    if (!manifest)
        return;
    ax_json_free(manifest->doc);
    *manifest = (struct ax_dataset_manifest){ 0 };
}

/* ---- comparing ---- */

struct comparison {
    struct ax_str column;
    struct ax_buf is, told;
    struct ax_err *err;
};

static enum ax_code compare_value(struct comparison *c, const char *key, const struct ax_json *is,
                                  const struct ax_json *told)
{
    ax_buf_reset(&c->is);
    ax_buf_reset(&c->told);
    ax_json_put_value(&c->is, is);
    ax_json_put_value(&c->told, told);
    struct ax_str is_text = ax_buf_str(&c->is);
    struct ax_str told_text = ax_buf_str(&c->told);
    if (ax_buf_check(&c->is, key, c->err) || ax_buf_check(&c->told, key, c->err))
        return ax_err_context(c->err, "column '%.*s'",
                              AX_STR_ARG(ax_str_cut(c->column, SHOWN_BYTES_MAX)));
    if (ax_str_equals(is_text, told_text))
        return AX_OK;
    is_text = ax_str_cut(is_text, SHOWN_BYTES_MAX);
    told_text = ax_str_cut(told_text, SHOWN_BYTES_MAX);
    return ax_fail(c->err, AX_E_INVALID, "column '%.*s': %s is %.*s, the manifest says %.*s",
                   AX_STR_ARG(ax_str_cut(c->column, SHOWN_BYTES_MAX)), key, AX_STR_ARG(is_text),
                   AX_STR_ARG(told_text));
}

static enum ax_code compare_column(struct comparison *c, const struct ax_json *is,
                                   const struct ax_json *told)
{
    static const char *const keys[] = {
        "name", "type", "count", "nulls", "not_finite", "distinct", "distinct_is_estimate",
        "min",  "max",  "mean"
    };
    c->column = ax_json_str(ax_json_get(is, "name"));
    for (size_t i = 0; i < AX_COUNT(keys); i++)
        if (compare_value(c, keys[i], ax_json_get(is, keys[i]), ax_json_get(told, keys[i])))
            return c->err->code;
    return AX_OK;
}

static enum ax_code compare_columns(const struct ax_dataset_manifest *manifest,
                                    const struct ax_json *measured, struct ax_err *err)
{
    struct comparison c = { .err = err };
    struct ax_json_iter is = ax_json_iterate(measured);
    struct ax_json_iter told = ax_json_iterate(manifest->columns);
    if (ax_json_count(measured) != ax_json_count(manifest->columns))
        return ax_fail(err, AX_E_INVALID, "there are %zu columns, the manifest says %zu",
                       ax_json_count(measured), ax_json_count(manifest->columns));
    ax_buf_init(&c.is, COLUMNS_TEXT_MAX);
    ax_buf_init(&c.told, COLUMNS_TEXT_MAX);
    for (const struct ax_json *column; (column = ax_json_next(&is));)
        if (compare_column(&c, column, ax_json_next(&told)))
            break;
    ax_buf_done(&c.is);
    ax_buf_done(&c.told);
    return err->code;
}

static enum ax_code compare_digest(const char *what, const char *is, struct ax_str told,
                                   struct ax_err *err)
{
    if (ax_str_is(told, is))
        return AX_OK;
    return ax_fail(err, AX_E_INVALID, "the %s of the rows is %s, the manifest says %.*s", what, is,
                   AX_STR_ARG(told));
}

enum ax_code ax_dataset_manifest_compare(const struct ax_dataset_manifest *manifest,
                                         const struct ax_dataset_content *content,
                                         struct ax_err *err)
{
    assert(manifest && content && err);
    struct ax_buf text;
    struct ax_json_doc *doc = NULL;
    if (content->rows != manifest->rows)
        return ax_fail(err, AX_E_INVALID, "there are %llu rows, the manifest says %llu",
                       (unsigned long long)content->rows, (unsigned long long)manifest->rows);
    ax_buf_init(&text, COLUMNS_TEXT_MAX);
    put_columns(content, &text);
    if (!ax_buf_check(&text, "the columns", err) && !ax_json_parse(ax_buf_str(&text), &doc, err))
        (void)(compare_columns(manifest, ax_json_root(doc), err) != AX_OK);
    ax_json_free(doc);
    ax_buf_done(&text);
    if (err->code || compare_digest("content", content->content, manifest->content, err))
        return err->code;
    return compare_digest("digest", content->digest, manifest->digest, err);
}
