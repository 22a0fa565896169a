/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a train file, or the models of definitions. Every mapping says which keys it knows, so a
 * misspelt one is refused with its place; texts that hold SQL are parsed only (what they mean is
 * seen with the data). A file is one of definitions when it has something that only these have.
 */
#include "pipeline/train_file.h"

#include "base/alloc.h"
#include "base/file.h"
#include "engine/version.h"
#include "pipeline/row_order.h"
#include "pipeline/sql_tree.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX   ((size_t)8 << 20)
#define ARENA_BYTES_INIT ((size_t)65536)
#define ROUNDS_DEFAULT   100
#define ROUNDS_MAX       100000
#define THREADS_MAX      1024
#define FORMAT_VERSION   1
#define SEED_DEFAULT     "0"
#define NAME_LEN_MAX     128

/* What every function here needs. */
struct reader {
    struct ax_train_file *file;
    const char *name; /* of the file, for errors */
    struct ax_err *err;
};

static enum ax_code need_text(const struct reader *r, const struct ax_yaml *map, const char *key,
                              struct ax_str *ret)
{
    const struct ax_yaml *node = ax_yaml_get(map, key);
    if (!node)
        return ax_yaml_fail(map, r->name, r->err, "the key '%s' is missing", key);
    if (ax_yaml_str(node, r->name, ret, r->err))
        return r->err->code;
    if (!ret->len)
        return ax_yaml_fail(node, r->name, r->err, "'%s' is empty", key);
    return AX_OK;
}

static enum ax_code maybe_text(const struct reader *r, const struct ax_yaml *map, const char *key,
                               struct ax_str *ret)
{
    *ret = (struct ax_str){ "", 0 };
    return ax_yaml_get(map, key) ? need_text(r, map, key, ret) : AX_OK;
}

static enum ax_code maybe_size(const struct reader *r, const struct ax_yaml *map, const char *key,
                               int64_t max, size_t *value)
{
    const struct ax_yaml *node = ax_yaml_get(map, key);
    int64_t number;
    if (!node)
        return AX_OK;
    if (ax_yaml_i64(node, r->name, &number, r->err))
        return r->err->code;
    if (number < 1 || number > max)
        return ax_yaml_fail(node, r->name, r->err, "'%s' is %lld, expected 1 to %lld", key,
                            (long long)number, (long long)max);
    *value = (size_t)number;
    return AX_OK;
}

static enum ax_code share(const struct reader *r, const struct ax_yaml *map, const char *key,
                          double *value)
{
    const struct ax_yaml *node = ax_yaml_get(map, key);
    *value = 0;
    if (!node)
        return AX_OK;
    if (ax_yaml_f64(node, r->name, value, r->err))
        return r->err->code;
    if (!(*value >= 0 && *value < 1))
        return ax_yaml_fail(node, r->name, r->err, "'%s' is a share, expected 0 to 1", key);
    return AX_OK;
}

/* ---- the query ---- */

static enum ax_code read_sql_file(const struct reader *r, const struct ax_yaml *node,
                                  struct ax_str relative, struct ax_train_spec *spec)
{
    char path[4096];
    struct ax_buf text;
    const char *slash = relative.ptr[0] == '/' ? "" : "/";
    (void)snprintf(path, sizeof(path), "%s%s%.*s", *slash ? r->file->folder : "", slash,
                   AX_STR_ARG(relative));
    ax_buf_init(&text, FILE_BYTES_MAX);
    if (ax_file_read(path, &text, r->err)) {
        ax_buf_done(&text);
        return ax_err_context(r->err, "%s:%u:%u: sql", r->name, node->line, node->column);
    }
    char *copy = ax_arena_strdup(&r->file->arena, ax_buf_str(&text));
    spec->query = (struct ax_str){ copy, text.len };
    spec->query_path = ax_arena_strdup(&r->file->arena, ax_str_from(path));
    ax_buf_done(&text);
    return copy && spec->query_path ? AX_OK : ax_arena_fail(&r->file->arena, "the query", r->err);
}

static struct ax_str without_end(struct ax_str query)
{
    while (query.len && strchr(" \t\r\n;", query.ptr[query.len - 1]))
        query.len--;
    return query;
}

