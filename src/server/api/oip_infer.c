/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The infer body as a state machine over the pull reader.
 *
 * Each state is a place between two tokens; one step reads a token or a few, or does a bounded
 * piece of other work, and says what it cost in bytes of budget. Numbers for a model whose fields
 * are all FP32, or all FP64, go from the body into the matrix in one loop of the reader, without a
 * token each; everything else goes element by element through the setters of data/rows.h.
 *
 * Data that stands in front of its shape or datatype is skipped, and the reader as it stood in
 * front of it is kept: at the end of the input's object reading jumps back, and behind the data it
 * jumps forward again. So such data is scanned twice, and no order of members is refused.
 *
 * A blob is read when its input's object has ended, since nothing of that object may come behind
 * it. It is viewed where it lies when it is a whole matrix at a fitting address.
 */
#include "server/api/oip_infer.h"

#include <assert.h>

enum {
    INFER_BEGIN,
    INFER_REQUEST, /* between members of the request */
    INFER_INPUTS,  /* between inputs */
    INFER_INPUT,   /* between members of an input */
    INFER_INPUT_PARAMETERS,
    INFER_CLEAR, /* making all fields missing, before the first data */
    INFER_DATA,
    INFER_BLOB,
    INFER_PARAMETERS, /* of the request */
    INFER_OUTPUTS,
    INFER_OUTPUT,
    INFER_OUTPUT_PARAMETERS,
    INFER_SKIP,
    INFER_TRAIL,  /* behind the JSON */
    INFER_WHOLE,  /* everything was read */
    INFER_FINISH, /* defaults and required fields */
    INFER_DONE,
};

/* Members of the request. */
enum {
    INFER_SEEN_ID = 1u << 0,
    INFER_SEEN_INPUTS = 1u << 1,
    INFER_SEEN_OUTPUTS = 1u << 2,
    INFER_SEEN_PARAMETERS = 1u << 3,
    /* Members of an input or output. */
    INFER_SEEN_NAME = 1u << 4,
    INFER_SEEN_SHAPE = 1u << 5,
    INFER_SEEN_DATATYPE = 1u << 6,
    INFER_SEEN_DATA = 1u << 7,
    INFER_SEEN_BLOB = 1u << 8,
    INFER_SEEN_FORM = 1u << 9, /* binary_data, binary_data_output */
};
#define INFER_SEEN_ALL (INFER_SEEN_NAME | INFER_SEEN_SHAPE | INFER_SEEN_DATATYPE)

#define CLEAR_BYTES_MAX   ((size_t)512 << 10)
#define FINISH_VALUES_MAX 8192
/* Elements that the fast path reads before the budget is looked at again. */
#define FAST_ELEMENTS_MAX 4096
#define BLOB_ELEMENTS_MAX 8192

/* Read one token and refuse another one than `wanted`; `what` names the value. */
static enum ax_code infer_expect(struct ax_infer *infer, enum ax_json_token wanted,
                                 const char *what, struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != wanted)
        return ax_fail(err, AX_E_INVALID, "%s must be %s, found %s", what,
                       ax_json_token_text(wanted), ax_json_token_text(token));
    return AX_OK;
}

/* Read a string value. */
static enum ax_code infer_text(struct ax_infer *infer, const char *what, struct ax_str *ret_text,
                               struct ax_err *err)
{
    if (infer_expect(infer, AX_JSON_STRING, what, err))
        return err->code;
    return ax_json_read_text(&infer->reader, infer->arena, ret_text, err);
}

/* Between members: the next key in *ret_key, or *ret_end at the end of the object. */
static enum ax_code infer_member(struct ax_infer *infer, struct ax_str *ret_key, bool *ret_end,
                                 struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    *ret_end = token == AX_JSON_OBJECT_END;
    if (*ret_end)
        return AX_OK;
    assert(token == AX_JSON_KEY);
    return ax_json_read_text(&infer->reader, infer->arena, ret_key, err);
}

/* Between elements: an object begins, or *ret_end at the end of the array. */
static enum ax_code infer_element(struct ax_infer *infer, const char *what, bool *ret_end,
                                  struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    *ret_end = token == AX_JSON_ARRAY_END;
    if (!*ret_end && token != AX_JSON_OBJECT_BEGIN)
        return ax_fail(err, AX_E_INVALID, "each of '%s' must be an object, found %s", what,
                       ax_json_token_text(token));
    return AX_OK;
}

/* Pass over the value that comes next, and go on in state `then`. */
static enum ax_code infer_skip(struct ax_infer *infer, int then, struct ax_err *err)
{
    infer->skip_depth = infer->reader.depth;
    if (ax_json_read(&infer->reader, err) == AX_JSON_FAILED)
        return err->code;
    infer->state = INFER_SKIP;
    infer->state_after_skip = then;
    return AX_OK;
}

/* Note a member as met; the same one twice would leave open which counts. */
static enum ax_code infer_once(unsigned *seen, unsigned member, const char *name,
                               struct ax_err *err)
{
    if (*seen & member)
        return ax_fail(err, AX_E_INVALID, "'%s' is given twice", name);
    *seen |= member;
    return AX_OK;
}

