/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: POST /materialize and /materialize-incremental; the first line is the query, what
 * follows the body.
 *
 * What is accepted is a command line of flags that `auspex materialize` has: views that there are,
 * as many as were named, and times in their order, which say again what they said. The answer that
 * names the views is JSON.
 */
#include "server/api/feast_materialize.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char definitions_text[] =
    "auspex: 1\n"
    "entities: {e: {keys: {k: int64}}}\n"
    "sources: {s: {files: s.csv, time: t, columns: {k: int64, t: timestamp, x: int64}}}\n"
    "views:\n"
    "  weather: {entity: e, source: s, fields: {x: x}}\n"
    "  \"v\": {entity: e, source: s, fields: {y: x}}\n"
    "  offline: {entity: e, source: s, online: false, fields: {z: x}}\n";

static const struct ax_definitions *definitions_of(void)
{
    static struct ax_definitions definitions;
    static bool is_read;
    const struct ax_file_text file = { AX_STR("f.yaml"), ax_str_from(definitions_text) };
    struct ax_err err = AX_ERR_INIT;
    if (!is_read && ax_definitions_read_texts("f", &file, 1, &definitions, &err))
        abort();
    is_read = true;
    return &definitions;
}

static int64_t time_of(const char *text)
{
    int64_t us;
    bool is_naive;
    if (!ax_calendar_parse(ax_str_from(text), &us, &is_naive) || is_naive)
        abort();
    return us;
}

static bool is_flag(const char *text, const char *name, const char **ret_value)
{
    size_t len = strlen(name);
    if (strncmp(text, name, len) != 0)
        return false;
    *ret_value = text + len;
    return true;
}

static void check_line(const struct materialize_call *call,
                       const struct ax_definitions *definitions)
{
    int64_t from_us = INT64_MIN, to_us = INT64_MAX;
    size_t views = 0;
    for (int i = 1; i < call->request.argc; i++) {
        const char *text = call->request.argv[i], *value;
        if (is_flag(text, "--from=", &value))
            from_us = time_of(value);
        else if (is_flag(text, "--to=", &value))
            to_us = time_of(value);
        else if (is_flag(text, "--view=", &value) &&
                 ax_map_get(&definitions->names[AX_DEFINITION_VIEW], ax_str_from(value)))
            views++;
        else if (strcmp(text, "--incremental=true") != 0 || !call->is_incremental)
            abort();
    }
    if (from_us > to_us || views != (call->views ? ax_json_count(call->views) : 0))
        abort();
}

static void check_answer(const struct materialize_call *call,
                         const struct ax_definitions *definitions)
{
    struct ax_buf out;
    struct ax_json_doc *doc;
    struct ax_err err = AX_ERR_INIT;
    ax_buf_init(&out, 1 << 20);
    (void)ax_buf_append_char(&out, '{');
    put_views(&out, call, definitions);
    (void)ax_buf_append_char(&out, '}');
    if (out.failed || ax_json_parse(ax_buf_str(&out), &doc, &err))
        abort();
    ax_json_free(doc);
    ax_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ax_definitions *definitions = definitions_of();
    const char *text = (const char *)data;
    const char *line = size ? memchr(text, '\n', size) : NULL;
    size_t query_len = line ? (size_t)(line - text) : 0, body_at = line ? query_len + 1 : 0;
    const struct ax_str body = { size ? text + body_at : "", size - body_at };
    for (int is_incremental = 0; is_incremental < 2 && body.len <= BODY_BYTES_MAX;
         is_incremental++) {
        struct ax_request request = { .query = { line ? text : "", query_len } };
        struct materialize_call call = { .is_incremental = is_incremental };
        struct ax_json_doc *doc = NULL;
        struct ax_err err = AX_ERR_INIT;
        ax_arena_init(&request.arena, 1024, (size_t)1 << 20);
        if (!ax_json_parse(body, &doc, &err) && !read_query(&request, &call, &err) &&
            !take_body(&call, ax_json_root(doc), definitions, &request.arena, &err)) {
            check_line(&call, definitions);
            check_answer(&call, definitions);
        }
        ax_json_free(doc);
        ax_arena_done(&request.arena);
    }
    return 0;
}