/* `rows: {sql: …}`, a path that ends in .sql or the query itself, or `rows: {file: …}`. */
static enum ax_code read_rows(const struct reader *r, const struct ax_yaml *train,
                              struct ax_train_spec *spec)
{
    static const char *const keys[] = { "sql", "file", NULL };
    const struct ax_yaml *rows = ax_yaml_get(train, "rows");
    struct ax_str text;
    if (!rows)
        return ax_yaml_fail(train, r->name, r->err, "the key 'rows' is missing");
    if (rows->kind != AX_YAML_MAP)
        return ax_yaml_fail(rows, r->name, r->err, "expected {sql: …} or {file: …}");
    if (ax_yaml_only(rows, r->name, keys, r->err))
        return r->err->code;
    const struct ax_yaml *sql = ax_yaml_get(rows, "sql");
    if (!sql == !ax_yaml_get(rows, "file"))
        return ax_yaml_fail(rows, r->name, r->err, "rows are {sql: …} or {file: …}; %s",
                            sql ? "these are both" : "these are neither");
    spec->query = spec->rows_file = (struct ax_str){ "", 0 };
    spec->query_path = NULL;
    if (!sql)
        return need_text(r, rows, "file", &spec->rows_file);
    if (need_text(r, rows, "sql", &text))
        return r->err->code;
    struct ax_str ending = { text.ptr + text.len - AX_MIN(text.len, (size_t)4),
                             AX_MIN(text.len, (size_t)4) };
    spec->query = text;
    if (ax_str_is(ending, ".sql") && !memchr(text.ptr, '\n', text.len) &&
        read_sql_file(r, sql, text, spec))
        return r->err->code;
    spec->query = without_end(spec->query);
    return spec->query.len ? AX_OK : ax_yaml_fail(sql, r->name, r->err, "there is no query");
}

/* "2013-10-01" or "2013-10-01 12:30:00": texts of this form compare as the moments do. */
static enum ax_code check_moment(const struct reader *r, const struct ax_yaml *split,
                                 const char *key, struct ax_str text)
{
    static const char form[] = "dddd-dd-dd dd:dd:dd";
    bool fits = text.len == 10 || text.len == 16 || text.len == 19;
    for (size_t i = 0; fits && i < text.len; i++)
        fits = form[i] == 'd' ? text.ptr[i] >= '0' && text.ptr[i] <= '9' : text.ptr[i] == form[i];
    if (fits)
        return AX_OK;
    return ax_yaml_fail(ax_yaml_get(split, key), r->name, r->err,
                        "'%s' is '%.*s', expected a time as 2013-10-01 or 2013-10-01 12:30:00", key,
                        AX_STR_ARG(ax_str_cut(text, 64)));
}

static enum ax_code read_split(const struct reader *r, const struct ax_yaml *train,
                               struct ax_train_spec *spec)
{
    static const char *const keys[] = { "stop_from", "test_from", "hash", "stop", "test", NULL };
    static const char *const time_keys[] = { "stop_from", "test_from", NULL };
    static const char *const hash_keys[] = { "hash", "stop", "test", NULL };
    const struct ax_yaml *split = ax_yaml_get(train, "split");
    if (!split)
        return ax_yaml_fail(train, r->name, r->err, "the key 'split' is missing");
    if (split->kind != AX_YAML_MAP)
        return ax_yaml_fail(split, r->name, r->err,
                            "expected {stop_from: TIME, test_from: TIME} or {hash: COLUMN, stop: "
                            "SHARE, test: SHARE}");
    if (ax_yaml_only(split, r->name, keys, r->err))
        return r->err->code;
    if (ax_yaml_get(split, "hash")) {
        if (ax_yaml_only(split, r->name, hash_keys, r->err) ||
            need_text(r, split, "hash", &spec->hash_column) ||
            share(r, split, "stop", &spec->hash_stop) || share(r, split, "test", &spec->hash_test))
            return r->err->code;
        if (spec->hash_stop + spec->hash_test >= 1)
            return ax_yaml_fail(split, r->name, r->err, "nothing is left to train on");
        return AX_OK;
    }
    if (ax_yaml_only(split, r->name, time_keys, r->err) ||
        maybe_text(r, split, "stop_from", &spec->stop_from) ||
        need_text(r, split, "test_from", &spec->test_from))
        return r->err->code;
    if (!spec->at.len)
        return ax_yaml_fail(split, r->name, r->err, "a split by time needs the key 'at'");
    if (!spec->stop_from.len)
        spec->stop_from = spec->test_from;
    else if (check_moment(r, split, "stop_from", spec->stop_from))
        return r->err->code;
    if (check_moment(r, split, "test_from", spec->test_from))
        return r->err->code;
    if (ax_str_compare(spec->stop_from, spec->test_from) > 0)
        return ax_yaml_fail(split, r->name, r->err, "stop_from lies after test_from");
    return AX_OK;
}

