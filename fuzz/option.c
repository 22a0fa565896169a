/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: option values, as text, as flags and as YAML.
 *
 * The input's lines are "name=value" for ax_option_set, then the same lines are flags, then the
 * whole is a configuration file. Whatever comes, fields stay within the limits of their table and
 * texts stay UTF-8 without NUL.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"

#include "base/arena.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 32

struct config {
    size_t rows;
    size_t bytes;
    uint64_t wait_ns;
    bool strict;
    char *text;
    struct ax_option_list list;
    int choice;
};

static const struct ax_option options[] = {
    { AX_OPTION_SIZE, "rows_max", "64", offsetof(struct config, rows), 1, 4096, "rows", "Rows." },
    { AX_OPTION_SIZE, "body_bytes_max", "1k", offsetof(struct config, bytes), 16, INT64_C(1) << 40,
      "bytes", "Bytes." },
    { AX_OPTION_TIME, "wait_ms_max", "5", offsetof(struct config, wait_ns), 1, 3600000, "ms",
      "Time." },
    { AX_OPTION_BOOL, "strict", "true", offsetof(struct config, strict), 0, 0, NULL, "Flag." },
    { AX_OPTION_TEXT, "text", NULL, offsetof(struct config, text), 0, 0, NULL, "Text." },
    { AX_OPTION_LIST, "list", "a,b", offsetof(struct config, list), 0, 0, NULL, "List." },
    { AX_OPTION_CHOICE, "choice", "one", offsetof(struct config, choice), 0, 0, "one|two|three",
      "Choice." },
    { 0 },
};

static void check(const struct config *config)
{
    assert(config->rows >= 1 && config->rows <= 4096);
    assert(config->bytes >= 16 && config->bytes <= (size_t)1 << 40);
    assert(config->wait_ns >= 1000000 && config->wait_ns <= UINT64_C(3600000000000));
    assert(config->choice >= 0 && config->choice <= 2);
    assert(!config->text || ax_str_is_utf8(ax_str_from(config->text)));
    for (size_t i = 0; i < config->list.count; i++)
        assert(ax_str_is_utf8(ax_str_from(config->list.texts[i])));
}

static void set_lines(const struct ax_option_group *groups, char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ax_str name = { lines[i], strcspn(lines[i], "=") };
        struct ax_str text = ax_str_from(lines[i] + name.len + (lines[i][name.len] == '='));
        struct ax_err err = AX_ERR_INIT;
        enum ax_code code = ax_option_set(groups, name, text, &err);
        assert(!code || code == AX_E_INVALID || code == AX_E_NOT_FOUND);
        assert(!code == !err.code);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config = { 0 };
    const struct ax_option_group groups[] = { { options, &config }, { 0 } };
    ax_option_defaults(groups);

    char *copy = malloc(size + 1);
    assert(copy);
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    char *lines[LINES_MAX + 1] = { copy };
    size_t count = 1;
    for (size_t i = 0; i < size && count < LINES_MAX; i++)
        if (copy[i] == '\n') {
            copy[i] = '\0';
            lines[count++] = copy + i + 1;
        }
    set_lines(groups, lines, count);
    check(&config);

    const char *texts[LINES_MAX];
    struct ax_option_args args = { .texts = texts };
    struct ax_err err = AX_ERR_INIT;
    (void)!ax_option_flags(groups, (int)count, lines, &args, &err);
    assert(args.count < count);
    check(&config);

    struct ax_arena arena;
    struct ax_yaml *root;
    ax_arena_init(&arena, 1024, 1 << 20);
    ax_err_clear(&err);
    if (!ax_yaml_parse((struct ax_str){ (const char *)data, size }, "x", &arena, &root, &err))
        (void)!ax_option_yaml(groups, root, "x", &err);
    check(&config);
    ax_arena_done(&arena);
    ax_option_done(groups);
    free(copy);
    return 0;
}
