/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing model.yaml. Every text is written as a JSON string and every list and small mapping in
 * flow style, which YAML reads the same way, so no text of a user can change the structure.
 */
#include "pipeline/version_writer.h"

#include "base/json.h"

#include <assert.h>

#define DEPTH_MAX 40

/* What stands bare in JSON but not in YAML: line ends that YAML would fold, and characters that its
 * readers refuse. Returns the length of the one that `text` begins with, or 0. */
static size_t escaped_len(struct ax_str text, unsigned *ret)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    size_t len = ax_str_utf8_len(text);
    *ret = len == 1   ? at[0]
           : len == 2 ? (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu)
           : len == 3 ? (at[0] & 0xfu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu)
                      : 0;
    bool is_control = *ret >= 0x7f && *ret < 0xa0;
    bool is_line_end = *ret == 0x2028 || *ret == 0x2029;
    return is_control || is_line_end || *ret == 0xfeff || *ret >= 0xfffe ? len : 0;
}

/* A text as JSON has it, which is YAML, but for a few characters. */
static void put_quoted(struct ax_buf *out, struct ax_str text)
{
    struct ax_buf json;
    ax_buf_init(&json, out->max);
    ax_json_put_str(&json, text);
    if (json.failed)
        out->failed = json.failed;
    struct ax_str rest = ax_buf_str(&json);
    while (rest.len) {
        unsigned code = 0;
        size_t escaped = escaped_len(rest, &code);
        size_t len = AX_MAX(ax_str_utf8_len(rest), (size_t)1);
        if (escaped)
            ax_buf_printf(out, "\\u%04x", code);
        else
            (void)ax_buf_append(out, rest.ptr, len);
        rest = (struct ax_str){ rest.ptr + len, rest.len - len };
    }
    ax_buf_done(&json);
}

static void put_text(struct ax_buf *out, const char *line, struct ax_str text)
{
    ax_buf_printf(out, "%s", line);
    put_quoted(out, text);
    (void)ax_buf_append_char(out, '\n');
}

