/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as a tree of nodes that know their line and column, so that errors can name the place.
 *
 * A bounded subset, by libyaml's event parser: one document; mappings with scalar keys, sequences,
 * scalars; no anchors, aliases, tags or merge keys; duplicate keys refused; depth at most 32, at
 * most 100,000 nodes and 8 MiB of text. A plain scalar `on`, `off`, `yes`, `no` is refused (YAML
 * 1.1 editors turn it into a boolean), so is a NUL. Nodes live in the caller's arena; texts are
 * UTF-8.
 */
#ifndef AX_BASE_YAML_H
#define AX_BASE_YAML_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum ax_yaml_kind { AX_YAML_SCALAR, AX_YAML_LIST, AX_YAML_MAP };

struct ax_yaml {
    enum ax_yaml_kind kind;
    bool quoted;       /* a scalar that was quoted is text, whatever it looks like */
    unsigned line;     /* from 1; of the value */
    unsigned column;   /* from 1 */
    unsigned key_line; /* of the key, when it stands in a mapping */
    unsigned key_column;
    struct ax_str key;     /* when it stands in a mapping; NUL-terminated */
    struct ax_str text;    /* of a scalar; NUL-terminated */
    struct ax_yaml *first; /* of a list or mapping */
    struct ax_yaml *next;  /* sibling */
    size_t count;          /* of children */
};

/* Parse `text`; `name` is what errors call it (a file's path). An empty document is an empty
 * mapping. Expected: INVALID ("auspex.yaml:3:5: …"), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_yaml_parse(struct ax_str text, const char *name, struct ax_arena *arena,
                                       struct ax_yaml **ret_root, struct ax_err *err);

/* Read and parse a file. Expected: NOT_FOUND, DENIED, and those of ax_yaml_parse. */
AX_MUST_USE enum ax_code ax_yaml_read(const char *path, struct ax_arena *arena,
                                      struct ax_yaml **ret_root, struct ax_err *err);

/* The child of a mapping with this key, or NULL (also for a NULL or non-mapping node). */
const struct ax_yaml *ax_yaml_get(const struct ax_yaml *map, const char *key);

/* A plain empty scalar, `~` or `null`; also NULL. */
bool ax_yaml_is_null(const struct ax_yaml *node);

/* Fail with INVALID and "NAME:LINE:COLUMN: " in front of the text: the place of the value, or that
 * of its key. */
enum ax_code ax_yaml_fail(const struct ax_yaml *node, const char *name, struct ax_err *err,
                          const char *fmt, ...) AX_PRINTF(4, 5);
enum ax_code ax_yaml_fail_key(const struct ax_yaml *node, const char *name, struct ax_err *err,
                              const char *fmt, ...) AX_PRINTF(4, 5);

/* Where byte `at` of a scalar's text (at most its length: behind it) stands in `source`, the text
 * that was parsed. Characters are exact; white space is told as behind what is in front of it. */
void ax_yaml_locate(struct ax_str source, const struct ax_yaml *node, size_t at, unsigned *ret_line,
                    unsigned *ret_column);

/* The scalar as a value; INVALID with the place when it is another kind or type. Numbers as JSON
 * writes them plus .inf, -.inf, .nan; booleans are true and false. */
AX_MUST_USE enum ax_code ax_yaml_bool(const struct ax_yaml *node, const char *name, bool *ret,
                                      struct ax_err *err);
AX_MUST_USE enum ax_code ax_yaml_i64(const struct ax_yaml *node, const char *name, int64_t *ret,
                                     struct ax_err *err);
AX_MUST_USE enum ax_code ax_yaml_f64(const struct ax_yaml *node, const char *name, double *ret,
                                     struct ax_err *err);
AX_MUST_USE enum ax_code ax_yaml_str(const struct ax_yaml *node, const char *name,
                                     struct ax_str *ret, struct ax_err *err);

/* Refuse a mapping with a key that is not among `keys` (ends with NULL), naming the nearest. */
AX_MUST_USE enum ax_code ax_yaml_only(const struct ax_yaml *map, const char *name,
                                      const char *const *keys, struct ax_err *err);

#endif