static enum ax_code infer_step_request(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (infer_member(infer, &key, &end, err))
        return err->code;
    if (end) {
        infer->state = INFER_TRAIL;
        return AX_OK;
    }
    if (ax_str_is(key, "inputs")) {
        infer->state = INFER_INPUTS;
        return infer_once(&infer->seen, INFER_SEEN_INPUTS, "inputs", err)
                   ? err->code
                   : infer_expect(infer, AX_JSON_ARRAY_BEGIN, "'inputs'", err);
    }
    if (ax_str_is(key, "outputs")) {
        infer->state = INFER_OUTPUTS;
        return infer_once(&infer->seen, INFER_SEEN_OUTPUTS, "outputs", err)
                   ? err->code
                   : infer_expect(infer, AX_JSON_ARRAY_BEGIN, "'outputs'", err);
    }
    if (ax_str_is(key, "parameters")) {
        infer->state = INFER_PARAMETERS;
        return infer_once(&infer->seen, INFER_SEEN_PARAMETERS, "parameters", err)
                   ? err->code
                   : infer_expect(infer, AX_JSON_OBJECT_BEGIN, "'parameters'", err);
    }
    if (!ax_str_is(key, "id"))
        return infer_skip(infer, INFER_REQUEST, err);
    if (infer_once(&infer->seen, INFER_SEEN_ID, "id", err) ||
        infer_text(infer, "'id'", &infer->id, err))
        return err->code;
    if (infer->id.len > AX_INFER_ID_BYTES_MAX)
        return ax_fail(err, AX_E_INVALID, "'id' is longer than %d bytes", AX_INFER_ID_BYTES_MAX);
    return AX_OK;
}

/* A parameter that says how values are sent. */
static enum ax_code infer_read_form(struct ax_infer *infer, unsigned *seen, const char *name,
                                    enum ax_infer_form *ret_form, struct ax_err *err)
{
    if (infer_once(seen, INFER_SEEN_FORM, name, err))
        return err->code;
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_TRUE && token != AX_JSON_FALSE)
        return ax_fail(err, AX_E_INVALID, "'%s' must be true or false, found %s", name,
                       ax_json_token_text(token));
    *ret_form = token == AX_JSON_TRUE ? AX_INFER_BINARY : AX_INFER_JSON;
    return AX_OK;
}

static enum ax_code infer_step_parameters(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (infer_member(infer, &key, &end, err))
        return err->code;
    if (end) {
        infer->state = INFER_REQUEST;
        return AX_OK;
    }
    if (ax_str_is(key, "binary_data_output"))
        return infer_read_form(infer, &infer->seen, "binary_data_output", &infer->default_form,
                               err);
    bool known;
    if (ax_oip_parameters_read(&infer->parameters, key, &infer->reader, &known, err) || known)
        return err->code;
    return infer_skip(infer, INFER_PARAMETERS, err);
}

