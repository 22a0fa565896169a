/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's parameters. `timeout` and `priority` are kept. Sequences would be answered wrongly if
 * they were taken for requests of their own, so what asks for one is refused; clients that only say
 * "none" are not. Keys of the prefix that Triton reserves are refused as there. All others are a
 * model's own business, and no model here has any.
 */
#include "server/api/oip_parameters.h"

#include <assert.h>

#define RESERVED_PREFIX  "triton_"
#define SHOWN_BYTES_MAX  ((size_t)64)
#define SEQUENCES_ABSENT "sequences are not supported; leave '%s' out"

static enum ax_code parameter_fail(const char *name, const char *wanted, enum ax_json_token found,
                                   struct ax_err *err)
{
    return ax_fail(err, AX_E_INVALID, "parameter '%s' must be %s, found %s", name, wanted,
                   ax_json_token_text(found));
}

static enum ax_code read_u64(struct ax_json_reader *reader, const char *name, uint64_t *ret_value,
                             struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_NUMBER || !ax_json_read_u64(reader, ret_value))
        return parameter_fail(name, "a whole number from 0", token, err);
    return AX_OK;
}

/* A number or a text; 0 and "" are no sequence. */
static enum ax_code read_sequence_id(struct ax_json_reader *reader, const char *name,
                                     struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader, err);
    uint64_t id = 0;
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token != AX_JSON_NUMBER && token != AX_JSON_STRING)
        return parameter_fail(name, "a number or a string", token, err);
    bool is_none =
        token == AX_JSON_NUMBER ? ax_json_read_u64(reader, &id) && id == 0 : reader->raw.len == 0;
    return is_none ? AX_OK : ax_fail(err, AX_E_UNSUPPORTED, SEQUENCES_ABSENT, name);
}

static enum ax_code read_sequence_flag(struct ax_json_reader *reader, const char *name,
                                       struct ax_err *err)
{
    enum ax_json_token token = ax_json_read(reader, err);
    if (token == AX_JSON_FAILED)
        return err->code;
    if (token == AX_JSON_TRUE)
        return ax_fail(err, AX_E_UNSUPPORTED, SEQUENCES_ABSENT, name);
    return token == AX_JSON_FALSE ? AX_OK : parameter_fail(name, "true or false", token, err);
}

enum ax_code ax_oip_parameters_read(struct ax_oip_parameters *parameters, struct ax_str key,
                                    struct ax_json_reader *reader, bool *ret_known,
                                    struct ax_err *err)
{
    assert(parameters && (key.ptr || !key.len) && reader && ret_known && err);
    *ret_known = true;
    if (ax_str_is(key, "timeout"))
        return read_u64(reader, "timeout", &parameters->timeout_us, err);
    if (ax_str_is(key, "priority"))
        return read_u64(reader, "priority", &parameters->priority, err);
    if (ax_str_is(key, "sequence_id"))
        return read_sequence_id(reader, "sequence_id", err);
    if (ax_str_is(key, "sequence_start"))
        return read_sequence_flag(reader, "sequence_start", err);
    if (ax_str_is(key, "sequence_end"))
        return read_sequence_flag(reader, "sequence_end", err);
    if (ax_str_starts_with(key, AX_STR(RESERVED_PREFIX)))
        return ax_fail(err, AX_E_INVALID,
                       "parameter keys starting with '" RESERVED_PREFIX
                       "' are reserved and must not be sent, found '%.*s'",
                       AX_STR_ARG(ax_str_cut(key, SHOWN_BYTES_MAX)));
    *ret_known = false;
    return AX_OK;
}

/* Pass over the value that comes next; false: it is malformed, or longer than looking goes. */
static bool peek_skip(struct ax_json_reader *reader, size_t end)
{
    struct ax_err ignored = AX_ERR_INIT;
    unsigned depth = reader->depth;
    bool done = ax_json_read(reader, &ignored) != AX_JSON_FAILED && reader->depth == depth;
    while (!done && !ignored.code && reader->at < end)
        if (ax_json_skip(reader, depth, end - reader->at, &done, &ignored))
            return false;
    return done;
}

/* The object is believed when it is whole, and its keys are plain. */
static uint64_t peek_parameters(struct ax_json_reader *reader, size_t end)
{
    struct ax_err ignored = AX_ERR_INIT;
    uint64_t timeout_us = 0;
    enum ax_json_token token = ax_json_read(reader, &ignored);
    if (token != AX_JSON_OBJECT_BEGIN)
        return 0;
    while ((token = ax_json_read(reader, &ignored)) == AX_JSON_KEY && reader->at < end) {
        if (!ax_str_is(reader->raw, "timeout")) {
            if (reader->escaped || !peek_skip(reader, end))
                return 0;
        } else if (ax_json_read(reader, &ignored) != AX_JSON_NUMBER ||
                   !ax_json_read_u64(reader, &timeout_us)) {
            return 0;
        }
    }
    return token == AX_JSON_OBJECT_END ? timeout_us : 0;
}

uint64_t ax_oip_parameters_peek_timeout(struct ax_str json, size_t byte_budget)
{
    assert(json.ptr || !json.len);
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_json_reader reader;
    ax_json_reader_init(&reader, json);
    reader.token_max = AX_JSON_TOKEN_BYTES_MAX;
    if (ax_json_read(&reader, &ignored) != AX_JSON_OBJECT_BEGIN)
        return 0;
    while (ax_json_read(&reader, &ignored) == AX_JSON_KEY && reader.at < byte_budget) {
        if (ax_str_is(reader.raw, "parameters"))
            return peek_parameters(&reader, byte_budget);
        if (!peek_skip(&reader, byte_budget))
            return 0;
    }
    return 0;
}
