/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read a block, fill the rows in, score, write; until the file is over. Blocks are a few thousand
 * rows, and each makes its rows anew in one arena, so a run allocates nothing after the first.
 */
#include "pipeline/batch_predict.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json_number.h"
#include "data/rows.h"
#include "engine/image.h"
#include "engine/version.h"
#include "pipeline/table_reader.h"
#include "pipeline/table_writer.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BLOCK_ROWS      4096
#define ARENA_MAX       ((size_t)1 << 30)
#define NAME_SIZE       600 /* an output's name: a label with something in front */
#define NUMBER_SIZE     64
#define NOTE_SIZE       1024
#define SHOWN_BYTES_MAX 64

/* One column of the output that the model answers. */
struct answer {
    size_t output; /* of the signature */
    size_t element;
    bool is_decision;
};

struct batch {
    const struct ax_batch_predict_options *options;
    struct ax_version *version;
    struct ax_sql *sql;
    struct ax_table_reader *reader;
    struct ax_table_writer *writer;
    struct ax_arena arena; /* names and plans */
    struct ax_arena block; /* of the current block */
    size_t input_count;
    struct ax_str *keeps;
    size_t keep_count;
    struct answer *answers;
    struct ax_table_column *columns; /* of the output: keeps, then answers */
    size_t answer_count;
    bool *wanted; /* of each output of the signature */
    void *scratch;
    size_t rows_done;
    struct ax_err *err;
};

static const struct ax_signature *signature_of(const struct batch *b)
{
    return b->version->signature;
}

/* ---- the model ---- */

/* The number that a folder's last name is; false when it is none. */
static bool version_number(const char *name, uint64_t *ret)
{
    return name[0] != '0' && ax_str_to_u64(ax_str_from(name), ret);
}

static bool find_highest(const char *folder, uint64_t *ret_highest)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat info;
    bool found = false;
    while (dir && (entry = readdir(dir))) {
        uint64_t number;
        if (!version_number(entry->d_name, &number) ||
            fstatat(dirfd(dir), entry->d_name, &info, 0) || !S_ISDIR(info.st_mode))
            continue;
        *ret_highest = found ? AX_MAX(*ret_highest, number) : number;
        found = true;
    }
    if (dir)
        (void)closedir(dir);
    return found;
}

static void note(struct batch *b, const char *text);

/* Images are used and made where their folder is there. */
static enum ax_code load_with_images(struct batch *b, const char *path, const char *name,
                                     uint64_t number)
{
    const struct ax_image_config *images = b->options->images;
    struct ax_version_options options = { .tune = images != NULL };
    struct ax_err err = AX_ERR_INIT;
    if (images && images->images && ax_image_store_open(images, false, &options.images, &err) &&
        err.code != AX_E_NOT_FOUND)
        note(b, err.msg);
    (void)(ax_version_load(path, name, number, &options, &b->version, b->err) != AX_OK);
    if (!b->err->code && b->version->image_note.code)
        note(b, b->version->image_note.msg);
    ax_image_store_free(options.images);
    return b->err->code;
}

/* DIR is a model's folder when it holds versions, else a version's. */
static enum ax_code load_version(struct batch *b)
{
    char path[PATH_MAX];
    char name[256];
    uint64_t number = 0;
    if (!realpath(b->options->model, path))
        return ax_fail_errno(b->err, errno, "open '%s'", b->options->model);
    size_t len = strlen(path);
    bool is_model = find_highest(path, &number);
    if (is_model) {
        int added = snprintf(path + len, sizeof(path) - len, "/%llu", (unsigned long long)number);
        if (added < 0 || (size_t)added >= sizeof(path) - len)
            return ax_fail(b->err, AX_E_INVALID, "the path '%s' is too long", b->options->model);
    }
    char *last = strrchr(path, '/');
    const char *model = "model";
    if (is_model || version_number(last + 1, &number)) {
        *last = '\0';
        model = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    } else {
        model = last + 1;
    }
    (void)snprintf(name, sizeof(name), "%.255s", model);
    *last = '/';
    if (load_with_images(b, path, name, number))
        return ax_err_context(b->err, "load '%s'", b->options->model);
    return AX_OK;
}