static enum ax_code infer_context(const struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str name = ax_str_cut(infer->input.name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    return ax_err_context(err, "input '%.*s'", AX_STR_ARG(name));
}

static enum ax_code infer_read_datatype(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str text;
    if (infer_text(infer, "'datatype'", &text, err))
        return err->code;
    if (!ax_datatype_from_name(text, &infer->input.datatype))
        return ax_fail(err, AX_E_INVALID, "unknown datatype '%.*s'",
                       AX_STR_ARG(ax_str_cut(text, AX_SIGNATURE_SHOWN_BYTES_MAX)));
    return AX_OK;
}

static enum ax_code infer_read_shape(struct ax_infer *infer, struct ax_err *err)
{
    if (infer_expect(infer, AX_JSON_ARRAY_BEGIN, "'shape'", err))
        return err->code;
    struct ax_infer_input *input = &infer->input;
    for (;;) {
        enum ax_json_token token = ax_json_read(&infer->reader, err);
        if (token == AX_JSON_FAILED)
            return err->code;
        if (token == AX_JSON_ARRAY_END)
            return AX_OK;
        uint64_t dimension;
        if (token != AX_JSON_NUMBER || !ax_json_read_u64(&infer->reader, &dimension))
            return ax_fail(err, AX_E_INVALID, "'shape' must hold whole numbers from 0");
        if (input->dimension_count == AX_INFER_DIMENSIONS_MAX)
            return ax_fail(err, AX_E_INVALID, "'shape' has more than %d dimensions",
                           AX_INFER_DIMENSIONS_MAX);
        input->shape[input->dimension_count++] = dimension;
    }
}

/* The tensor, unless that is the name of a feature and the shape is a column's. Who has one tensor
 * to send often does not look its name up: MLServer's codecs say "input-1", KServe's examples
 * "input-0". Other names are refused, since they are more likely a feature's, misspelt. */
static bool infer_is_tensor(const struct ax_infer *infer)
{
    const struct ax_infer_input *input = &infer->input;
    static const char *const names[] = { "input", "input-0", "input-1" };
    bool is_named = false;
    for (size_t i = 0; i < AX_COUNT(names); i++)
        is_named = is_named || ax_str_is(input->name, names[i]);
    if (!is_named)
        return false;
    if (!ax_signature_input(infer->signature, input->name))
        return true;
    return input->dimension_count == 2 && input->shape[1] == infer->signature->input_count;
}

/* Find the column of the signature, and refuse what cannot be sent for it. */
static enum ax_code infer_find_column(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    const struct ax_input *found = ax_signature_input(infer->signature, input->name);
    if (!found)
        return ax_signature_unknown_input(infer->signature, input->name, err);
    input->column = ax_signature_index(infer->signature, found);
    bool sends_text = input->datatype == AX_BYTES;
    bool wants_text = found->datatype == AX_BYTES;
    if (sends_text != wants_text && !(sends_text && found->categories)) {
        (void)ax_fail(err, AX_E_INVALID, "datatype is %s, expected %s",
                      ax_datatype_name(input->datatype),
                      ax_datatype_name(ax_input_wire_datatype(found)));
        return infer_context(infer, err);
    }
    if (infer->inputs_seen[input->column]++)
        return ax_fail(err, AX_E_INVALID, "input '%.*s' already exists in request",
                       AX_STR_ARG(input->name));
    return AX_OK;
}

/* Check the shape and take the number of rows from it. */
static enum ax_code infer_check_shape(struct ax_infer *infer, size_t *ret_rows, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    size_t features = infer->signature->input_count;
    if (input->is_tensor && (input->dimension_count != 2 || input->shape[1] != features)) {
        (void)ax_fail(err, AX_E_INVALID, "unexpected shape, expected [-1,%zu]", features);
        return infer_context(infer, err);
    }
    bool is_column =
        input->dimension_count == 1 || (input->dimension_count == 2 && input->shape[1] == 1);
    if (!input->is_tensor && !is_column) {
        (void)ax_fail(err, AX_E_INVALID, "unexpected shape, expected [-1,1] or [-1]");
        return infer_context(infer, err);
    }
    input->width = input->is_tensor ? features : 1;
    if (input->shape[0] > infer->signature->rows_max)
        return ax_fail(err, AX_E_INVALID, "inference request batch-size must be <= %zu",
                       infer->signature->rows_max);
    *ret_rows = (size_t)input->shape[0];
    if (AX_MUL_OVERFLOWS(*ret_rows, input->width, &input->element_count)) {
        (void)ax_fail(err, AX_E_INVALID, "the product of 'shape' is too large");
        return infer_context(infer, err);
    }
    return AX_OK;
}

static enum ax_code infer_check_form(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    input->is_tensor = infer_is_tensor(infer);
    bool is_blob = input->seen & INFER_SEEN_BLOB;
    if (!is_blob && (input->datatype == AX_FP16 || input->datatype == AX_BF16))
        return ax_fail(err, AX_E_INVALID,
                       "receiving %s data via JSON is not supported. Please use the binary data "
                       "format for input %.*s",
                       ax_datatype_name(input->datatype), AX_STR_ARG(input->name));
    if (!input->is_tensor && infer_find_column(infer, err))
        return err->code;
    if (input->is_tensor && input->datatype == AX_BYTES)
        return ax_fail(err, AX_E_INVALID,
                       "input 'input': datatype is BYTES; send texts as one input a feature");
    if (input->is_tensor && infer->has_tensor)
        return ax_fail(err, AX_E_INVALID, "input 'input' already exists in request");
    infer->has_tensor = infer->has_tensor || input->is_tensor;
    infer->has_columns = infer->has_columns || !input->is_tensor;
    if (infer->has_tensor && infer->has_columns)
        return ax_fail(err, AX_E_INVALID,
                       "the tensor 'input' and inputs named like features are mixed; send one or "
                       "the other");
    return AX_OK;
}

/* As many rows as the inputs before; or the first ones: memory for them, and then clearing. */
static enum ax_code infer_take_rows(struct ax_infer *infer, size_t rows, int then,
                                    struct ax_err *err)
{
    infer->state = then;
    if (infer->has_rows && rows == infer->rows.count)
        return AX_OK;
    if (infer->has_rows) {
        (void)ax_fail(err, AX_E_INVALID, "holds %zu rows, the inputs before it %zu", rows,
                      infer->rows.count);
        return infer_context(infer, err);
    }
    infer->has_rows = true;
    infer->state = INFER_CLEAR;
    infer->state_after_clear = then;
    return ax_rows_reserve(&infer->rows, infer->signature, rows, infer->arena, err);
}

/* The reader stands in front of the data, and name, shape and datatype are known. */
static enum ax_code infer_begin_data(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    size_t rows = 0;
    if (infer_check_form(infer, err) || infer_check_shape(infer, &rows, err))
        return err->code;
    if (infer_expect(infer, AX_JSON_ARRAY_BEGIN, "'data'", err))
        return infer_context(infer, err);
    /* Elements are divided by commas, so nothing is allocated for what a body cannot hold. */
    size_t bytes_left = infer->reader.text.len - infer->reader.at;
    if (input->element_count > bytes_left / 2 + 1) {
        (void)ax_fail(err, AX_E_INVALID, "'data' holds fewer elements than the %zu of its shape",
                      input->element_count);
        return infer_context(infer, err);
    }
    input->data_depth = infer->reader.depth;
    return infer_take_rows(infer, rows, INFER_DATA, err);
}

/* The bytes of the input's blob: there, and as many as its shape says. */
static enum ax_code infer_take_blob(struct ax_infer *infer, struct ax_str *ret_bytes,
                                    struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    struct ax_str name = ax_str_cut(input->name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    struct ax_str model = infer->body.model;
    size_t left = infer->body.blobs.len - infer->blobs_taken;
    if (input->blob_size > left)
        return ax_fail(err, AX_E_INVALID,
                       "unexpected size for input '%.*s', expecting %llu additional bytes for "
                       "model '%.*s'",
                       AX_STR_ARG(name), (unsigned long long)(input->blob_size - left),
                       AX_STR_ARG(model));
    size_t size = ax_blob_element_size(input->datatype);
    size_t wanted = 0;
    if (AX_MUL_OVERFLOWS(input->element_count, size, &wanted) ||
        (size > 0 && wanted != input->blob_size))
        return ax_fail(err, AX_E_INVALID,
                       "input byte size mismatch for input '%.*s' for model '%.*s'. Expected %zu, "
                       "got %llu",
                       AX_STR_ARG(name), AX_STR_ARG(model), wanted,
                       (unsigned long long)input->blob_size);
    /* The length alone of a text takes four bytes. */
    if (size == 0 && input->element_count > input->blob_size / 4)
        return ax_fail(err, AX_E_INVALID,
                       "unexpected number of string elements for input '%.*s' for model '%.*s': "
                       "%zu do not fit into %llu bytes",
                       AX_STR_ARG(name), AX_STR_ARG(model), input->element_count,
                       (unsigned long long)input->blob_size);
    *ret_bytes =
        (struct ax_str){ infer->body.blobs.ptr + infer->blobs_taken, (size_t)input->blob_size };
    infer->blobs_taken += (size_t)input->blob_size;
    return AX_OK;
}

/* The input's object is over, and it has no data but a blob. */
static enum ax_code infer_begin_blob(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    const struct ax_signature *signature = infer->signature;
    size_t rows = 0;
    struct ax_str bytes;
    if (infer_check_form(infer, err) || infer_check_shape(infer, &rows, err) ||
        infer_take_blob(infer, &bytes, err))
        return err->code;
    input->blob = (struct ax_blob){ .bytes = bytes,
                                    .datatype = input->datatype,
                                    .column = input->is_tensor ? 0 : input->column,
                                    .width = input->width };
    bool is_whole = input->width == signature->input_count && !infer->has_rows;
    if (!is_whole)
        return infer_take_rows(infer, rows, INFER_BLOB, err);
    /* It sets every field, so nothing is to be cleared. */
    infer->has_rows = true;
    infer->cleared = rows;
    if (!ax_rows_can_view(signature, input->datatype, bytes.ptr)) {
        infer->state = INFER_BLOB;
        return ax_rows_reserve(&infer->rows, signature, rows, infer->arena, err);
    }
    infer->state = infer->body.is_raw ? INFER_WHOLE : INFER_INPUTS;
    return ax_rows_view(&infer->rows, signature, rows, bytes.ptr, infer->arena, err);
}

/* The input's object is over. */
static enum ax_code infer_end_input(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    if (!(input->seen & INFER_SEEN_NAME))
        return ax_fail(err, AX_E_INVALID, "an input has no 'name'");
    bool has_blob = input->seen & INFER_SEEN_BLOB;
    const char *lacks = !(input->seen & INFER_SEEN_SHAPE)               ? "shape"
                        : !(input->seen & INFER_SEEN_DATATYPE)          ? "datatype"
                        : !has_blob && !(input->seen & INFER_SEEN_DATA) ? "data"
                                                                        : NULL;
    if (lacks) {
        (void)ax_fail(err, AX_E_INVALID, "has no '%s'", lacks);
        return infer_context(infer, err);
    }
    if (has_blob && input->seen & INFER_SEEN_DATA) {
        (void)ax_fail(err, AX_E_INVALID, "has both 'data' and 'binary_data_size'");
        return infer_context(infer, err);
    }
    if (has_blob)
        return infer_begin_blob(infer, err);
    infer->state = INFER_INPUTS;
    if (!input->is_deferred)
        return AX_OK;
    input->after = infer->reader;
    infer->reader = input->data;
    return infer_begin_data(infer, err);
}

static enum ax_code infer_read_data(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    if ((input->seen & INFER_SEEN_ALL) == INFER_SEEN_ALL)
        return infer_begin_data(infer, err);
    input->is_deferred = true;
    input->data = infer->reader;
    return infer_skip(infer, INFER_INPUT, err);
}

static enum ax_code infer_step_input(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    struct ax_str key;
    bool end;
    if (infer_member(infer, &key, &end, err))
        return err->code;
    if (end)
        return infer_end_input(infer, err);
    if (ax_str_is(key, "name"))
        return infer_once(&input->seen, INFER_SEEN_NAME, "name", err) ||
                       infer_text(infer, "'name'", &input->name, err)
                   ? err->code
                   : AX_OK;
    enum ax_code code;
    if (ax_str_is(key, "shape")) {
        code = infer_once(&input->seen, INFER_SEEN_SHAPE, "shape", err);
        code = code ? code : infer_read_shape(infer, err);
    } else if (ax_str_is(key, "datatype")) {
        code = infer_once(&input->seen, INFER_SEEN_DATATYPE, "datatype", err);
        code = code ? code : infer_read_datatype(infer, err);
    } else if (ax_str_is(key, "data")) {
        code = infer_once(&input->seen, INFER_SEEN_DATA, "data", err);
        /* Its failures name the input already. */
        return code ? infer_context(infer, err) : infer_read_data(infer, err);
    } else if (ax_str_is(key, "parameters")) {
        code = infer_once(&input->seen, INFER_SEEN_PARAMETERS, "parameters", err);
        code = code ? code : infer_expect(infer, AX_JSON_OBJECT_BEGIN, "'parameters'", err);
        infer->state = INFER_INPUT_PARAMETERS;
    } else {
        code = infer_skip(infer, INFER_INPUT, err);
    }
    return code && input->name.len ? infer_context(infer, err) : code;
}

static enum ax_code infer_step_input_parameters(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (infer_member(infer, &key, &end, err))
        return err->code;
    if (end) {
        infer->state = INFER_INPUT;
        return AX_OK;
    }
    if (ax_str_is(key, "shared_memory_region"))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "input parameter '%.*s' is not supported; send 'data' as JSON or as a blob",
                       AX_STR_ARG(key));
    if (!ax_str_is(key, "binary_data_size"))
        return infer_skip(infer, INFER_INPUT_PARAMETERS, err);
    enum ax_code code = infer_once(&infer->input.seen, INFER_SEEN_BLOB, "binary_data_size", err);
    code = code ? code : infer_expect(infer, AX_JSON_NUMBER, "'binary_data_size'", err);
    if (!code && !ax_json_read_u64(&infer->reader, &infer->input.blob_size))
        code = ax_fail(err, AX_E_INVALID, "'binary_data_size' must be a whole number from 0");
    return code && infer->input.name.len ? infer_context(infer, err) : code;
}

static enum ax_code infer_step_clear(struct ax_infer *infer, size_t *cost)
{
    struct ax_rows *rows = &infer->rows;
    size_t count = AX_MAX(CLEAR_BYTES_MAX / AX_MAX(rows->row_bytes, (size_t)1), (size_t)1);
    size_t to = AX_MIN(infer->cleared + count, rows->count);
    ax_rows_clear(rows, infer->cleared, to);
    /* Clearing a byte costs about a sixteenth of reading one. */
    *cost += (to - infer->cleared) * rows->row_bytes / 16;
    infer->cleared = to;
    if (to == rows->count)
        infer->state = infer->state_after_clear;
    return AX_OK;
}

static enum ax_code infer_step_blob(struct ax_infer *infer, size_t *cost, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    struct ax_blob *blob = &input->blob;
    size_t count = AX_MIN(input->element_count - blob->element, (size_t)BLOB_ELEMENTS_MAX);
    size_t at = blob->at;
    if (ax_blob_read(blob, &infer->rows, count, err))
        return err->code;
    /* Fewer bytes than a number has as JSON, and each as much work as one of those at most. */
    *cost += blob->at - at;
    if (blob->element < input->element_count)
        return AX_OK;
    if (blob->at < blob->bytes.len)
        return ax_fail(err, AX_E_INVALID,
                       "unexpected number of string elements for input '%.*s' for model '%.*s': "
                       "%zu bytes are left behind the %zu of its shape",
                       AX_STR_ARG(ax_str_cut(input->name, AX_SIGNATURE_SHOWN_BYTES_MAX)),
                       AX_STR_ARG(infer->body.model), blob->bytes.len - blob->at,
                       input->element_count);
    infer->state = infer->body.is_raw ? INFER_WHOLE : INFER_INPUTS;
    return AX_OK;
}

/* "input 'carrier', element 7: " in front of the cause. */
static enum ax_code infer_element_context(const struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str name = ax_str_cut(infer->input.name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    return ax_err_context(err, "input '%.*s', element %zu", AX_STR_ARG(name), infer->input.element);
}

/* An integer token for the field at (row, column), which must fit the datatype that was named. */
static enum ax_code infer_put_integer(struct ax_infer *infer, size_t row, size_t column,
                                      struct ax_err *err)
{
    enum ax_datatype datatype = infer->input.datatype;
    unsigned bits = 8 * (unsigned)ax_datatype_size(datatype);
    bool is_signed = datatype >= AX_INT8 && datatype <= AX_INT64;
    int64_t number;
    uint64_t large;
    if (is_signed && ax_json_read_i64(&infer->reader, &number)) {
        int64_t max = bits == 64 ? INT64_MAX : ((int64_t)1 << (bits - 1)) - 1;
        if (number <= max && number >= -max - 1)
            return ax_rows_set_i64(&infer->rows, row, column, number, err);
    } else if (!is_signed && ax_json_read_u64(&infer->reader, &large)) {
        if (bits == 64 || large >> bits == 0)
            return ax_rows_set_u64(&infer->rows, row, column, large, err);
    }
    struct ax_str raw = ax_str_cut(infer->reader.raw, AX_SIGNATURE_SHOWN_BYTES_MAX);
    (void)ax_fail(err, AX_E_INVALID, "'%.*s' is no %s", AX_STR_ARG(raw),
                  ax_datatype_name(datatype));
    return infer_element_context(infer, err);
}

static enum ax_code infer_put_float(struct ax_infer *infer, size_t row, size_t column,
                                    struct ax_err *err)
{
    double value;
    if (!ax_json_read_f64(&infer->reader, &value)) {
        (void)ax_fail(err, AX_E_INVALID, "the number is too large for FP64");
        return infer_element_context(infer, err);
    }
    /* What was named FP32 is an FP32 number, whatever the width of the field. */
    if (infer->input.datatype == AX_FP32)
        value = (double)(float)value;
    return ax_rows_set_f64(&infer->rows, row, column, value, err);
}

/* One element that is no null. */
static enum ax_code infer_put(struct ax_infer *infer, enum ax_json_token token, struct ax_err *err)
{
    const struct ax_infer_input *input = &infer->input;
    size_t row = input->element / input->width;
    size_t column = input->is_tensor ? input->element % input->width : input->column;
    bool is_text = input->datatype == AX_BYTES;
    if (token == AX_JSON_STRING && is_text) {
        struct ax_str text;
        if (ax_json_read_text(&infer->reader, infer->arena, &text, err))
            return infer_element_context(infer, err);
        return ax_rows_set_str(&infer->rows, row, column, text, err);
    }
    if ((token == AX_JSON_TRUE || token == AX_JSON_FALSE) && input->datatype == AX_BOOL)
        return ax_rows_set_bool(&infer->rows, row, column, token == AX_JSON_TRUE, err);
    if (token == AX_JSON_NUMBER && (input->datatype == AX_FP32 || input->datatype == AX_FP64))
        return infer_put_float(infer, row, column, err);
    if (token == AX_JSON_NUMBER && !is_text && input->datatype != AX_BOOL)
        return infer_put_integer(infer, row, column, err);
    (void)ax_fail(err, AX_E_INVALID, "found %s in data of datatype %s", ax_json_token_text(token),
                  ax_datatype_name(input->datatype));
    return infer_element_context(infer, err);
}

/* An array begins inside the data: a row, when all rows are arrays. */
static enum ax_code infer_begin_row(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    if (input->dimension_count == 2 && !input->is_flat &&
        infer->reader.depth == input->data_depth + 1) {
        input->is_nested = true;
        input->row_end = input->element + input->width;
        return AX_OK;
    }
    (void)ax_fail(err, AX_E_INVALID, "'data' is nested otherwise than its shape");
    return infer_context(infer, err);
}

static enum ax_code infer_row_fail(struct ax_infer *infer, struct ax_err *err)
{
    const struct ax_infer_input *input = &infer->input;
    (void)ax_fail(err, AX_E_INVALID, "row %zu of 'data' does not hold %zu elements",
                  input->row_end / input->width - 1, input->width);
    return infer_context(infer, err);
}

/* An array ended: a row, or the data. */
static enum ax_code infer_end_array(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    if (infer->reader.depth >= input->data_depth) {
        return input->element == input->row_end ? AX_OK : infer_row_fail(infer, err);
    }
    if (input->element != input->element_count) {
        (void)ax_fail(err, AX_E_INVALID, "'data' holds %zu elements, its shape %zu", input->element,
                      input->element_count);
        return infer_context(infer, err);
    }
    if (input->is_deferred)
        infer->reader = input->after;
    infer->state = input->is_deferred ? INFER_INPUTS : INFER_INPUT;
    return AX_OK;
}

/* How many elements may come before the next bracket at the latest. */
static size_t infer_run_length(const struct ax_infer *infer)
{
    const struct ax_infer_input *input = &infer->input;
    bool inside_row = infer->reader.depth > input->data_depth;
    size_t end = inside_row ? AX_MIN(input->row_end, input->element_count) : input->element_count;
    return input->is_nested && !inside_row ? 0 : end - AX_MIN(input->element, end);
}

/* Numbers straight into the matrix, as many as there are in a row of plain ones. */
static size_t infer_read_fast(struct ax_infer *infer)
{
    struct ax_infer_input *input = &infer->input;
    size_t count = AX_MIN(infer_run_length(infer), (size_t)FAST_ELEMENTS_MAX);
    bool is_float = input->datatype == AX_FP32 || input->datatype == AX_FP64;
    /* What was named FP32 is narrowed first, which a matrix of FP64 does not do. */
    bool is_narrow = input->datatype == AX_FP32 && infer->rows.matrix_type == AX_FP64;
    if (!infer->rows.is_matrix || !is_float || is_narrow || count == 0)
        return 0;
    size_t pitch = infer->signature->input_count;
    size_t stride = input->is_tensor ? 1 : pitch;
    size_t at = input->is_tensor ? input->element : input->element * pitch + input->column;
    void *matrix = infer->rows.block;
    if (infer->rows.matrix_type == AX_FP64)
        return ax_json_read_f64s(&infer->reader, (double *)matrix + at, stride, count);
    return ax_json_read_f32s(&infer->reader, (float *)matrix + at, stride, count);
}

static enum ax_code infer_step_data(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_infer_input *input = &infer->input;
    size_t fast = infer_read_fast(infer);
    input->element += fast;
    if (fast > 0 && infer->reader.depth == input->data_depth)
        input->is_flat = true;
    if (fast == FAST_ELEMENTS_MAX)
        return AX_OK;
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_ARRAY_END)
        return infer_end_array(infer, err);
    if (token == AX_JSON_ARRAY_BEGIN)
        return infer_begin_row(infer, err);
    if (token == AX_JSON_OBJECT_BEGIN)
        return infer_put(infer, token, err);
    if (infer_run_length(infer) == 0 && infer->reader.depth > input->data_depth)
        return infer_row_fail(infer, err);
    if (infer_run_length(infer) == 0) {
        (void)ax_fail(err, AX_E_INVALID,
                      input->is_nested ? "'data' mixes rows and single elements"
                                       : "'data' holds more than the %zu elements of its shape",
                      input->element_count);
        return infer_context(infer, err);
    }
    input->is_flat = input->is_flat || infer->reader.depth == input->data_depth;
    /* All fields began as missing. */
    if (token != AX_JSON_NULL && infer_put(infer, token, err))
        return err->code;
    input->element++;
    return AX_OK;
}

static enum ax_code infer_step_inputs(struct ax_infer *infer, struct ax_err *err)
{
    bool end;
    if (infer_element(infer, "inputs", &end, err))
        return err->code;
    infer->input = (struct ax_infer_input){ .datatype = AX_FP32 };
    infer->state = end ? INFER_REQUEST : INFER_INPUT;
    return AX_OK;
}

static enum ax_code infer_step_outputs(struct ax_infer *infer, struct ax_err *err)
{
    bool end;
    if (infer_element(infer, "outputs", &end, err))
        return err->code;
    infer->output_seen = 0;
    infer->output_form = AX_INFER_UNSAID;
    infer->output_classes = 0;
    infer->state = end ? INFER_REQUEST : INFER_OUTPUT;
    return AX_OK;
}

/* Note an output that was asked for. */
static enum ax_code infer_add_output(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str name = ax_str_cut(infer->output_name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    if (!(infer->output_seen & INFER_SEEN_NAME))
        return ax_fail(err, AX_E_INVALID, "an output has no 'name'");
    const struct ax_output *output = ax_signature_output(infer->signature, infer->output_name);
    if (!output)
        return ax_fail(err, AX_E_INVALID,
                       "unexpected inference output '%.*s'; the model's metadata lists its outputs",
                       AX_STR_ARG(name));
    size_t index = (size_t)(output - infer->signature->outputs);
    if (infer->outputs_seen[index]++)
        return ax_fail(err, AX_E_INVALID, "output '%.*s' already exists in request",
                       AX_STR_ARG(name));
    infer->outputs[infer->output_count++] = (struct ax_infer_output){
        .index = index, .form = infer->output_form, .classes = infer->output_classes
    };
    infer->state = INFER_OUTPUTS;
    return AX_OK;
}

static enum ax_code infer_step_output(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (infer_member(infer, &key, &end, err))
        return err->code;
    if (end)
        return infer_add_output(infer, err);
    if (ax_str_is(key, "name"))
        return infer_once(&infer->output_seen, INFER_SEEN_NAME, "name", err) ||
                       infer_text(infer, "'name'", &infer->output_name, err)
                   ? err->code
                   : AX_OK;
    if (!ax_str_is(key, "parameters"))
        return infer_skip(infer, INFER_OUTPUT, err);
    infer->state = INFER_OUTPUT_PARAMETERS;
    return infer_once(&infer->output_seen, INFER_SEEN_PARAMETERS, "parameters", err)
               ? err->code
               : infer_expect(infer, AX_JSON_OBJECT_BEGIN, "'parameters'", err);
}

/* How many classes are wanted of an output; 0 is the same as not to ask. */
static enum ax_code infer_read_classes(struct ax_infer *infer, struct ax_err *err)
{
    uint64_t classes;
    enum ax_json_token token = ax_json_read(&infer->reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_NUMBER || !ax_json_read_u64(&infer->reader, &classes))
        return ax_fail(err, AX_E_INVALID,
                       "'classification' must be a whole number of classes, found %s",
                       ax_json_token_text(token));
    infer->output_classes = (size_t)classes;
    return AX_OK;
}

/* What would change the answer is refused, not overlooked. */
static enum ax_code infer_step_output_parameters(struct ax_infer *infer, struct ax_err *err)
{
    struct ax_str key;
    bool end;
    if (infer_member(infer, &key, &end, err))
        return err->code;
    if (end) {
        infer->state = INFER_OUTPUT;
        return AX_OK;
    }
    if (ax_str_is(key, "shared_memory_region"))
        return ax_fail(err, AX_E_UNSUPPORTED, "output parameter '%.*s' is not supported",
                       AX_STR_ARG(key));
    if (ax_str_is(key, "classification"))
        return infer_read_classes(infer, err);
    if (ax_str_is(key, "binary_data"))
        return infer_read_form(infer, &infer->output_seen, "binary_data", &infer->output_form, err);
    return infer_skip(infer, INFER_OUTPUT_PARAMETERS, err);
}

static enum ax_code infer_step_skip(struct ax_infer *infer, size_t byte_budget, struct ax_err *err)
{
    bool done;
    if (ax_json_skip(&infer->reader, infer->skip_depth, byte_budget, &done, err))
        return err->code;
    if (done)
        infer->state = infer->state_after_skip;
    return AX_OK;
}

/* Behind the request: nothing more may come. */
static enum ax_code infer_step_trail(struct ax_infer *infer, struct ax_err *err)
{
    if (ax_json_read(&infer->reader, err) == AX_JSON_FAILED)
        return err->code;
    if (!infer->has_rows)
        return ax_fail(err, AX_E_INVALID, "the request has no 'inputs'");
    if (infer->blobs_taken < infer->body.blobs.len)
        return ax_fail(err, AX_E_INVALID, "unexpected additional input data for model '%.*s'",
                       AX_STR_ARG(infer->body.model));
    infer->state = INFER_WHOLE;
    return AX_OK;
}

/* Everything is known: what is answered, and how. */
static enum ax_code infer_step_whole(struct ax_infer *infer)
{
    const struct ax_signature *signature = infer->signature;
    for (size_t i = 0; infer->output_count == 0 && i < signature->output_count; i++)
        if (signature->outputs[i].by_default)
            infer->outputs[infer->output_count++] = (struct ax_infer_output){ .index = i };
    for (size_t i = 0; i < infer->output_count; i++)
        if (infer->outputs[i].form == AX_INFER_UNSAID)
            infer->outputs[i].form = infer->default_form ? infer->default_form : AX_INFER_JSON;
    infer->state = INFER_FINISH;
    return AX_OK;
}

/* A raw body that is a text: one, without its length. */
static enum ax_code infer_read_raw_text(struct ax_infer *infer, struct ax_err *err)
{
    infer->has_rows = true;
    infer->cleared = 1;
    infer->state = INFER_WHOLE;
    return ax_rows_init(&infer->rows, infer->signature, 1, infer->arena, err)
               ? err->code
               : ax_rows_set_str(&infer->rows, 0, 0, infer->body.blobs, err);
}

/* A raw body: whole rows of the only input. */
static enum ax_code infer_begin_raw(struct ax_infer *infer, struct ax_err *err)
{
    const struct ax_signature *signature = infer->signature;
    struct ax_infer_input *input = &infer->input;
    bool is_tensor = signature->form == AX_FORM_TENSOR;
    if (!is_tensor && signature->input_count != 1)
        return ax_fail(err, AX_E_INVALID,
                       "a raw request can only be sent to a model with one input, '%.*s' has %zu",
                       AX_STR_ARG(infer->body.model), signature->input_count);
    *input = (struct ax_infer_input){
        .name = is_tensor ? AX_STR("input") : signature->inputs[0].name,
        .datatype = ax_input_wire_datatype(&signature->inputs[0]),
        .seen = INFER_SEEN_ALL | INFER_SEEN_BLOB,
        .blob_size = infer->body.blobs.len,
        .dimension_count = 2,
    };
    infer->default_form = AX_INFER_BINARY;
    input->shape[1] = is_tensor ? signature->input_count : 1;
    size_t size = ax_blob_element_size(input->datatype);
    if (size == 0)
        return infer_read_raw_text(infer, err);
    /* A part of a row is a mismatch of its size. */
    uint64_t row = input->shape[1] * size;
    input->shape[0] = (input->blob_size + row - 1) / row;
    return infer_begin_blob(infer, err);
}

static enum ax_code infer_step_finish(struct ax_infer *infer, size_t *cost, struct ax_err *err)
{
    size_t width = infer->signature->input_count;
    size_t count = AX_MAX(FINISH_VALUES_MAX / AX_MAX(width, (size_t)1), (size_t)1);
    size_t to = AX_MIN(infer->finished + count, infer->rows.count);
    if (ax_rows_finish(&infer->rows, infer->finished, to, err))
        return err->code;
    *cost += (to - infer->finished) * width;
    infer->finished = to;
    if (to == infer->rows.count)
        infer->state = INFER_DONE;
    return AX_OK;
}

/* One step; adds to *cost what it did besides reading. */
static enum ax_code infer_step(struct ax_infer *infer, size_t byte_budget, size_t *cost,
                               struct ax_err *err)
{
    switch (infer->state) {
    case INFER_BEGIN:
        if (infer->body.is_raw)
            return infer_begin_raw(infer, err);
        infer->state = INFER_REQUEST;
        return infer_expect(infer, AX_JSON_OBJECT_BEGIN, "the body", err);
    case INFER_REQUEST:
        return infer_step_request(infer, err);
    case INFER_INPUTS:
        return infer_step_inputs(infer, err);
    case INFER_INPUT:
        return infer_step_input(infer, err);
    case INFER_INPUT_PARAMETERS:
        return infer_step_input_parameters(infer, err);
    case INFER_CLEAR:
        return infer_step_clear(infer, cost);
    case INFER_DATA:
        return infer_step_data(infer, err);
    case INFER_BLOB:
        return infer_step_blob(infer, cost, err);
    case INFER_PARAMETERS:
        return infer_step_parameters(infer, err);
    case INFER_OUTPUTS:
        return infer_step_outputs(infer, err);
    case INFER_OUTPUT:
        return infer_step_output(infer, err);
    case INFER_OUTPUT_PARAMETERS:
        return infer_step_output_parameters(infer, err);
    case INFER_SKIP:
        return infer_step_skip(infer, byte_budget, err);
    case INFER_TRAIL:
        return infer_step_trail(infer, err);
    case INFER_WHOLE:
        return infer_step_whole(infer);
    case INFER_FINISH:
        return infer_step_finish(infer, cost, err);
    default:
        assert(!"infer_step: no such state");
        return AX_OK;
    }
}

enum ax_code ax_infer_split(struct ax_str bytes, struct ax_str header,
                            struct ax_infer_body *ret_body, struct ax_err *err)
{
    assert((bytes.ptr || !bytes.len) && ret_body && err);
    uint64_t len = bytes.len;
    struct ax_str shown = ax_str_cut(header, AX_SIGNATURE_SHOWN_BYTES_MAX);
    bool is_number = ax_str_to_u64(header, &len);
    bool is_negative = header.len > 0 && header.ptr[0] == '-';
    if (header.ptr && !is_number && !is_negative)
        return ax_fail(err, AX_E_INVALID,
                       "Unable to parse Inference-Header-Content-Length, got: %.*s",
                       AX_STR_ARG(shown));
    if (header.ptr && (!is_number || len > bytes.len))
        return ax_fail(err, AX_E_INVALID,
                       "inference header size should be in range (0, %zu), got: %.*s", bytes.len,
                       AX_STR_ARG(shown));
    *ret_body = (struct ax_infer_body){
        .json = { bytes.ptr, (size_t)len },
        .blobs = { bytes.ptr + len, bytes.len - (size_t)len },
        .is_raw = header.ptr && len == 0,
    };
    return AX_OK;
}

enum ax_code ax_infer_begin(struct ax_infer *infer, const struct ax_signature *signature,
                            struct ax_arena *arena, const struct ax_infer_body *body,
                            struct ax_err *err)
{
    assert(infer && signature && arena && body && err);
    *infer = (struct ax_infer){ .signature = signature, .arena = arena, .body = *body };
    ax_json_reader_init(&infer->reader, body->json);
    infer->reader.token_max = AX_JSON_TOKEN_BYTES_MAX;
    infer->inputs_seen = ax_arena_zalloc(arena, signature->input_count, 1);
    infer->outputs_seen = ax_arena_zalloc(arena, signature->output_count, 1);
    infer->outputs = ax_arena_alloc(arena, signature->output_count, sizeof(*infer->outputs));
    if (!infer->inputs_seen || !infer->outputs_seen || !infer->outputs)
        return ax_arena_fail(arena, "the request", err);
    return AX_OK;
}

enum ax_code ax_infer_read(struct ax_infer *infer, size_t byte_budget, bool *ret_done,
                           struct ax_err *err)
{
    assert(infer && ret_done && err);
    size_t cost = 0;
    while (infer->state != INFER_DONE && cost < byte_budget) {
        size_t at = infer->reader.at;
        if (infer_step(infer, byte_budget - cost, &cost, err))
            return err->code;
        /* Deferred data makes the reader jump; the way back costs nothing. */
        if (infer->reader.at > at)
            cost += infer->reader.at - at;
    }
    *ret_done = infer->state == INFER_DONE;
    return AX_OK;
}
