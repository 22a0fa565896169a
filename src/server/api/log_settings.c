/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logging extension: what the process writes to its log, looked at and changed while it runs.
 *
 * Triton's names stand for our levels: `log_verbose_level` above 0 is debug. Each is a bit of
 * base/log.h and may be off while others are on. `log_format` may be `default` (as the server was
 * started), `ISO8601` (the same: our lines bear no other times), or one of our own. The log stays
 * on stderr: a client that could name a file could write to any.
 */
#include "base/log.h"
#include "server/api/endpoints.h"
#include "server/api/settings.h"
#include "server/server.h"
#include "server/server_thread.h"

#include <assert.h>
#include <stdatomic.h>

static const char *const format_words[] = { "default", "ISO8601", "logfmt", "json" };
enum { FORMAT_DEFAULT, FORMAT_ISO8601, FORMAT_LOGFMT, FORMAT_JSON };

/* The word that was set last; the format itself is base/log's. */
static _Atomic int format_word = FORMAT_DEFAULT;

static const struct {
    const char *name;
    enum ax_log_level level;
} levels[] = {
    { "log_info", AX_LOG_INFO },
    { "log_warning", AX_LOG_WARN },
    { "log_error", AX_LOG_ERROR },
};

struct log_change {
    unsigned start_levels;
    unsigned set, clear;
    int format_word; /* -1: not changed */
};

static void change_level(struct log_change *change, enum ax_log_level level, bool is_on)
{
    unsigned bit = 1u << level;
    change->set = (change->set & ~bit) | (is_on ? bit : 0);
    change->clear = (change->clear & ~bit) | (is_on ? 0 : bit);
}

static enum ax_code take_flag(struct log_change *change, const char *name, enum ax_log_level level,
                              const struct ax_json *value, struct ax_err *err)
{
    if (value && ax_json_kind(value) != AX_JSON_KIND_BOOL)
        return ax_fail(err, AX_E_INVALID, "'%s' must be true, false or null", name);
    change_level(change, level,
                 value ? ax_json_is_true(value) : change->start_levels >> level & 1u);
    return AX_OK;
}

static enum ax_code take_verbose_level(struct log_change *change, const struct ax_json *value,
                                       struct ax_err *err)
{
    uint64_t verbose = change->start_levels >> AX_LOG_DEBUG & 1u;
    if (value && !ax_json_to_u64(value, &verbose))
        return ax_fail(err, AX_E_INVALID,
                       "'log_verbose_level' must be a whole number from 0, or null");
    change_level(change, AX_LOG_DEBUG, verbose > 0);
    return AX_OK;
}

static enum ax_code take_format(struct log_change *change, const struct ax_json *value,
                                struct ax_err *err)
{
    struct ax_str word = value ? ax_json_str(value) : AX_STR("default");
    for (size_t i = 0; i < AX_COUNT(format_words); i++) {
        if (!ax_str_is(word, format_words[i]))
            continue;
        change->format_word = (int)i;
        return AX_OK;
    }
    return ax_fail(err, AX_E_INVALID,
                   "'log_format' must be 'default', 'ISO8601', 'logfmt' or 'json', or null");
}

static enum ax_code take_file(const struct ax_json *value, struct ax_err *err)
{
    if (!value || (ax_json_kind(value) == AX_JSON_KIND_STRING && ax_json_str(value).len == 0))
        return AX_OK;
    return ax_fail(err, AX_E_UNSUPPORTED,
                   "log file location can not be updated through network protocol; the log goes to "
                   "stderr, which is 'log_file' \"\"");
}

static enum ax_code log_take(void *context, struct ax_str name, const struct ax_json *value,
                             struct ax_err *err)
{
    struct log_change *change = context;
    for (size_t i = 0; i < AX_COUNT(levels); i++)
        if (ax_str_is(name, levels[i].name))
            return take_flag(change, levels[i].name, levels[i].level, value, err);
    if (ax_str_is(name, "log_verbose_level"))
        return take_verbose_level(change, value, err);
    if (ax_str_is(name, "log_format"))
        return take_format(change, value, err);
    if (ax_str_is(name, "log_file"))
        return take_file(value, err);
    return ax_fail(err, AX_E_INVALID,
                   "unknown log setting '%.*s'; there are log_file, log_info, log_warning, "
                   "log_error, log_verbose_level and log_format",
                   AX_STR_ARG(ax_str_cut(name, AX_SETTINGS_SHOWN_BYTES_MAX)));
}

static void put_settings(struct ax_buf *out)
{
    unsigned on = ax_log_levels();
    (void)ax_buf_append_str(out, AX_STR("{\"log_file\":\"\""));
    for (size_t i = 0; i < AX_COUNT(levels); i++) {
        ax_json_put_key(out, levels[i].name);
        ax_json_put_bool(out, on >> levels[i].level & 1u);
    }
    ax_json_put_key(out, "log_verbose_level");
    ax_json_put_u64(out, on >> AX_LOG_DEBUG & 1u);
    ax_json_put_key(out, "log_format");
    ax_json_put_str(out, ax_str_from(format_words[atomic_load(&format_word)]));
    (void)ax_buf_append_char(out, '}');
}

void ax_log_settings(struct ax_call *call)
{
    assert(call);
    put_settings(ax_server_thread_answer_begin(call->thread));
    ax_server_thread_answer(call->thread, call->request, 200);
}

static void log_apply(const struct log_change *change, const struct ax_server_config *config)
{
    ax_log_change_levels(change->set, change->clear);
    if (change->format_word < 0)
        return;
    enum ax_log_format format = change->format_word == FORMAT_LOGFMT ? AX_LOG_LOGFMT
                                : change->format_word == FORMAT_JSON
                                    ? AX_LOG_JSON
                                    : (enum ax_log_format)config->log_format;
    atomic_store(&format_word, change->format_word);
    ax_log_set_format(format);
}

void ax_log_settings_change(struct ax_call *call)
{
    assert(call);
    struct ax_err err = AX_ERR_INIT;
    const struct ax_server_config *config = ax_server_config(call->thread->server);
    struct log_change change = {
        .start_levels = ax_log_levels_from((enum ax_log_level)config->log_level),
        .format_word = -1,
    };
    if (ax_settings_read(call->request, log_take, &change, &err)) {
        ax_settings_answer_error(call, &err);
        return;
    }
    log_apply(&change, config);
    struct ax_buf *out = ax_server_thread_answer_begin(call->thread);
    put_settings(out);
    ax_log(AX_LOG_WARN, "log settings changed", AX_LOG_STR("settings", ax_buf_str(out)));
    ax_server_thread_answer(call->thread, call->request, 200);
}