/* ---- columns of the input ---- */

static void note(struct batch *b, const char *text)
{
    if (b->options->note)
        b->options->note(b->options->arg, text);
}

/* Append ", name" to a text of limited length; false when it is full. */
static bool add_name(char *text, size_t size, struct ax_str name)
{
    size_t len = strlen(text);
    if (len + SHOWN_BYTES_MAX + 8 > size) {
        (void)snprintf(text + len, size - len, ", …");
        return false;
    }
    (void)snprintf(text + len, size - len, "%s'%.*s'", len ? ", " : "",
                   AX_STR_ARG(ax_str_cut(name, SHOWN_BYTES_MAX)));
    return true;
}

static struct ax_str *column_names(const struct batch *b, size_t *ret_count)
{
    size_t count = ax_table_reader_column_count(b->reader);
    struct ax_str *names = ax_xalloc((count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = ax_table_reader_column_name(b->reader, i);
    *ret_count = count;
    return names;
}

static bool has_column(const struct ax_str *names, size_t count, struct ax_str name)
{
    for (size_t i = 0; i < count; i++)
        if (ax_str_equals(names[i], name))
            return true;
    return false;
}

static enum ax_code fail_column(struct batch *b, const char *what, struct ax_str name,
                                const struct ax_str *names, size_t count)
{
    long near = ax_str_nearest(name, names, count);
    struct ax_str shown = ax_str_cut(name, SHOWN_BYTES_MAX);
    if (near < 0)
        return ax_fail(b->err, AX_E_INVALID, "%s '%.*s' is not in '%s'", what, AX_STR_ARG(shown),
                       b->options->input);
    return ax_fail(b->err, AX_E_INVALID, "%s '%.*s' is not in '%s'; nearest is '%.*s'", what,
                   AX_STR_ARG(shown), b->options->input,
                   AX_STR_ARG(ax_str_cut(names[near], SHOWN_BYTES_MAX)));
}

/* Required inputs must be among the columns, and at least one input. */
static enum ax_code check_inputs(struct batch *b)
{
    const struct ax_signature *signature = signature_of(b);
    char missing[NOTE_SIZE] = "";
    size_t count;
    size_t there = 0;
    bool more = true;
    struct ax_map given;
    struct ax_str *names = column_names(b, &count);
    if (!count) { /* Of JSON lines: no line, or an empty object, which its row will tell. */
        free(names);
        return AX_OK;
    }
    ax_map_init(&given);
    for (size_t i = 0; i < count; i++)
        (void)ax_map_put(&given, names[i], &names[i]);
    for (size_t i = 0; i < signature->input_count && !b->err->code; i++) {
        const struct ax_input *input = &signature->inputs[i];
        bool is_there = ax_map_get(&given, input->name) != NULL;
        there += is_there;
        if (!is_there && input->required && !input->has_default)
            (void)fail_column(b, "the column", input->name, names, count);
        else if (!is_there && more)
            more = add_name(missing, sizeof(missing), input->name);
    }
    if (!b->err->code && !there)
        (void)ax_fail(b->err, AX_E_INVALID,
                      "none of the model's inputs is among the columns of '%s'; its first column "
                      "is '%.*s', the model's first input '%.*s'",
                      b->options->input, AX_STR_ARG(ax_str_cut(names[0], SHOWN_BYTES_MAX)),
                      AX_STR_ARG(ax_str_cut(signature->inputs[0].name, SHOWN_BYTES_MAX)));
    if (!b->err->code && missing[0]) {
        char text[NOTE_SIZE + 64];
        (void)snprintf(text, sizeof(text), "not in the input, taken as missing: %s", missing);
        note(b, text);
    }
    ax_map_done(&given);
    free(names);
    return b->err->code;
}

static enum ax_code find_keeps(struct batch *b)
{
    size_t count;
    struct ax_str *names = column_names(b, &count);
    size_t cap = count + b->options->keep_count;
    b->keeps = ax_arena_alloc(&b->arena, AX_MAX(cap, (size_t)1), sizeof(*b->keeps));
    if (!b->keeps)
        (void)ax_arena_fail(&b->arena, "the columns", b->err);
    for (size_t i = 0; i < b->options->keep_count && !b->err->code; i++) {
        struct ax_str name = ax_str_from(b->options->keep[i]);
        if (b->options->keep_count == 1 && ax_str_is(name, "all")) {
            memcpy(b->keeps, names, count * sizeof(*names));
            b->keep_count = count;
        } else if (has_column(b->keeps, b->keep_count, name)) {
            (void)ax_fail(b->err, AX_E_INVALID, "the column '%.*s' is to be kept twice",
                          AX_STR_ARG(ax_str_cut(name, SHOWN_BYTES_MAX)));
        } else if (b->options->input_format != AX_TABLE_JSONL && !has_column(names, count, name)) {
            (void)fail_column(b, "the column to keep", name, names, count);
        } else {
            b->keeps[b->keep_count++] = name;
        }
    }
    free(names);
    return b->err->code;
}

static enum ax_code select_columns(struct batch *b)
{
    const struct ax_signature *signature = signature_of(b);
    b->input_count = signature->input_count;
    size_t count = b->input_count + b->keep_count;
    struct ax_table_want *wants = ax_arena_alloc(&b->arena, count, sizeof(*wants));
    if (!wants)
        return ax_arena_fail(&b->arena, "the columns", b->err);
    for (size_t i = 0; i < b->input_count; i++)
        wants[i] = (struct ax_table_want){ signature->inputs[i].name, false };
    for (size_t i = 0; i < b->keep_count; i++)
        wants[b->input_count + i] = (struct ax_table_want){ b->keeps[i], true };
    return ax_table_reader_select(b->reader, wants, count, b->err);
}

/* One note about columns that the model does not know. */
static void note_ignored(struct batch *b)
{
    const struct ax_map *ignored = ax_table_reader_ignored(b->reader);
    char names[NOTE_SIZE] = "";
    char text[NOTE_SIZE + 64];
    struct ax_str name;
    void *value;
    bool more = true;
    for (size_t i = 0; more && ax_map_next(ignored, &i, &name, &value);)
        more = add_name(names, sizeof(names), name);
    if (!names[0])
        return;
    (void)snprintf(text, sizeof(text), "not known to the model, ignored: %s", names);
    note(b, text);
}

/* ---- columns of the output ---- */

/* NULL: no engine answers that. */
static const char *sql_type_of(enum ax_datatype datatype)
{
    if (datatype == AX_FP32)
        return "FLOAT";
    if (datatype == AX_FP64)
        return "DOUBLE";
    if (datatype == AX_INT64)
        return "BIGINT";
    return datatype == AX_BYTES ? "VARCHAR" : NULL;
}

/* What Parquet calls a column that is passed through; types that a text cannot hold are text. */
static const char *kept_type(const struct batch *b, struct ax_str name)
{
    size_t count = ax_table_reader_column_count(b->reader);
    for (size_t i = 0; i < count; i++) {
        const char *type = ax_table_reader_column_type(b->reader, i);
        if (!ax_str_equals(ax_table_reader_column_name(b->reader, i), name))
            continue;
        bool is_plain = !strchr(type, '[') &&
                        (!strchr(type, '(') || strncmp(type, "DECIMAL(", strlen("DECIMAL(")) == 0);
        return is_plain && strcmp(type, "BLOB") != 0 ? type : "VARCHAR";
    }
    return "VARCHAR";
}

static enum ax_code add_answer(struct batch *b, struct answer answer, const char *type,
                               const char *name)
{
    size_t at = b->keep_count + b->answer_count;
    struct ax_str text = ax_str_from(name);
    for (size_t i = 0; i < at; i++)
        if (ax_str_equals(b->columns[i].name, text))
            return ax_fail(b->err, AX_E_INVALID,
                           "the output would have the column '%s' twice; do not keep it", name);
    char *copy = ax_arena_strdup(&b->arena, text);
    if (!copy)
        return ax_arena_fail(&b->arena, "the columns", b->err);
    b->columns[at] = (struct ax_table_column){ { copy, text.len }, type };
    b->answers[b->answer_count++] = answer;
    if (!answer.is_decision)
        b->wanted[answer.output] = true;
    return AX_OK;
}

/* The name of one element of an output: prediction, prediction_2, probability_UA, q10. */
static void answer_name(const struct batch *b, const struct ax_output *output, size_t element,
                        char name[NAME_SIZE])
{
    const struct ax_signature *signature = signature_of(b);
    bool is_prediction = ax_str_is(output->name, "prediction");
    if (is_prediction && signature->task == AX_TASK_QUANTILES)
        (void)snprintf(name, NAME_SIZE, "q%.6g", signature->quantiles[element] * 100);
    else if (output->width == 1)
        (void)snprintf(name, NAME_SIZE, "%.*s", AX_STR_ARG(output->name));
    else if (!is_prediction && signature->label_count == output->width)
        (void)snprintf(name, NAME_SIZE, "%.*s_%.*s", AX_STR_ARG(output->name),
                       AX_STR_ARG(ax_str_cut(signature->labels[element], NAME_SIZE / 2)));
    else
        (void)snprintf(name, NAME_SIZE, "%.*s_%zu", AX_STR_ARG(output->name), element);
}

static enum ax_code add_output(struct batch *b, const char *output_name)
{
    const struct ax_signature *signature = signature_of(b);
    const struct ax_output *output = ax_signature_output(signature, ax_str_from(output_name));
    char name[NAME_SIZE];
    if (output && !sql_type_of(output->datatype))
        return ax_fail(b->err, AX_E_UNSUPPORTED, "the output '%s' is %s, which no column holds",
                       output_name, ax_datatype_name(output->datatype));
    for (size_t i = 0; output && i < output->width; i++) {
        struct answer answer = { (size_t)(output - signature->outputs), i, false };
        answer_name(b, output, i, name);
        if (add_answer(b, answer, sql_type_of(output->datatype), name))
            return b->err->code;
    }
    return AX_OK;
}

static enum ax_code make_outputs(struct batch *b)
{
    const struct ax_signature *signature = signature_of(b);
    size_t cap = b->keep_count + 1;
    for (size_t i = 0; i < signature->output_count; i++)
        cap += signature->outputs[i].width;
    b->columns = ax_arena_zalloc(&b->arena, cap, sizeof(*b->columns));
    b->answers = ax_arena_zalloc(&b->arena, cap, sizeof(*b->answers));
    b->wanted = ax_arena_zalloc(&b->arena, signature->output_count, sizeof(*b->wanted));
    if (!b->columns || !b->answers || !b->wanted)
        return ax_arena_fail(&b->arena, "the columns", b->err);
    for (size_t i = 0; i < b->keep_count; i++)
        b->columns[i] = (struct ax_table_column){ b->keeps[i], kept_type(b, b->keeps[i]) };
    struct answer decision = { .is_decision = true };
    if (add_output(b, "prediction") || add_output(b, "probability") || add_output(b, "label") ||
        (b->version->decision_count && add_answer(b, decision, "VARCHAR", "decision")))
        return b->err->code;
    return ax_table_writer_open(b->options->output, b->options->output_format, b->columns,
                                b->keep_count + b->answer_count, &b->writer, b->err);
}

/* ---- rows in ---- */

/* A field of CSV as a number: as JSON writes it, or with '+', leading zeros, ".5", "5."; nan and
 * inf. False when it is none, or too large for a double. */
static bool plain_number(struct ax_str text, double *ret)
{
    const char *end = text.ptr + text.len;
    if (ax_json_number_read(text.ptr, end, ret) == end && text.len)
        return true;
    char copy[NUMBER_SIZE];
    if (!text.len || text.len >= sizeof(copy))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789+-.eEinftyaINFTYA", text.ptr[i]) || !text.ptr[i])
            return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    char *stop;
    double value = strtod(copy, &stop);
    bool is_word = strpbrk(copy, "nN") != NULL;
    if (*stop || stop == copy || (isinf(value) && !is_word))
        return false;
    *ret = value;
    return true;
}

static bool plain_bool(struct ax_str text, bool *ret)
{
    *ret = ax_str_equals_nocase(text, AX_STR("true"));
    return *ret || ax_str_equals_nocase(text, AX_STR("false"));
}

static enum ax_code set_integer_text(struct ax_rows *rows, size_t row, size_t input,
                                     struct ax_str text, bool *ret_is_set, struct ax_err *err)
{
    int64_t whole;
    uint64_t large;
    *ret_is_set = true;
    if (ax_json_number_i64(text, &whole))
        return ax_rows_set_i64(rows, row, input, whole, err);
    if (ax_json_number_u64(text, &large))
        return ax_rows_set_u64(rows, row, input, large, err);
    *ret_is_set = false;
    return AX_OK;
}

/* Whether all digits of an integer count: where it is one, and where it is a category's name. */
static bool is_exact(const struct ax_rows *rows, size_t input)
{
    enum ax_datatype datatype = rows->signature->inputs[input].datatype;
    bool is_float = datatype == AX_FP32 || datatype == AX_FP64;
    return !is_float || ax_rows_names_by_number(rows, input);
}

static enum ax_code set_plain(struct ax_rows *rows, size_t row, size_t input, struct ax_str text,
                              struct ax_err *err)
{
    const struct ax_input *in = &rows->signature->inputs[input];
    struct ax_str trimmed = ax_str_trim(text);
    bool is_set = false;
    bool truth;
    double number;
    if (!text.len && in->datatype != AX_BYTES &&
        (!in->categories || ax_dictionary_index(in->categories, text) < 0))
        return AX_OK;
    bool is_number = in->categories && in->categories->has_numbers &&
                     ax_dictionary_index(in->categories, text) < 0 &&
                     plain_number(trimmed, &number);
    if ((in->categories || in->datatype == AX_BYTES) && !is_number)
        return ax_rows_set_str(rows, row, input, text, err);
    if (is_exact(rows, input) && set_integer_text(rows, row, input, trimmed, &is_set, err))
        return err->code;
    if (is_set)
        return AX_OK;
    if (plain_number(trimmed, &number))
        return ax_rows_set_f64(rows, row, input, number, err);
    if (plain_bool(text, &truth))
        return ax_rows_set_bool(rows, row, input, truth, err);
    return ax_rows_set_str(rows, row, input, text, err); /* It says what is wrong. */
}

static enum ax_code set_number(struct ax_rows *rows, size_t row, size_t input, struct ax_str text,
                               struct ax_err *err)
{
    bool is_set = false;
    double number;
    if (is_exact(rows, input) && set_integer_text(rows, row, input, text, &is_set, err))
        return err->code;
    if (is_set)
        return AX_OK;
    const char *end = text.ptr + text.len;
    if (ax_json_number_read(text.ptr, end, &number) == end)
        return ax_rows_set_f64(rows, row, input, number, err);
    /* The words that are numbers to base/json_reader.h. */
    if (ax_str_is(text, "NaN"))
        return ax_rows_set_f64(rows, row, input, (double)NAN, err);
    if (ax_str_is(text, "Infinity") || ax_str_is(text, "-Infinity"))
        return ax_rows_set_f64(rows, row, input, text.ptr[0] == '-' ? -INFINITY : INFINITY, err);
    (void)ax_fail(err, AX_E_INVALID, "input '%.*s', row %zu: the number is too large",
                  AX_STR_ARG(ax_str_cut(rows->signature->inputs[input].name, SHOWN_BYTES_MAX)),
                  rows->first_number + row);
    return err->code;
}

static enum ax_code set_cell(struct ax_rows *rows, size_t row, size_t input,
                             const struct ax_table_cell *cell, struct ax_err *err)
{
    switch (cell->kind) {
    case AX_CELL_NULL:
        return AX_OK;
    case AX_CELL_PLAIN:
        return set_plain(rows, row, input, cell->text, err);
    case AX_CELL_TEXT:
        return ax_rows_set_str(rows, row, input, cell->text, err);
    case AX_CELL_NUMBER:
        return set_number(rows, row, input, cell->text, err);
    case AX_CELL_NESTED:
        break;
    case AX_CELL_BOOL:
        return ax_rows_set_bool(rows, row, input, cell->truth, err);
    case AX_CELL_I64:
        return ax_rows_set_i64(rows, row, input, cell->i64, err);
    case AX_CELL_F64:
        return ax_rows_set_f64(rows, row, input, cell->f64, err);
    }
    return ax_fail(err, AX_E_INVALID,
                   "input '%.*s', row %zu: found a list or an object where a value is wanted",
                   AX_STR_ARG(ax_str_cut(rows->signature->inputs[input].name, SHOWN_BYTES_MAX)),
                   rows->first_number + row);
}

/* Row after row, so that the first bad one is told. */
static enum ax_code fill(const struct batch *b, const struct ax_table_block *block,
                         struct ax_rows *rows)
{
    size_t width = b->input_count + b->keep_count;
    for (size_t row = 0; row < block->rows; row++) {
        const struct ax_table_cell *cells = block->cells + row * width;
        for (size_t i = 0; i < b->input_count; i++)
            if (set_cell(rows, row, i, &cells[i], b->err))
                return b->err->code;
        if (ax_rows_finish(rows, row, row + 1, b->err))
            return b->err->code;
    }
    return AX_OK;
}

/* ---- answers out ---- */

/* What engines answer: FP32, FP64, INT64, BYTES; make_outputs refused the others. */
static void put_answer(struct batch *b, const struct ax_column *column, size_t row, size_t element)
{
    const void *at = ax_column_at(column, row);
    if (column->datatype == AX_FP32)
        ax_table_put_f32(b->writer, ((const float *)at)[element]);
    else if (column->datatype == AX_FP64)
        ax_table_put_f64(b->writer, ((const double *)at)[element]);
    else if (column->datatype == AX_INT64)
        ax_table_put_i64(b->writer, ((const int64_t *)at)[element]);
    else
        ax_table_put_text(b->writer, ((const struct ax_str *)at)[element]);
}

static void put_row(struct batch *b, const struct ax_table_cell *cells, const struct ax_batch *out,
                    size_t row)
{
    for (size_t i = 0; i < b->keep_count; i++)
        ax_table_put_cell(b->writer, &cells[b->input_count + i]);
    for (size_t i = 0; i < b->answer_count; i++) {
        const struct answer *answer = &b->answers[i];
        if (!answer->is_decision) {
            put_answer(b, &out->columns[answer->output], row, answer->element);
            continue;
        }
        struct ax_str action = ax_version_decide_row(b->version, out, row);
        if (action.len)
            ax_table_put_text(b->writer, action);
        else
            ax_table_put_null(b->writer);
    }
}

static enum ax_code make_out(struct batch *b, size_t rows, struct ax_batch *ret_out)
{
    const struct ax_signature *signature = signature_of(b);
    size_t count = signature->output_count;
    struct ax_column *columns = ax_arena_zalloc(&b->block, count, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(&b->block, "the answers", b->err);
    for (size_t i = 0; i < count; i++) {
        const struct ax_output *output = &signature->outputs[i];
        size_t stride = output->width * ax_datatype_size(output->datatype);
        columns[i] = (struct ax_column){ .datatype = output->datatype,
                                         .width = output->width,
                                         .stride = stride };
        if (!b->wanted[i])
            continue;
        columns[i].values = ax_arena_alloc_aligned(&b->block, rows, stride, 64);
        if (!columns[i].values)
            return ax_arena_fail(&b->block, "the answers", b->err);
    }
    *ret_out = (struct ax_batch){ rows, count, columns };
    return AX_OK;
}

static enum ax_code score(struct batch *b, const struct ax_table_block *block)
{
    struct ax_rows rows;
    struct ax_batch out;
    ax_arena_reset(&b->block);
    if (ax_rows_init(&rows, signature_of(b), block->rows, &b->block, b->err))
        return b->err->code;
    rows.first_number = block->first_row;
    if (fill(b, block, &rows) || make_out(b, block->rows, &out))
        return b->err->code;
    struct ax_batch in = ax_rows_batch(&rows);
    void *scratch = ax_arena_alloc_aligned(
        &b->block, ax_model_scratch_size(b->version->model, block->rows) + 1, 1, 64);
    if (!scratch)
        return ax_arena_fail(&b->block, "the scores", b->err);
    if (ax_model_predict(b->version->model, &in, &out, scratch, b->err))
        return b->err->code;
    size_t width = b->input_count + b->keep_count;
    for (size_t row = 0; row < block->rows; row++)
        put_row(b, block->cells + row * width, &out, row);
    return ax_table_writer_flush(b->writer, b->err);
}

static enum ax_code score_all(struct batch *b)
{
    size_t room = AX_MIN((size_t)BLOCK_ROWS, signature_of(b)->rows_max);
    struct ax_table_block block;
    for (;;) {
        if (b->options->cancelled && atomic_load(b->options->cancelled))
            return ax_fail(b->err, AX_E_CANCELLED, "interrupted");
        if (ax_table_reader_next(b->reader, room, &block, b->err))
            return b->err->code;
        if (!block.rows)
            return AX_OK;
        if (score(b, &block))
            return b->err->code;
        b->rows_done += block.rows;
        if (b->options->progress)
            b->options->progress(b->options->arg, b->rows_done, ax_sql_progress(b->sql));
    }
}

/* ---- the whole ---- */

static enum ax_code check_paths(struct batch *b)
{
    struct stat in;
    struct stat out;
    if (stat(b->options->input, &in) || stat(b->options->output, &out) || in.st_ino != out.st_ino ||
        in.st_dev != out.st_dev)
        return AX_OK;
    return ax_fail(b->err, AX_E_INVALID, "the output '%s' is the input", b->options->output);
}

static enum ax_code run(struct batch *b)
{
    struct ax_sql_config config = { .threads = b->options->threads,
                                    .memory_bytes_max = b->options->memory_bytes_max,
                                    .cancelled = b->options->cancelled };
    bool is_early = b->options->input_format != AX_TABLE_JSONL;
    if (check_paths(b) || load_version(b) || ax_sql_open(&config, &b->sql, b->err) ||
        ax_table_reader_open(b->sql, b->options->input, b->options->input_format, &b->reader,
                             b->err) ||
        check_inputs(b) || find_keeps(b) || make_outputs(b) || select_columns(b))
        return b->err->code;
    if (is_early)
        note_ignored(b);
    if (score_all(b))
        return b->err->code;
    if (!is_early)
        note_ignored(b);
    /* The names of columns live in the reader, its stream is over. */
    return ax_table_writer_commit(b->writer, b->sql, b->err);
}

enum ax_code ax_batch_predict_run(const struct ax_batch_predict_options *options,
                                  struct ax_batch_predict_report *ret_report, struct ax_err *err)
{
    assert(options && options->model && options->input && options->output && options->threads);
    assert(ret_report && err);
    uint64_t began_ns = ax_clock_ns();
    struct batch b = { .options = options, .err = err };
    ax_arena_init(&b.arena, 65536, ARENA_MAX);
    ax_arena_init(&b.block, (size_t)1 << 20, ARENA_MAX);
    if (!run(&b)) {
        struct ax_batch_predict_report report = { .rows = b.rows_done,
                                                  .version = b.version->number };
        (void)snprintf(report.model, sizeof(report.model), "%s", b.version->model_name);
        report.seconds = (double)(ax_clock_ns() - began_ns) / 1e9;
        *ret_report = report;
    }
    ax_table_writer_close(b.writer);
    ax_table_reader_close(b.reader);
    ax_sql_close(b.sql);
    ax_version_unref(b.version);
    ax_arena_done(&b.block);
    ax_arena_done(&b.arena);
    return err->code;
}