/* ---- parameters ---- */

/* Lists become text as the library writes them: [0.1, 0.5] -> "[0.1,0.5]". */
static enum ax_code param_text(const struct reader *r, const struct ax_yaml *node, char **ret_text)
{
    struct ax_buf text;
    ax_buf_init(&text, 4096);
    if (node->kind == AX_YAML_SCALAR) {
        (void)ax_buf_append_str(&text, node->text);
    } else if (node->kind == AX_YAML_LIST) {
        for (const struct ax_yaml *item = node->first; item; item = item->next) {
            (void)ax_buf_append_char(&text, item == node->first ? '[' : ',');
            (void)ax_buf_append_str(&text, item->text);
            if (item->kind != AX_YAML_SCALAR)
                (void)ax_yaml_fail(item, r->name, r->err, "expected a number or a text");
        }
        (void)ax_buf_append_char(&text, ']');
    } else {
        (void)ax_yaml_fail(node, r->name, r->err, "expected a number, a text or a list");
    }
    *ret_text = ax_arena_strdup(&r->file->arena, ax_buf_str(&text));
    if (!r->err->code && (ax_buf_check(&text, "parameter", r->err) || !*ret_text))
        (void)ax_fail(r->err, AX_E_TOO_LARGE, "the parameter '%.*s' is too long",
                      AX_STR_ARG(node->key));
    ax_buf_done(&text);
    return r->err->code;
}

/* Parameters that this program sets itself, with the key that says it. */
static enum ax_code check_param(const struct reader *r, const struct ax_yaml *node)
{
    static const struct {
        const char *name;
        const char *instead;
    } ours[] = {
        { "nthread", "threads" },
        { "n_jobs", "threads" },
        { "seed", "seed" },
        { "random_state", "seed" },
        { "num_boost_round", "rounds" },
        { "n_estimators", "rounds" },
        { "early_stopping_rounds", "early_stopping" },
        { "num_class", "(it is taken from the labels)" },
    };
    for (size_t i = 0; i < AX_COUNT(ours); i++)
        if (ax_str_is(node->key, ours[i].name))
            return ax_yaml_fail(node, r->name, r->err, "'%s' belongs to the train block: %s",
                                ours[i].name, ours[i].instead);
    return AX_OK;
}

static enum ax_code read_params(const struct reader *r, const struct ax_yaml *train,
                                struct ax_train_spec *spec)
{
    const struct ax_yaml *map = ax_yaml_get(train, "params");
    struct ax_str seed = AX_STR(SEED_DEFAULT);
    if (!map || map->kind != AX_YAML_MAP || !ax_yaml_get(map, "objective"))
        return ax_yaml_fail(map ? map : train, r->name, r->err,
                            "expected params with an objective, as {objective: "
                            "\"binary:logistic\"}");
    spec->params = ax_arena_zalloc(&r->file->arena, map->count + 1, sizeof(*spec->params));
    if (!spec->params)
        return ax_arena_fail(&r->file->arena, "params", r->err);
    for (const struct ax_yaml *node = map->first; node; node = node->next) {
        struct ax_trainer_param *param = &spec->params[spec->param_count++];
        param->name = ax_arena_strdup(&r->file->arena, node->key);
        if (check_param(r, node) || param_text(r, node, &param->text))
            return r->err->code;
        if (!param->name)
            return ax_arena_fail(&r->file->arena, "params", r->err);
    }
    if (ax_yaml_get(train, "seed") && need_text(r, train, "seed", &seed))
        return r->err->code;
    struct ax_trainer_param *last = &spec->params[spec->param_count++];
    last->name = ax_arena_strdup(&r->file->arena, AX_STR("seed"));
    last->text = ax_arena_strdup(&r->file->arena, seed);
    return last->name && last->text ? AX_OK : ax_arena_fail(&r->file->arena, "seed", r->err);
}

static enum ax_code read_as_known(const struct reader *r, const struct ax_yaml *train,
                                  struct ax_train_spec *spec)
{
    const struct ax_yaml *node = ax_yaml_get(train, "as_known");
    if (!node || ax_yaml_bool(node, r->name, &spec->as_known, r->err))
        return r->err->code;
    if (!spec->service)
        return ax_yaml_fail(node, r->name, r->err,
                            "as_known needs a service, whose history it is of");
    return AX_OK;
}

