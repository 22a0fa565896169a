/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line an event on stderr, as logfmt or JSON.
 *
 * A line is made in a buffer on the stack and written with one write(2), so lines of different
 * threads never mix; it is cut at 4 KiB. Values are escaped, so user data can never begin a line of
 * its own. Library code does not log (debug level excepted): server/ and cmd/ do, at the edge. The
 * prediction path never logs.
 */
#ifndef AX_BASE_LOG_H
#define AX_BASE_LOG_H

#include "base/err.h"
#include "base/str.h"

enum ax_log_level { AX_LOG_DEBUG, AX_LOG_INFO, AX_LOG_WARN, AX_LOG_ERROR };
enum ax_log_format { AX_LOG_LOGFMT, AX_LOG_JSON };

/* Write lines from `level` on, in this format; default INFO and LOGFMT. Like all that changes what
 * is written: by any thread, at any time; each line sees one state. */
void ax_log_setup(enum ax_log_level level, enum ax_log_format format);

/* The same level by level: a bit (1u << level) for each one that is written. Those in `set` are
 * from now on, those in `clear` no more. */
unsigned ax_log_levels(void);
void ax_log_change_levels(unsigned set, unsigned clear);
void ax_log_set_format(enum ax_log_format format);

/* The levels that ax_log_setup means by `level`. */
unsigned ax_log_levels_from(enum ax_log_level level);

bool ax_log_enabled(enum ax_log_level level);

/*
 * Write "time=… level=… event=… key=value …". After `event` come pairs of a key (const char *) and
 * a value made by the macros below; at least one pair is given:
 *
 *     ax_log(AX_LOG_INFO, "model loaded", AX_LOG_STR("model", name), AX_LOG_U64("version", 3));
 */
enum ax_log_kind {
    AX_LOG_KIND_END,
    AX_LOG_KIND_STR,
    AX_LOG_KIND_U64,
    AX_LOG_KIND_I64,
    AX_LOG_KIND_F64
};
struct ax_log_field {
    enum ax_log_kind kind;
    const char *key;
    struct ax_str str;
    uint64_t u64;
    int64_t i64;
    double f64;
};
#define AX_LOG_STR(k, v)  ((struct ax_log_field){ .kind = AX_LOG_KIND_STR, .key = (k), .str = (v) })
#define AX_LOG_TEXT(k, v) AX_LOG_STR(k, ax_str_from(v))
#define AX_LOG_U64(k, v)  ((struct ax_log_field){ .kind = AX_LOG_KIND_U64, .key = (k), .u64 = (v) })
#define AX_LOG_I64(k, v)  ((struct ax_log_field){ .kind = AX_LOG_KIND_I64, .key = (k), .i64 = (v) })
#define AX_LOG_F64(k, v)  ((struct ax_log_field){ .kind = AX_LOG_KIND_F64, .key = (k), .f64 = (v) })
#define AX_LOG_ERR(e)     AX_LOG_TEXT("error", (e)->msg)

void ax_log_fields(enum ax_log_level level, const char *event, const struct ax_log_field *fields);
#define ax_log(level, event, ...) \
    ax_log_fields(level, event,   \
                  (const struct ax_log_field[]){ __VA_ARGS__, { .kind = AX_LOG_KIND_END } })

#endif
