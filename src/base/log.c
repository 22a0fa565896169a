/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line an event. The line is a struct ax_buf whose memory lies on the stack and is as large as
 * its maximum, so it never grows. A value is cut at VALUE_MAX bytes, and a field that still does
 * not fit is left out together with those behind it, in favour of cut=true: what is written is
 * always a whole line of its format.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <unistd.h>

#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES ((size_t)512)
#define TAIL_BYTES      16 /* for the note that fields are missing */

#define LEVELS_ALL (1u << AX_LOG_DEBUG | 1u << AX_LOG_INFO | 1u << AX_LOG_WARN | 1u << AX_LOG_ERROR)

static _Atomic unsigned log_levels = LEVELS_ALL & ~(1u << AX_LOG_DEBUG);
static _Atomic(enum ax_log_format) log_format = AX_LOG_LOGFMT;

unsigned ax_log_levels_from(enum ax_log_level level)
{
    return LEVELS_ALL & ~((1u << level) - 1);
}

void ax_log_setup(enum ax_log_level level, enum ax_log_format format)
{
    atomic_store(&log_levels, ax_log_levels_from(level));
    atomic_store(&log_format, format);
}

unsigned ax_log_levels(void)
{
    return atomic_load(&log_levels);
}

void ax_log_change_levels(unsigned set, unsigned clear)
{
    assert(!(set & clear) && !((set | clear) & ~LEVELS_ALL));
    unsigned before = atomic_load(&log_levels);
    while (!atomic_compare_exchange_weak(&log_levels, &before, (before | set) & ~clear))
        continue;
}

void ax_log_set_format(enum ax_log_format format)
{
    atomic_store(&log_format, format);
}

bool ax_log_enabled(enum ax_log_level level)
{
    return atomic_load_explicit(&log_levels, memory_order_relaxed) & 1u << level;
}

static bool is_bare(struct ax_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return text.len > 0;
}

static void put_key(struct ax_buf *line, bool json, const char *key)
{
    if (json)
        ax_json_put_key(line, key);
    else
        (void)ax_buf_printf(line, "%s%s=", line->len ? " " : "", key);
}

static void put_text(struct ax_buf *line, bool json, struct ax_str text)
{
    struct ax_str cut = ax_str_cut(text, VALUE_MAX_BYTES);
    if (!json && is_bare(cut))
        (void)ax_buf_append_str(line, cut);
    else
        ax_json_put_str(line, cut);
}

static void put_value(struct ax_buf *line, bool json, const struct ax_log_field *field)
{
    switch (field->kind) {
    case AX_LOG_KIND_STR:
        put_text(line, json, field->str);
        break;
    case AX_LOG_KIND_U64:
        ax_json_put_u64(line, field->u64);
        break;
    case AX_LOG_KIND_I64:
        ax_json_put_i64(line, field->i64);
        break;
    case AX_LOG_KIND_F64:
        if (isfinite(field->f64))
            ax_json_put_f64(line, field->f64);
        else /* no number in JSON */
            put_text(line, json, AX_STR("not finite"));
        break;
    case AX_LOG_KIND_END:
        break;
    }
}

static void put_head(struct ax_buf *line, bool json, enum ax_log_level level, const char *event)
{
    static const char *const levels[] = {
        [AX_LOG_DEBUG] = "debug",
        [AX_LOG_INFO] = "info",
        [AX_LOG_WARN] = "warn",
        [AX_LOG_ERROR] = "error",
    };
    char time[AX_CLOCK_TEXT_SIZE];
    ax_clock_text(ax_clock_wall_us(), time);
    if (json)
        (void)ax_buf_append_char(line, '{');
    put_key(line, json, "time");
    put_text(line, json, ax_str_from(time));
    put_key(line, json, "level");
    put_text(line, json, ax_str_from(levels[level]));
    put_key(line, json, "event");
    put_text(line, json, ax_str_from(event));
}

/* stderr may be a pipe that is full or gone; the log never fails its caller. */
static void line_write(const char *text, size_t len)
{
    while (len) {
        ssize_t wrote = write(STDERR_FILENO, text, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return;
        text += wrote;
        len -= (size_t)wrote;
    }
}

void ax_log_fields(enum ax_log_level level, const char *event, const struct ax_log_field *fields)
{
    assert(event && fields);
    if (!ax_log_enabled(level))
        return;
    bool json = atomic_load_explicit(&log_format, memory_order_relaxed) == AX_LOG_JSON;
    char memory[LINE_MAX_BYTES];
    size_t room = sizeof(memory) - TAIL_BYTES;
    struct ax_buf line = { .ptr = memory, .cap = room, .max = room };
    put_head(&line, json, level, event);
    size_t whole = line.len;
    for (; fields->kind != AX_LOG_KIND_END && !line.failed; fields++) {
        put_key(&line, json, fields->key);
        put_value(&line, json, fields);
        if (!line.failed)
            whole = line.len;
    }
    bool cut = line.failed != AX_OK;
    line.len = whole;
    line.max = line.cap = sizeof(memory);
    line.failed = AX_OK;
    if (cut) {
        put_key(&line, json, "cut");
        ax_json_put_bool(&line, true);
    }
    (void)ax_buf_append_str(&line, json ? AX_STR("}\n") : AX_STR("\n"));
    assert(!line.failed);
    line_write(line.ptr, line.len);
}