static enum ax_code read_train(const struct reader *r, const struct ax_yaml *model,
                               struct ax_train_spec *spec)
{
    static const char *const keys[] = { "rows",     "at",    "label",   "label_known_at",
                                        "as_known", "split", "weight",  "params",
                                        "rounds",   "seed",  "threads", "early_stopping",
                                        NULL };
    const struct ax_yaml *train = ax_yaml_get(model, "train");
    char real[PATH_MAX];
    if (!train || train->kind != AX_YAML_MAP)
        return ax_yaml_fail(train ? train : model, r->name, r->err,
                            "expected a train block: {rows, label, split, params}");
    spec->train = train;
    spec->path = r->name;
    spec->real_path =
        ax_arena_strdup(&r->file->arena, ax_str_from(realpath(r->name, real) ? real : r->name));
    if (!spec->real_path)
        return ax_arena_fail(&r->file->arena, "its path", r->err);
    spec->rounds = ROUNDS_DEFAULT;
    spec->early_stopping_rounds = ROUNDS_MAX;
    if (ax_yaml_only(train, r->name, keys, r->err) || read_rows(r, train, spec) ||
        maybe_text(r, train, "at", &spec->at) || need_text(r, train, "label", &spec->label) ||
        maybe_text(r, train, "label_known_at", &spec->label_known_at) ||
        read_as_known(r, train, spec) || maybe_text(r, train, "weight", &spec->weight) ||
        read_split(r, train, spec) || maybe_size(r, train, "rounds", ROUNDS_MAX, &spec->rounds) ||
        maybe_size(r, train, "threads", THREADS_MAX, &spec->threads) ||
        maybe_size(r, train, "early_stopping", ROUNDS_MAX, &spec->early_stopping_rounds))
        return r->err->code;
    for (size_t i = 0; i < spec->column_count && !spec->service; i++)
        if (ax_str_equals(spec->columns[i].name, spec->label))
            return ax_yaml_fail(ax_yaml_get(train, "label"), r->name, r->err,
                                "the label '%.*s' is among the columns: the model would be told "
                                "the answer",
                                AX_STR_ARG(spec->label));
    if (spec->service && !spec->at.len)
        return ax_yaml_fail(train, r->name, r->err,
                            "a model with a service needs the key 'at': the moment at which its "
                            "features are asked for");
    if (spec->label_known_at.len && !spec->at.len)
        return ax_yaml_fail(train, r->name, r->err, "label_known_at needs the key 'at'");
    return read_params(r, train, spec);
}

/* ---- columns and the model ---- */

static enum ax_code read_column(const struct reader *r, const struct ax_yaml *node,
                                struct ax_train_column *column)
{
    static const char *const keys[] = { "name", "required", "default", NULL };
    if (node->kind == AX_YAML_SCALAR) {
        column->name = node->text;
    } else if (node->kind == AX_YAML_MAP) {
        const struct ax_yaml *required = ax_yaml_get(node, "required");
        if (ax_yaml_only(node, r->name, keys, r->err) ||
            need_text(r, node, "name", &column->name) ||
            (required && ax_yaml_bool(required, r->name, &column->required, r->err)))
            return r->err->code;
        column->default_value = ax_yaml_get(node, "default");
    }
    if (!column->name.len)
        return ax_yaml_fail(node, r->name, r->err, "expected a column's name or {name: …}");
    return AX_OK;
}

static enum ax_code read_columns(const struct reader *r, const struct ax_yaml *model,
                                 struct ax_train_spec *spec)
{
    const struct ax_yaml *list = ax_yaml_get(model, "columns");
    if (!list || list->kind != AX_YAML_LIST || !list->count)
        return ax_yaml_fail(list ? list : model, r->name, r->err,
                            "expected columns: a list of the model's inputs, in order");
    spec->columns = ax_arena_zalloc(&r->file->arena, list->count, sizeof(*spec->columns));
    if (!spec->columns)
        return ax_arena_fail(&r->file->arena, "columns", r->err);
    for (const struct ax_yaml *node = list->first; node; node = node->next) {
        struct ax_train_column *column = &spec->columns[spec->column_count];
        if (read_column(r, node, column))
            return r->err->code;
        for (size_t i = 0; i < spec->column_count; i++)
            if (ax_str_equals(spec->columns[i].name, column->name))
                return ax_yaml_fail(node, r->name, r->err, "column '%.*s' is there twice",
                                    AX_STR_ARG(column->name));
        spec->column_count++;
    }
    return AX_OK;
}

