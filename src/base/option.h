/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: one table a module yields flags, YAML keys, environment variables, --help and
 * docs/configuration.md.
 *
 * A value is taken from the first of: the flag (--batch-rows-max 64, or --batch-rows-max=64), the
 * environment (AUSPEX_BATCH_ROWS_MAX), the configuration file (batch_rows_max: 64), the default.
 * Names are written with '_' in tables and files, with '-' in flags. An unknown name is an error
 * that names its place and the nearest known one.
 */
#ifndef AX_BASE_OPTION_H
#define AX_BASE_OPTION_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct ax_yaml;

enum ax_option_type {
    AX_OPTION_BOOL, /* bool; a flag alone means true; true, false */
    AX_OPTION_SIZE, /* size_t; with unit "bytes" also 64k, 64m, 1g (powers of 1024) */
    AX_OPTION_TIME, /* uint64_t, nanoseconds; written in `unit` (ns us ms s) or with a suffix: 5s */
    AX_OPTION_TEXT, /* char *, owned by the struct; NULL when the default_text is NULL */
    AX_OPTION_LIST, /* struct ax_option_list: the flag may be repeated; a YAML list */
    AX_OPTION_CHOICE, /* int, the index in `unit`, which holds the words: "logfmt|json" */
};

struct ax_option_list {
    char **texts; /* owned */
    size_t count;
};

struct ax_option {
    enum ax_option_type type;
    const char *name;
    const char *default_text; /* as a user would write it; for a list, items divided by ',' */
    size_t offset;            /* of the field in the module's struct */
    int64_t min, max;         /* of numbers, in the unit people write */
    const char *unit;
    const char *description; /* one sentence */
};
/* A table ends with an entry whose name is NULL. */

/* A table and the struct that it fills. A program's options are those of several modules: every
 * function below takes an array of groups, which ends with an entry whose table is NULL. A name
 * stands in one group only (asserted).
 *
 *     const struct ax_option_group groups[] = {
 *         { ax_http_options, &http }, { ax_log_options, &log }, { 0 },
 *     };
 */
struct ax_option_group {
    const struct ax_option *options;
    void *config;
};

/* Set every field to its default; the structs were zeroed. Asserts that defaults parse. */
void ax_option_defaults(const struct ax_option_group *groups);

/* Free texts and lists; the fields are NULL and empty afterwards. Also fine on zeroed structs. */
void ax_option_done(const struct ax_option_group *groups);

/* Set one option from text; items of a list are divided by ',' and replace what was there.
 * Expected: NOT_FOUND (unknown name), INVALID (names option, what was found, what is allowed). */
AX_MUST_USE enum ax_code ax_option_set(const struct ax_option_group *groups, struct ax_str name,
                                       struct ax_str text, struct ax_err *err);

/* Take all keys of a configuration file's mapping; `name` is the file. Expected: INVALID. */
AX_MUST_USE enum ax_code ax_option_yaml(const struct ax_option_group *groups,
                                        const struct ax_yaml *map, const char *name,
                                        struct ax_err *err);

/* Take AUSPEX_… variables of the environment; those that name no option are left alone.
 * Expected: INVALID. */
AX_MUST_USE enum ax_code ax_option_environment(const struct ax_option_group *groups,
                                               struct ax_err *err);

/* What the command line holds besides options. */
struct ax_option_args {
    const char **texts; /* given by the caller, with room for argc entries; borrowed from argv */
    size_t count;
    bool help; /* --help was there: print it and leave; nothing else was checked behind it */
};

/* Take the flags from argv (argv[0] is skipped); what is not a flag goes, in order, to `args`; so
 * do numbers below 0. "--" ends the flags. A repeated flag adds to a list and replaces anything
 * else. Expected: INVALID, NOT_FOUND. */
AX_MUST_USE enum ax_code ax_option_flags(const struct ax_option_group *groups, int argc,
                                         char **argv, struct ax_option_args *args,
                                         struct ax_err *err);

/* Add the flags by which ax_option_flags would give the fields what they hold, for another process;
 * `list` is freed by ax_option_list_done. A text that is NULL and a list that is empty have none.
 */
void ax_option_list_flags(const struct ax_option_group *groups, struct ax_option_list *list);
void ax_option_list_add(struct ax_option_list *list, struct ax_str text);
void ax_option_list_done(struct ax_option_list *list);

/* All of it in order: defaults, the file that --config or AUSPEX_CONFIG names (when `with_file`),
 * environment, flags. After a failure too the groups need ax_option_done. Expected: INVALID,
 * NOT_FOUND, DENIED, TOO_LARGE. */
AX_MUST_USE enum ax_code ax_option_load(const struct ax_option_group *groups, bool with_file,
                                        int argc, char **argv, struct ax_option_args *args,
                                        struct ax_err *err);

/* The lines of --help, and the rows of a Markdown table (with its head), for one table. */
void ax_option_print_help(const struct ax_option *options, struct ax_buf *out);
void ax_option_print_markdown(const struct ax_option *options, struct ax_buf *out);

/* The options that ax_option_load itself adds when `with_file`: --config. For printing. */
extern const struct ax_option ax_option_file_options[];

#endif