static void put_list(struct ax_buf *out, const struct ax_str *texts, size_t count)
{
    (void)ax_buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            (void)ax_buf_append_str(out, AX_STR(", "));
        put_quoted(out, texts[i]);
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_scalar(struct ax_buf *out, const struct ax_yaml *node)
{
    struct ax_err ignored = AX_ERR_INIT;
    double number;
    bool truth;
    bool is_plain = !node->quoted && (!ax_yaml_f64(node, "", &number, &ignored));
    ax_err_clear(&ignored);
    is_plain = is_plain || (!node->quoted && !ax_yaml_bool(node, "", &truth, &ignored));
    if (is_plain)
        (void)ax_buf_append_str(out, node->text);
    else
        put_quoted(out, node->text);
}

/* A subtree of the train file in flow style; a stack instead of recursion. */
static void put_tree(struct ax_buf *out, const struct ax_yaml *root)
{
    const struct ax_yaml *stack[DEPTH_MAX];
    size_t depth = 0;
    const struct ax_yaml *node = root;
    while (node) {
        if (node != root && depth && stack[depth - 1]->kind == AX_YAML_MAP) {
            put_quoted(out, node->key);
            (void)ax_buf_append_str(out, AX_STR(": "));
        }
        if (node->kind != AX_YAML_SCALAR && node->first) {
            assert(depth < DEPTH_MAX);
            (void)ax_buf_append_char(out, node->kind == AX_YAML_MAP ? '{' : '[');
            stack[depth++] = node;
            node = node->first;
            continue;
        }
        if (node->kind == AX_YAML_SCALAR)
            put_scalar(out, node);
        else
            (void)ax_buf_append_str(out, node->kind == AX_YAML_MAP ? AX_STR("{}") : AX_STR("[]"));
        while (depth && (node == root || !node->next)) {
            node = stack[--depth];
            (void)ax_buf_append_char(out, node->kind == AX_YAML_MAP ? '}' : ']');
        }
        if (node == root)
            return;
        (void)ax_buf_append_str(out, AX_STR(", "));
        node = node->next;
    }
}

static void put_input(struct ax_buf *out, const struct ax_train_column *column,
                      const struct ax_training_column *made)
{
    (void)ax_buf_append_str(out, AX_STR("    - {name: "));
    put_quoted(out, column->name);
    if (column->required)
        (void)ax_buf_append_str(out, AX_STR(", required: true"));
    if (column->default_value) {
        (void)ax_buf_append_str(out, AX_STR(", default: "));
        put_scalar(out, column->default_value);
    }
    if (made->type == AX_SQL_TEXT) {
        (void)ax_buf_append_str(out, AX_STR(", categories: "));
        put_list(out, made->categories, made->category_count);
    }
    (void)ax_buf_append_str(out, AX_STR("}\n"));
}

static void put_signature(struct ax_buf *out, const struct ax_train_spec *spec,
                          const struct ax_training_set *set)
{
    (void)ax_buf_append_str(out, AX_STR("signature:\n"));
    if (spec->unknown_category_is_missing)
        (void)ax_buf_append_str(out, AX_STR("  unknown_category: missing\n"));
    (void)ax_buf_append_str(out, AX_STR("  inputs:\n"));
    for (size_t i = 0; i < spec->column_count; i++)
        put_input(out, &spec->columns[i], &set->columns[i]);
    if (set->label.category_count) {
        (void)ax_buf_append_str(out, AX_STR("  labels: "));
        put_list(out, set->label.categories, set->label.category_count);
        (void)ax_buf_append_char(out, '\n');
    }
}

/* Where the inputs come from when it is served, and of which types they are. */
static void put_service(struct ax_buf *out, const struct ax_service *service,
                        const struct ax_training_service *found)
{
    put_text(out, "service:\n  name: ", service->name);
    if (found->version)
        ax_buf_printf(out, "  version: %llu\n", (unsigned long long)found->version);
    put_text(out, "  digest: ", ax_str_from(found->digest));
    (void)ax_buf_append_str(out, AX_STR("  inputs:\n"));
    for (size_t i = 0; i < service->input_count; i++) {
        (void)ax_buf_append_str(out, AX_STR("    - {name: "));
        put_quoted(out, service->inputs[i].name);
        ax_buf_printf(out, ", type: %s}\n", ax_storage_name(service->inputs[i].storage));
    }
}

static void put_history(struct ax_buf *out, const struct ax_training_history *history,
                        bool as_known)
{
    ax_buf_printf(out, "  history: {rows: %zu, digest: \"%s\"", history->rows, history->digest);
    if (as_known)
        ax_buf_printf(out, ", as_known: true");
    if (history->snapshot[0])
        ax_buf_printf(out, ", snapshot: \"%s\"", history->snapshot);
    ax_buf_printf(out, "}\n");
}

static void put_data(struct ax_buf *out, const struct ax_version_facts *facts)
{
    const struct ax_train_spec *spec = facts->spec;
    const struct ax_training_set *set = facts->set;
    if (spec->query.len)
        put_text(out, "  query: ", spec->query);
    else
        put_text(out, "  file: ", spec->rows_file);
    put_text(out, "  label: ", spec->label);
    if (spec->at.len)
        put_text(out, "  at: ", spec->at);
    if (spec->label_known_at.len)
        put_text(out, "  label_known_at: ", spec->label_known_at);
    if (spec->weight.len)
        put_text(out, "  weight: ", spec->weight);
    if (spec->service)
        put_history(out, facts->history, spec->as_known);
    else
        put_text(out, "  content: ", ax_str_from(set->content));
    ax_buf_printf(out, "  rows: {read: %zu, unlabelled: %zu}\n", set->rows_read,
                  set->rows_unlabelled);
    (void)ax_buf_append_str(out, AX_STR("  parts:\n"));
    for (size_t p = 0; p < AX_PART_COUNT; p++)
        ax_buf_printf(out, "    %s: {rows: %zu, sha256: \"%s\"}\n", ax_part_name((enum ax_part)p),
                      set->parts[p].rows, set->parts[p].digest);
}

static void put_training(struct ax_buf *out, const struct ax_version_facts *facts)
{
    const struct ax_train_spec *spec = facts->spec;
    const struct ax_trainer_result *result = facts->result;
    (void)ax_buf_append_str(out, AX_STR("training:\n"));
    put_data(out, facts);
    put_text(out, "  library: ", ax_str_from(result->library));
    (void)ax_buf_append_str(out, AX_STR("  params:\n"));
    for (size_t i = 0; i < spec->param_count; i++) {
        (void)ax_buf_append_str(out, AX_STR("    "));
        put_quoted(out, ax_str_from(spec->params[i].name));
        put_text(out, ": ", ax_str_from(spec->params[i].text));
    }
    ax_buf_printf(out, "  threads: %zu\n  rounds: {run: %zu, kept: %zu}\n", facts->threads,
                  result->rounds_run, result->rounds_kept);
    put_text(out, "  stopped_by: ", ax_str_from(result->metric));
    (void)ax_buf_append_str(out, AX_STR("  metrics: "));
    (void)ax_buf_append_str(out, facts->metrics);
    (void)ax_buf_append_str(out, AX_STR("\n  gain:\n"));
    for (size_t i = 0; i < spec->column_count; i++) {
        (void)ax_buf_append_str(out, AX_STR("    "));
        put_quoted(out, spec->columns[i].name);
        (void)ax_buf_append_str(out, AX_STR(": "));
        ax_json_put_f64(out, result->gains[i]);
        (void)ax_buf_append_char(out, '\n');
    }
}

enum ax_code ax_version_print(const struct ax_version_facts *facts, struct ax_buf *out,
                              struct ax_err *err)
{
    assert(facts && facts->spec && facts->set && out && err);
    const struct ax_train_spec *spec = facts->spec;
    assert(spec->column_count == facts->set->column_count);
    (void)ax_buf_append_str(out, AX_STR("# Written by `auspex train`.\n"));
    if (spec->description.len)
        put_text(out, "description: ", spec->description);
    put_signature(out, spec, facts->set);
    if (spec->decision) {
        (void)ax_buf_append_str(out, AX_STR("decision: "));
        put_tree(out, spec->decision);
        (void)ax_buf_append_char(out, '\n');
    }
    if (facts->result && spec->service) {
        assert(facts->service && facts->history);
        put_service(out, spec->service, facts->service);
    }
    if (facts->result)
        put_training(out, facts);
    return ax_buf_check(out, "model.yaml", err);
}