/* What a forest takes no value of. */
static const char *why_no_input(struct ax_storage storage)
{
    if (storage.is_list)
        return "a list; take its items one by one in expressions";
    switch (storage.kind) {
    case AX_STORAGE_TIMESTAMP:
        return "a time; take numbers out of it in an expression (extract, date_diff)";
    case AX_STORAGE_DURATION:
        return "a duration; make a number of it in an expression";
    case AX_STORAGE_BYTES:
        return "bytes; models take none";
    case AX_STORAGE_BOOL:
    case AX_STORAGE_INT32:
    case AX_STORAGE_INT64:
    case AX_STORAGE_FLOAT32:
    case AX_STORAGE_FLOAT64:
    case AX_STORAGE_STRING:
    case AX_STORAGE_COUNT:
        break;
    }
    return NULL;
}

/* The inputs of the service, in its order. */
static enum ax_code take_inputs(const struct reader *r, const struct ax_service *service,
                                struct ax_train_spec *spec)
{
    spec->service = service;
    spec->columns =
        ax_arena_zalloc(&r->file->arena, service->input_count + 1, sizeof(*spec->columns));
    if (!spec->columns)
        return ax_arena_fail(&r->file->arena, "inputs", r->err);
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        const char *why = why_no_input(input->storage);
        if (why)
            return ax_place_fail(&input->place, r->err,
                                 "model '%.*s' cannot take input '%.*s' of service '%.*s': it is "
                                 "%s",
                                 AX_STR_ARG(spec->name), AX_STR_ARG(input->name),
                                 AX_STR_ARG(service->name), why);
        spec->columns[i].name = input->name;
        spec->columns[i].required =
            input->kind == AX_INPUT_REQUEST && service->call[input->call_column].required;
    }
    spec->column_count = service->input_count;
    return AX_OK;
}

static bool is_model_name(struct ax_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || (i && (c == '-' || c == '.'));
        if (!is_word)
            return false;
    }
    return name.len > 0 && name.len <= NAME_LEN_MAX;
}

static enum ax_code read_unknown_category(const struct reader *r, const struct ax_yaml *model,
                                          struct ax_train_spec *spec)
{
    struct ax_str word;
    if (maybe_text(r, model, "unknown_category", &word))
        return r->err->code;
    if (word.len && !ax_str_is(word, "missing") && !ax_str_is(word, "error"))
        return ax_yaml_fail(ax_yaml_get(model, "unknown_category"), r->name, r->err,
                            "found '%.*s', expected missing or error", AX_STR_ARG(word));
    spec->unknown_category_is_missing = ax_str_is(word, "missing");
    return AX_OK;
}

/* Without a service the model names columns. */
static enum ax_code read_model(const struct reader *r, const struct ax_yaml *model,
                               const struct ax_service *service, struct ax_train_spec *spec)
{
    static const char *const keys[] = { "service",  "columns", "description", "unknown_category",
                                        "decision", "train",   NULL };
    if (model->kind != AX_YAML_MAP)
        return ax_yaml_fail(model, r->name, r->err, "expected {columns, train}");
    if (!is_model_name(model->key))
        return ax_yaml_fail(model, r->name, r->err,
                            "'%.*s' is no model name: letters, digits, '_', '-', '.', at most %d",
                            AX_STR_ARG(model->key), NAME_LEN_MAX);
    spec->name = model->key;
    spec->decision = ax_yaml_get(model, "decision");
    if (ax_yaml_only(model, r->name, keys, r->err) ||
        maybe_text(r, model, "description", &spec->description) ||
        read_unknown_category(r, model, spec) ||
        (service ? take_inputs(r, service, spec) : read_columns(r, model, spec)) ||
        read_train(r, model, spec))
        return r->err->code;
    const struct ax_yaml *objective = ax_yaml_get(ax_yaml_get(spec->train, "params"), "objective");
    return spec->decision
               ? ax_version_check_decision(spec->decision, r->name,
                                           ax_str_starts_with(objective->text, AX_STR("multi:")),
                                           r->err)
               : AX_OK;
}

static enum ax_code read_root(const struct reader *r, const struct ax_yaml *root)
{
    static const char *const keys[] = { "auspex", "project", "models", NULL };
    const struct ax_yaml *format = ax_yaml_get(root, "auspex");
    const struct ax_yaml *models = ax_yaml_get(root, "models");
    int64_t version = 0;
    if (root->kind != AX_YAML_MAP || !format)
        return ax_yaml_fail(root, r->name, r->err, "expected 'auspex: 1' at the top");
    if (ax_yaml_i64(format, r->name, &version, r->err))
        return r->err->code;
    if (version != FORMAT_VERSION)
        return ax_yaml_fail(format, r->name, r->err, "this program reads format %d, not %lld",
                            FORMAT_VERSION, (long long)version);
    if (ax_yaml_only(root, r->name, keys, r->err))
        return r->err->code;
    if (!models || models->kind != AX_YAML_MAP || !models->count)
        return ax_yaml_fail(models ? models : root, r->name, r->err,
                            "expected models: a mapping of names");
    r->file->specs = ax_arena_zalloc(&r->file->arena, models->count, sizeof(*r->file->specs));
    if (!r->file->specs)
        return ax_arena_fail(&r->file->arena, "models", r->err);
    for (const struct ax_yaml *model = models->first; model; model = model->next)
        if (read_model(r, model, NULL, &r->file->specs[r->file->spec_count++]))
            return r->err->code;
    return AX_OK;
}

/* ---- definitions ---- */

static enum ax_code read_models(const struct reader *r, const struct ax_definitions *all)
{
    struct ax_train_file *file = r->file;
    file->specs = ax_arena_zalloc(&file->arena, all->model_count + 1, sizeof(*file->specs));
    if (!file->specs)
        return ax_arena_fail(&file->arena, "models", r->err);
    for (size_t i = 0; i < all->model_count; i++) {
        const struct ax_model_definition *model = &all->models[i];
        const struct reader reader = { file, model->file, r->err };
        if (read_model(&reader, model->node, model->service, &file->specs[file->spec_count++]))
            return r->err->code;
    }
    return AX_OK;
}

static enum ax_code read_definitions(const struct reader *r)
{
    struct ax_train_file *file = r->file;
    struct ax_definitions *all = ax_xalloc(sizeof(*all));
    if (ax_definitions_read(file->path, all, r->err)) {
        free(all);
        return r->err->code;
    }
    file->definitions = all;
    free(file->folder);
    file->folder = ax_xstrdup(all->folder);
    if (!all->model_count)
        return ax_fail(r->err, AX_E_NOT_FOUND, "'%s' defines no model: the key 'models' is missing",
                       file->path);
    return read_models(r, all);
}

/* The first model that takes a service, or NULL. */
static const struct ax_yaml *find_service(const struct ax_yaml *root)
{
    const struct ax_yaml *models = ax_yaml_get(root, "models");
    for (const struct ax_yaml *model = models ? models->first : NULL; model; model = model->next)
        if (ax_yaml_get(model, "service"))
            return ax_yaml_get(model, "service");
    return NULL;
}

/* A file of definitions has something that a train file has not. */
static bool has_definitions(const struct ax_yaml *root)
{
    static const char *const kinds[] = { "entities", "sources", "views", "services" };
    for (size_t i = 0; i < AX_COUNT(kinds); i++)
        if (ax_yaml_get(root, kinds[i]))
            return true;
    return false;
}

static enum ax_code read_file(const struct reader *r)
{
    struct ax_yaml *root = NULL;
    if (ax_yaml_read(r->name, &r->file->arena, &root, r->err))
        return r->err->code;
    if (has_definitions(root))
        return read_definitions(r);
    const struct ax_yaml *service = find_service(root);
    if (service)
        return ax_yaml_fail(service, r->name, r->err,
                            "a service is defined elsewhere: train the folder that has them all, "
                            "'%s'",
                            r->file->folder);
    return read_root(r, root);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ax_xstrdup(".");
    return ax_xmemdup0(path, slash == path ? 1 : (size_t)(slash - path));
}

enum ax_code ax_train_file_read(const char *path, struct ax_train_file *ret_file,
                                struct ax_err *err)
{
    assert(path && ret_file && err);
    struct ax_train_file file = { .path = ax_xstrdup(path), .folder = folder_of(path) };
    struct reader reader = { &file, file.path, err };
    struct stat info;
    ax_arena_init(&file.arena, ARENA_BYTES_INIT, FILE_BYTES_MAX * 4);
    bool is_folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    if (is_folder ? read_definitions(&reader) : read_file(&reader)) {
        ax_train_file_done(&file);
        return err->code;
    }
    *ret_file = file;
    return AX_OK;
}

void ax_train_file_done(struct ax_train_file *file)
{
    if (!file)
        return;
    ax_arena_done(&file->arena);
    if (file->definitions)
        ax_definitions_done(file->definitions);
    free(file->definitions);
    free(file->path);
    free(file->folder);
    *file = (struct ax_train_file){ 0 };
}

enum ax_code ax_train_file_spec(const struct ax_train_file *file, struct ax_str name,
                                const struct ax_train_spec **ret_spec, struct ax_err *err)
{
    assert(file && ret_spec && err);
    char list[160] = "";
    size_t len = 0;
    struct ax_str *names = ax_xalloc((file->spec_count + 1) * sizeof(*names));
    const struct ax_train_spec *found = NULL;
    for (size_t i = 0; i < file->spec_count; i++) {
        names[i] = file->specs[i].name;
        if (ax_str_equals(names[i], name) || (!name.len && file->spec_count == 1))
            found = &file->specs[i];
        if (len < sizeof(list))
            len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.*s", i ? ", " : "",
                                    AX_STR_ARG(names[i]));
    }
    long nearest = ax_str_nearest(name, names, file->spec_count);
    if (found)
        *ret_spec = found;
    else if (!name.len)
        (void)ax_fail(err, AX_E_INVALID, "%s defines several models: name one of %s with --model",
                      file->path, list);
    else
        (void)ax_fail(err, AX_E_NOT_FOUND, "%s defines no model '%.*s'; %s%.*s", file->path,
                      AX_STR_ARG(name), nearest < 0 ? "there are " : "nearest is ",
                      nearest < 0 ? (int)strlen(list) : (int)names[nearest].len,
                      nearest < 0 ? list : names[nearest].ptr);
    free(names);
    return err->code;
}

static enum ax_code add_place(const struct ax_train_spec *spec, const struct ax_yaml *node,
                              const char *key, size_t at, struct ax_err *err)
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_buf source;
    if (!node)
        return ax_err_context(err, "%s", key);
    unsigned line = node->line, column = node->column;
    ax_buf_init(&source, FILE_BYTES_MAX);
    if (at != SIZE_MAX && !ax_file_read(spec->real_path, &source, &ignored))
        ax_yaml_locate(ax_buf_str(&source), node, AX_MIN(at, node->text.len), &line, &column);
    ax_buf_done(&source);
    return ax_err_context(err, "%s:%u:%u: %s", spec->path, line, column, key);
}

enum ax_code ax_train_spec_context(const struct ax_train_spec *spec, const char *key, size_t at,
                                   struct ax_err *err)
{
    assert(spec && key && err && err->code);
    const struct ax_yaml *node = ax_yaml_get(spec->train, key);
    if (!node)
        node = ax_yaml_get(ax_yaml_get(spec->train, "split"), key);
    return add_place(spec, node, key, at, err);
}

/* `at` is a byte of the query, or SIZE_MAX. */
static enum ax_code add_query_place(const struct ax_train_spec *spec, size_t at, struct ax_err *err)
{
    unsigned line, column;
    if (at == SIZE_MAX || !spec->query_path)
        return add_place(spec, ax_yaml_get(ax_yaml_get(spec->train, "rows"), "sql"), "rows", at,
                         err);
    ax_str_place(spec->query, at, &line, &column);
    return ax_err_context(err, "%s:%u:%u: rows", spec->query_path, line, column);
}

enum ax_code ax_train_spec_explain_query(const struct ax_train_spec *spec, struct ax_sql *sql,
                                         struct ax_err *err)
{
    assert(spec && spec->query.len && sql && err && err->code);
    return add_query_place(spec, ax_sql_explain(sql, spec->query, err), err);
}

/* ---- what is written in SQL or as an expression ---- */

enum ax_code ax_train_spec_parse(const struct ax_train_spec *spec, struct ax_sql *sql,
                                 const char *key, struct ax_str expression,
                                 struct ax_json_doc **ret_doc, struct ax_err *err)
{
    assert(spec && sql && key && expression.len && ret_doc && err);
    static const char before[] = "SELECT (";
    struct ax_buf query;
    size_t place = SIZE_MAX;
    ax_buf_init(&query, FILE_BYTES_MAX);
    ax_buf_printf(&query, "%s%.*s\n)", before, AX_STR_ARG(expression));
    if (ax_buf_check(&query, "the expression", err) ||
        ax_sql_tree_read(sql, ax_buf_str(&query), ret_doc, &place, err)) {
        bool is_inside = place >= strlen(before) && place != SIZE_MAX;
        (void)ax_train_spec_context(spec, key, is_inside ? place - strlen(before) : SIZE_MAX, err);
    }
    ax_buf_done(&query);
    return err->code;
}

static enum ax_code check_parses(const struct ax_train_spec *spec, struct ax_sql *sql,
                                 const char *key, struct ax_str expression, struct ax_err *err)
{
    struct ax_json_doc *doc = NULL;
    if (expression.len && !ax_train_spec_parse(spec, sql, key, expression, &doc, err))
        ax_json_free(doc);
    return err->code;
}

static enum ax_code check_query(const struct ax_train_spec *spec, struct ax_sql *sql,
                                struct ax_err *err)
{
    struct ax_buf order;
    size_t place = SIZE_MAX;
    if (!spec->query.len)
        return AX_OK;
    ax_buf_init(&order, FILE_BYTES_MAX);
    if (ax_row_order_print(sql, spec->query, &order, &place, err))
        (void)add_query_place(spec, place, err);
    ax_buf_done(&order);
    return err->code;
}

/* Of the rows' columns only those are known that the call is made of. */
static enum ax_code check_moment_expression(const struct ax_train_spec *spec, struct ax_err *err)
{
    const struct ax_service *service = spec->service;
    struct ax_arena arena;
    struct ax_parsed parsed;
    size_t place = 0;
    ax_arena_init(&arena, 4096, FILE_BYTES_MAX);
    struct ax_scope_column *columns =
        ax_arena_zalloc(&arena, service->call_count + 1, sizeof(*columns));
    struct ax_scope scope = { .columns = columns, .is_open = true };
    for (size_t i = 0; columns && i < service->call_count; i++)
        columns[scope.column_count++] = (struct ax_scope_column){
            .name = service->call[i].name,
            .type = ax_storage_type(service->call[i].storage),
            .is_bytes = service->call[i].storage.kind == AX_STORAGE_BYTES,
        };
    if (!columns)
        (void)ax_arena_fail(&arena, "the names of the call", err);
    else if (!ax_expr_parse(spec->at, &scope, &arena, &parsed, &place, err) &&
             parsed.root->kind != AX_EXPR_INPUT && parsed.root->type.kind != AX_TYPE_COUNT &&
             !ax_type_equals(parsed.root->type, (struct ax_type){ AX_TYPE_TIMESTAMP, false }))
        (void)ax_fail(err, AX_E_INVALID, "it is %s; timestamp is expected",
                      ax_type_name(parsed.root->type));
    ax_arena_done(&arena);
    return err->code ? ax_train_spec_context(spec, "at", place, err) : AX_OK;
}

enum ax_code ax_train_spec_check(const struct ax_train_spec *spec, struct ax_sql *sql,
                                 struct ax_err *err)
{
    assert(spec && sql && err);
    (void)(check_query(spec, sql, err) || check_parses(spec, sql, "label", spec->label, err) ||
           check_parses(spec, sql, "label_known_at", spec->label_known_at, err) ||
           check_parses(spec, sql, "weight", spec->weight, err) ||
           (spec->service && check_moment_expression(spec, err)));
    return err->code;
}

enum ax_code ax_train_check_models(const struct ax_definitions *definitions, struct ax_err *err)
{
    assert(definitions && err);
    const struct ax_sql_config config = { .threads = 1 };
    struct ax_train_file file = { .folder = ax_xstrdup(definitions->folder) };
    const struct reader reader = { &file, definitions->folder, err };
    struct ax_sql *sql = NULL;
    ax_arena_init(&file.arena, ARENA_BYTES_INIT, FILE_BYTES_MAX * 4);
    if (!read_models(&reader, definitions) && file.spec_count &&
        ax_sql_open(&config, &sql, err) == AX_E_UNSUPPORTED)
        ax_err_clear(err);
    for (size_t i = 0; sql && i < file.spec_count && !err->code; i++)
        (void)(ax_train_spec_check(&file.specs[i], sql, err) != AX_OK);
    ax_sql_close(sql);
    ax_train_file_done(&file);
    return err->code;
}
