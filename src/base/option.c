/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: tables of fields, and the four sources that fill them.
 *
 * Whatever the source, a value arrives as text and goes through option_assign, the one place that
 * parses and checks. Errors begin with what the user wrote (--batch-rows-max,
 * AUSPEX_BATCH_ROWS_MAX, or FILE:LINE:COLUMN), then say what was found and what is allowed.
 */
#include "base/option.h"

#include "base/alloc.h"
#include "base/yaml.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 64
#define OPTIONS_MAX    256 /* in all groups of one program */
#define GROUPS_MAX     16
#define FILE_TEXT_MAX  ((size_t)16 << 20) /* arena of a configuration file */
#define HELP_COLUMN    30
#define QUOTED_MAX     60

#define QUOTED(text) (int)AX_MIN((text).len, (size_t)QUOTED_MAX), (text).ptr

/* One option of one group, found. */
struct option_at {
    const struct ax_option *option; /* NULL: none */
    char *config;
    size_t index; /* over all groups */
};

static struct option_at option_find(const struct ax_option_group *groups, struct ax_str name)
{
    size_t index = 0;
    for (; groups->options; groups++)
        for (const struct ax_option *option = groups->options; option->name; option++, index++)
            if (ax_str_is(name, option->name))
                return (struct option_at){ option, groups->config, index };
    return (struct option_at){ 0 };
}

/* A name once, and few enough of them for the bits of struct flag_walk. */
static void options_check(const struct ax_option_group *groups)
{
    size_t count = 0;
    for (const struct ax_option_group *group = groups; group->options; group++)
        for (const struct ax_option *option = group->options; option->name; option++, count++) {
            assert(strlen(option->name) < NAME_MAX_BYTES && option->description);
            assert(option_find(groups, ax_str_from(option->name)).option == option);
        }
    assert(count <= OPTIONS_MAX);
}

/* The nearest known name with '_' as the user may have meant, or NULL. */
static const char *option_nearest(const struct ax_option_group *groups, struct ax_str name)
{
    struct ax_str names[OPTIONS_MAX];
    size_t count = 0;
    for (; groups->options; groups++)
        for (const struct ax_option *option = groups->options; option->name; option++)
            if (count < OPTIONS_MAX)
                names[count++] = ax_str_from(option->name);
    long nearest = ax_str_nearest(name, names, count);
    return nearest < 0 ? NULL : names[nearest].ptr;
}

/* ---- values ---- */

/* "12" or "12" and a unit's letters. */
static bool split_number(struct ax_str text, int64_t *ret_number, struct ax_str *ret_suffix)
{
    size_t digits = text.len && text.ptr[0] == '-';
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    *ret_suffix = (struct ax_str){ text.ptr + digits, text.len - digits };
    return ax_str_to_i64((struct ax_str){ text.ptr, digits }, ret_number);
}

static int64_t size_factor(struct ax_str suffix)
{
    static const struct {
        const char *name;
        unsigned bits;
    } suffixes[] = { { "", 0 }, { "k", 10 }, { "m", 20 }, { "g", 30 } };
    for (size_t i = 0; i < AX_COUNT(suffixes); i++)
        if (ax_str_equals_nocase(suffix, ax_str_from(suffixes[i].name)))
            return INT64_C(1) << suffixes[i].bits;
    return 0;
}

static int64_t time_factor(struct ax_str suffix)
{
    static const struct {
        const char *name;
        int64_t ns;
    } suffixes[] = {
        { "ns", 1 },
        { "us", 1000 },
        { "ms", 1000000 },
        { "s", 1000000000 },
        { "m", INT64_C(60) * 1000000000 },
        { "h", INT64_C(3600) * 1000000000 },
    };
    for (size_t i = 0; i < AX_COUNT(suffixes); i++)
        if (ax_str_is(suffix, suffixes[i].name))
            return suffixes[i].ns;
    return 0;
}

static bool option_is_bytes(const struct ax_option *option)
{
    return option->type == AX_OPTION_SIZE && option->unit && strcmp(option->unit, "bytes") == 0;
}

/* What a bare number counts: bytes or rows as they are, times in nanoseconds. */
static int64_t option_factor(const struct ax_option *option)
{
    if (option->type != AX_OPTION_TIME)
        return 1;
    int64_t factor = time_factor(ax_str_from(option->unit));
    assert(factor);
    return factor;
}

static enum ax_code fail_number(const struct ax_option *option, const char *label,
                                struct ax_str text, struct ax_err *err)
{
    const char *hint = "";
    if (option_is_bytes(option))
        hint = ", or with k, m or g";
    else if (option->type == AX_OPTION_TIME)
        hint = ", or with ns, us, ms, s, m or h";
    return ax_fail(err, AX_E_INVALID, "%s: '%.*s' is not a number from %lld to %lld%s%s%s", label,
                   QUOTED(text), (long long)option->min, (long long)option->max,
                   option->unit ? " " : "", option->unit ? option->unit : "", hint);
}

static enum ax_code parse_number(const struct ax_option *option, const char *label,
                                 struct ax_str text, int64_t *ret_number, struct ax_err *err)
{
    int64_t number;
    struct ax_str suffix;
    if (!split_number(text, &number, &suffix))
        return fail_number(option, label, text, err);
    int64_t unit = option_factor(option);
    int64_t factor = unit;
    if (suffix.len && option->type == AX_OPTION_TIME)
        factor = time_factor(suffix);
    else if (suffix.len)
        factor = option_is_bytes(option) ? size_factor(suffix) : 0;
    int64_t lowest, highest;
    bool too_large = AX_MUL_OVERFLOWS(option->min, unit, &lowest) ||
                     AX_MUL_OVERFLOWS(option->max, unit, &highest);
    assert(!too_large && lowest >= 0);
    if (!factor || AX_MUL_OVERFLOWS(number, factor, &number) || number < lowest || number > highest)
        return fail_number(option, label, text, err);
    *ret_number = number;
    return AX_OK;
}

static enum ax_code parse_choice(const struct ax_option *option, const char *label,
                                 struct ax_str text, int *ret_index, struct ax_err *err)
{
    const char *at = option->unit;
    for (int index = 0;; index++) {
        size_t len = strcspn(at, "|");
        if (ax_str_equals(text, (struct ax_str){ at, len })) {
            *ret_index = index;
            return AX_OK;
        }
        if (!at[len])
            break;
        at += len + 1;
    }
    return ax_fail(err, AX_E_INVALID, "%s: '%.*s' is not one of %s", label, QUOTED(text),
                   option->unit);
}

static enum ax_code parse_bool(const char *label, struct ax_str text, bool *ret, struct ax_err *err)
{
    bool is_true = ax_str_is(text, "true");
    if (!is_true && !ax_str_is(text, "false"))
        return ax_fail(err, AX_E_INVALID, "%s: '%.*s' is neither true nor false", label,
                       QUOTED(text));
    *ret = is_true;
    return AX_OK;
}

void ax_option_list_done(struct ax_option_list *list)
{
    assert(list);
    for (size_t i = 0; i < list->count; i++)
        free(list->texts[i]);
    free(list->texts);
    *list = (struct ax_option_list){ 0 };
}

void ax_option_list_add(struct ax_option_list *list, struct ax_str text)
{
    assert(list);
    list->texts = ax_xrealloc(list->texts, list->count + 1, sizeof(list->texts[0]));
    list->texts[list->count++] = ax_xmemdup0(text.ptr, text.len);
}

static void list_add_divided(struct ax_option_list *list, struct ax_str text)
{
    size_t start = 0;
    for (size_t i = 0; i <= text.len && text.len; i++) {
        if (i < text.len && text.ptr[i] != ',')
            continue;
        ax_option_list_add(list, (struct ax_str){ text.ptr + start, i - start });
        start = i + 1;
    }
}

static enum ax_code check_text(const char *label, struct ax_str text, struct ax_err *err)
{
    if (text.len && memchr(text.ptr, '\0', text.len))
        return ax_fail(err, AX_E_INVALID, "%s: a text may not hold a NUL", label);
    if (!ax_str_is_utf8(text))
        return ax_fail(err, AX_E_INVALID, "%s: the text is not UTF-8", label);
    return AX_OK;
}

/* Parse, check and store. `label` is how the user named it. A list takes divided items. */
static enum ax_code option_assign(struct option_at at, const char *label, struct ax_str text,
                                  struct ax_err *err)
{
    void *field = at.config + at.option->offset;
    int64_t number = 0;
    switch (at.option->type) {
    case AX_OPTION_BOOL:
        return parse_bool(label, text, field, err);
    case AX_OPTION_SIZE:
        if (!parse_number(at.option, label, text, &number, err))
            *(size_t *)field = (size_t)number;
        return err->code;
    case AX_OPTION_TIME:
        if (!parse_number(at.option, label, text, &number, err))
            *(uint64_t *)field = (uint64_t)number;
        return err->code;
    case AX_OPTION_TEXT:
        if (check_text(label, text, err))
            return err->code;
        free(*(char **)field);
        *(char **)field = ax_xmemdup0(text.ptr, text.len);
        return AX_OK;
    case AX_OPTION_LIST:
        if (check_text(label, text, err))
            return err->code;
        ax_option_list_done(field);
        list_add_divided(field, text);
        return AX_OK;
    case AX_OPTION_CHOICE:
        return parse_choice(at.option, label, text, field, err);
    }
    assert(!"an option's type");
    return AX_E_INTERNAL;
}

/* ---- defaults, release, one by name ---- */

void ax_option_defaults(const struct ax_option_group *groups)
{
    assert(groups);
    options_check(groups);
    for (; groups->options; groups++)
        for (const struct ax_option *option = groups->options; option->name; option++) {
            struct ax_err err = AX_ERR_INIT;
            if (!option->default_text)
                continue;
            struct option_at at = { option, groups->config, 0 };
            (void)option_assign(at, option->name, ax_str_from(option->default_text), &err);
            assert(!err.code);
        }
}

void ax_option_done(const struct ax_option_group *groups)
{
    assert(groups);
    for (; groups->options; groups++)
        for (const struct ax_option *option = groups->options; option->name; option++) {
            char *field = (char *)groups->config + option->offset;
            if (option->type == AX_OPTION_LIST) {
                ax_option_list_done((struct ax_option_list *)(void *)field);
            } else if (option->type == AX_OPTION_TEXT) {
                free(*(char **)(void *)field);
                *(char **)(void *)field = NULL;
            }
        }
}

enum ax_code ax_option_set(const struct ax_option_group *groups, struct ax_str name,
                           struct ax_str text, struct ax_err *err)
{
    assert(groups && (name.ptr || !name.len) && (text.ptr || !text.len) && err);
    struct option_at at = option_find(groups, name);
    if (at.option)
        return option_assign(at, at.option->name, text, err);
    const char *nearest = option_nearest(groups, name);
    if (nearest)
        return ax_fail(err, AX_E_NOT_FOUND, "no option '%.*s'; did you mean '%s'?", QUOTED(name),
                       nearest);
    return ax_fail(err, AX_E_NOT_FOUND, "no option '%.*s'", QUOTED(name));
}

/* ---- the file ---- */

static enum ax_code yaml_assign_list(struct option_at at, const struct ax_yaml *node,
                                     const char *name, struct ax_err *err)
{
    struct ax_option_list list = { 0 };
    for (const struct ax_yaml *item = node->first; item && !err->code; item = item->next) {
        struct ax_str text;
        if (!ax_yaml_str(item, name, &text, err))
            ax_option_list_add(&list, text);
    }
    struct ax_option_list *field = (struct ax_option_list *)(void *)(at.config + at.option->offset);
    if (!err->code) {
        ax_option_list_done(field);
        *field = list;
    } else {
        ax_option_list_done(&list);
    }
    return err->code;
}

static enum ax_code yaml_assign(struct option_at at, const struct ax_yaml *node, const char *name,
                                struct ax_err *err)
{
    if (at.option->type == AX_OPTION_LIST && node->kind == AX_YAML_LIST)
        return yaml_assign_list(at, node, name, err);
    struct ax_str text;
    if (ax_yaml_str(node, name, &text, err))
        return err->code;
    bool is_text = at.option->type == AX_OPTION_TEXT || at.option->type == AX_OPTION_LIST;
    if (node->quoted && !is_text && at.option->type != AX_OPTION_CHOICE)
        return ax_yaml_fail(node, name, err, "%s: write '%.*s' without quotes", at.option->name,
                            QUOTED(text));
    char label[512];
    (void)snprintf(label, sizeof(label), "%.400s:%u:%u: %s", name, node->line, node->column,
                   at.option->name);
    return option_assign(at, label, text, err);
}

enum ax_code ax_option_yaml(const struct ax_option_group *groups, const struct ax_yaml *map,
                            const char *name, struct ax_err *err)
{
    assert(groups && map && name && err);
    if (map->kind != AX_YAML_MAP)
        return ax_yaml_fail(map, name, err, "the file must be a mapping of options");
    for (const struct ax_yaml *child = map->first; child; child = child->next) {
        struct option_at at = option_find(groups, child->key);
        if (at.option) {
            if (yaml_assign(at, child, name, err))
                return err->code;
            continue;
        }
        const char *nearest = option_nearest(groups, child->key);
        if (nearest)
            return ax_yaml_fail_key(child, name, err, "no option '%.*s'; did you mean '%s'?",
                                    QUOTED(child->key), nearest);
        return ax_yaml_fail_key(child, name, err, "no option '%.*s'", QUOTED(child->key));
    }
    return AX_OK;
}

/* ---- the environment ---- */

static void environment_name(const char *name, char ret_name[NAME_MAX_BYTES + 8])
{
    int len = snprintf(ret_name, NAME_MAX_BYTES + 8, "AUSPEX_%s", name);
    for (int i = 7; i < len; i++)
        if (ret_name[i] >= 'a' && ret_name[i] <= 'z')
            ret_name[i] = (char)(ret_name[i] - ('a' - 'A'));
}

enum ax_code ax_option_environment(const struct ax_option_group *groups, struct ax_err *err)
{
    assert(groups && err);
    for (; groups->options; groups++)
        for (const struct ax_option *option = groups->options; option->name; option++) {
            char name[NAME_MAX_BYTES + 8];
            environment_name(option->name, name);
            const char *text = getenv(name);
            struct option_at at = { option, groups->config, 0 };
            if (text && option_assign(at, name, ax_str_from(text), err))
                return err->code;
        }
    return AX_OK;
}

/* ---- flags ---- */

static struct ax_str flag_name(const char *name, char ret_name[NAME_MAX_BYTES + 2])
{
    int len = snprintf(ret_name, NAME_MAX_BYTES + 2, "--%s", name);
    for (int i = 2; i < len; i++)
        if (ret_name[i] == '_')
            ret_name[i] = '-';
    return (struct ax_str){ ret_name, (size_t)len };
}

/* The option whose flag is `flag` ("--a-b"). */
static struct option_at flag_find(const struct ax_option_group *groups, struct ax_str flag)
{
    size_t index = 0;
    for (; groups->options; groups++)
        for (const struct ax_option *option = groups->options; option->name; option++, index++) {
            char name[NAME_MAX_BYTES + 2];
            if (ax_str_equals(flag, flag_name(option->name, name)))
                return (struct option_at){ option, groups->config, index };
        }
    return (struct option_at){ 0 };
}

static enum ax_code flag_unknown(const struct ax_option_group *groups, struct ax_str flag,
                                 struct ax_err *err)
{
    char name[NAME_MAX_BYTES] = "";
    size_t len = AX_MIN(flag.len > 2 ? flag.len - 2 : 0, sizeof(name));
    for (size_t i = 0; i < len; i++)
        name[i] = (char)(flag.ptr[i + 2] == '-' ? '_' : flag.ptr[i + 2]);
    const char *nearest = option_nearest(groups, (struct ax_str){ name, len });
    if (!nearest)
        return ax_fail(err, AX_E_NOT_FOUND, "no option '%.*s'; --help lists them", QUOTED(flag));
    char near[NAME_MAX_BYTES + 2];
    (void)flag_name(nearest, near);
    return ax_fail(err, AX_E_NOT_FOUND, "no option '%.*s'; did you mean '%s'?", QUOTED(flag), near);
}

struct flag_walk {
    const struct ax_option_group *groups;
    int argc;
    char **argv;
    int at;                          /* next of argv */
    uint64_t seen[OPTIONS_MAX / 64]; /* lists that a flag has begun anew */
};

static enum ax_code flag_assign(struct flag_walk *walk, struct option_at at, struct ax_str flag,
                                struct ax_str text, struct ax_err *err)
{
    char label[NAME_MAX_BYTES + 2];
    (void)snprintf(label, sizeof(label), "%.*s", AX_STR_ARG(flag));
    if (at.option->type != AX_OPTION_LIST)
        return option_assign(at, label, text, err);
    if (check_text(label, text, err))
        return err->code;
    struct ax_option_list *list = (struct ax_option_list *)(void *)(at.config + at.option->offset);
    uint64_t bit = UINT64_C(1) << (at.index % 64);
    if (!(walk->seen[at.index / 64] & bit))
        ax_option_list_done(list);
    walk->seen[at.index / 64] |= bit;
    ax_option_list_add(list, text);
    return AX_OK;
}

/* One flag, with its value when that is the next argument. */
static enum ax_code flag_take(struct flag_walk *walk, const char *arg, struct ax_err *err)
{
    const char *equals = strchr(arg, '=');
    struct ax_str flag = { arg, equals ? (size_t)(equals - arg) : strlen(arg) };
    struct option_at at = flag_find(walk->groups, flag);
    if (!at.option)
        return flag_unknown(walk->groups, flag, err);
    struct ax_str text;
    if (equals)
        text = ax_str_from(equals + 1);
    else if (at.option->type == AX_OPTION_BOOL)
        text = AX_STR("true");
    else if (walk->at < walk->argc)
        text = ax_str_from(walk->argv[walk->at++]);
    else
        return ax_fail(err, AX_E_INVALID, "%.*s needs a value", QUOTED(flag));
    return flag_assign(walk, at, flag, text, err);
}

/* "-" is no flag, and neither is what no flag looks like: a number below 0, or "-(1 + 2)". */
static bool is_flag(const char *arg)
{
    return arg[0] == '-' && arg[1] && !strchr("0123456789.(", arg[1]);
}

enum ax_code ax_option_flags(const struct ax_option_group *groups, int argc, char **argv,
                             struct ax_option_args *args, struct ax_err *err)
{
    assert(groups && argv && args && (args->texts || argc <= 1) && err);
    options_check(groups);
    struct flag_walk walk = { .groups = groups, .argc = argc, .argv = argv, .at = 1 };
    args->count = 0;
    args->help = false;
    bool flags_over = false;
    while (walk.at < argc) {
        const char *arg = argv[walk.at++];
        if (flags_over || !is_flag(arg)) {
            args->texts[args->count++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            flags_over = true;
        } else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            args->help = true;
            return AX_OK;
        } else if (flag_take(&walk, arg, err)) {
            return err->code;
        }
    }
    return AX_OK;
}

/* `--name=` and the text, or the number with its unit. */
static void list_flag(struct ax_option_list *list, const char *name, struct ax_str text)
{
    char flag[NAME_MAX_BYTES + 2];
    struct ax_str prefix = flag_name(name, flag);
    size_t size = prefix.len + 1 + text.len;
    char *whole = ax_xalloc(size);
    memcpy(whole, prefix.ptr, prefix.len);
    whole[prefix.len] = '=';
    memcpy(whole + prefix.len + 1, text.ptr, text.len);
    ax_option_list_add(list, (struct ax_str){ whole, size });
    free(whole);
}

static void list_number(struct ax_option_list *list, const char *name, uint64_t number,
                        const char *suffix)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%llu%s", (unsigned long long)number, suffix);
    list_flag(list, name, (struct ax_str){ text, (size_t)len });
}

static void list_choice(struct ax_option_list *list, const struct ax_option *option, int index)
{
    const char *word = option->unit;
    for (; index > 0; index--)
        word = strchr(word, '|') + 1;
    list_flag(list, option->name, (struct ax_str){ word, strcspn(word, "|") });
}

static void list_option(struct ax_option_list *list, const struct ax_option *option,
                        const void *field)
{
    const struct ax_option_list *items = field;
    const char *text = option->type == AX_OPTION_TEXT ? *(char *const *)field : NULL;
    switch (option->type) {
    case AX_OPTION_BOOL:
        text = *(const bool *)field ? "true" : "false";
        break;
    case AX_OPTION_SIZE:
        list_number(list, option->name, *(const size_t *)field, "");
        break;
    case AX_OPTION_TIME:
        list_number(list, option->name, *(const uint64_t *)field, "ns");
        break;
    case AX_OPTION_TEXT:
        break;
    case AX_OPTION_LIST:
        for (size_t i = 0; i < items->count; i++)
            list_flag(list, option->name, ax_str_from(items->texts[i]));
        break;
    case AX_OPTION_CHOICE:
        list_choice(list, option, *(const int *)field);
        break;
    }
    if (text)
        list_flag(list, option->name, ax_str_from(text));
}

void ax_option_list_flags(const struct ax_option_group *groups, struct ax_option_list *list)
{
    assert(groups && list);
    for (; groups->options; groups++)
        for (const struct ax_option *option = groups->options; option->name; option++)
            list_option(list, option, (const char *)groups->config + option->offset);
}

/* ---- all of it ---- */

struct file_config {
    char *config;
};

const struct ax_option ax_option_file_options[] = {
    { AX_OPTION_TEXT, "config", NULL, offsetof(struct file_config, config), 0, 0, NULL,
      "The configuration file (YAML) that holds the options below." },
    { 0 },
};

static enum ax_code load_file(const struct ax_option_group *groups, const char *path,
                              struct ax_err *err)
{
    struct ax_arena arena;
    ax_arena_init(&arena, 16384, FILE_TEXT_MAX);
    struct ax_yaml *root;
    enum ax_code code = ax_yaml_read(path, &arena, &root, err);
    if (!code)
        code = ax_option_yaml(groups, root, path, err);
    ax_arena_done(&arena);
    return code;
}

/* The flags are read twice: to know the file, and again above what the file says. */
static enum ax_code load_with_file(const struct ax_option_group *groups,
                                   const struct ax_option_group *all, const char *const *path,
                                   int argc, char **argv, struct ax_option_args *args,
                                   struct ax_err *err)
{
    ax_option_defaults(all);
    if (ax_option_environment(all, err) || ax_option_flags(all, argc, argv, args, err))
        return err->code;
    if (args->help || !*path)
        return AX_OK;
    ax_option_done(groups);
    ax_option_defaults(groups);
    if (load_file(groups, *path, err) || ax_option_environment(groups, err))
        return err->code;
    return ax_option_flags(all, argc, argv, args, err);
}

enum ax_code ax_option_load(const struct ax_option_group *groups, bool with_file, int argc,
                            char **argv, struct ax_option_args *args, struct ax_err *err)
{
    assert(groups && argv && args && err);
    struct ax_option_group all[GROUPS_MAX + 2] = { { 0 } };
    struct file_config file = { 0 };
    size_t count = 0;
    if (with_file)
        all[count++] = (struct ax_option_group){ ax_option_file_options, &file };
    for (size_t i = 0; groups[i].options; i++) {
        assert(i < GROUPS_MAX);
        all[count++] = groups[i];
    }
    if (with_file) {
        (void)load_with_file(groups, all, (const char *const *)&file.config, argc, argv, args, err);
        free(file.config);
        return err->code;
    }
    ax_option_defaults(groups);
    if (ax_option_environment(groups, err))
        return err->code;
    return ax_option_flags(groups, argc, argv, args, err);
}

/* ---- printing ---- */

static const char *type_text(const struct ax_option *option)
{
    switch (option->type) {
    case AX_OPTION_BOOL:
        return "true|false";
    case AX_OPTION_SIZE:
    case AX_OPTION_TIME:
    case AX_OPTION_CHOICE:
        return option->unit ? option->unit : "number";
    case AX_OPTION_TEXT:
    case AX_OPTION_LIST:
        return option->unit ? option->unit : "text";
    }
    return "";
}

static bool option_is_number(const struct ax_option *option)
{
    return option->type == AX_OPTION_SIZE || option->type == AX_OPTION_TIME;
}

void ax_option_print_help(const struct ax_option *options, struct ax_buf *out)
{
    assert(options && out);
    for (const struct ax_option *option = options; option->name; option++) {
        char name[NAME_MAX_BYTES + 2];
        (void)flag_name(option->name, name);
        char head[2 * NAME_MAX_BYTES];
        const char *value = option->type == AX_OPTION_BOOL ? "" : type_text(option);
        int len = snprintf(head, sizeof(head), "  %s%s%s%s", name, *value ? " " : "", value,
                           option->type == AX_OPTION_LIST ? " ..." : "");
        (void)ax_buf_printf(out, len < HELP_COLUMN ? "%-*s" : "%-*s\n", HELP_COLUMN, head);
        if (len >= HELP_COLUMN)
            (void)ax_buf_printf(out, "%*s", HELP_COLUMN, "");
        (void)ax_buf_printf(out, "%s", option->description);
        if (option->default_text && *option->default_text)
            (void)ax_buf_printf(out, " [%s]", option->default_text);
        (void)ax_buf_append_char(out, '\n');
    }
}

/* '|' ends a cell of a Markdown table. */
static void put_cell(struct ax_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            (void)ax_buf_append_char(out, '\\');
        (void)ax_buf_append_char(out, *text);
    }
}

void ax_option_print_markdown(const struct ax_option *options, struct ax_buf *out)
{
    assert(options && out);
    (void)ax_buf_append_str(out, AX_STR("| option | default | allowed | what it does |\n"
                                        "| --- | --- | --- | --- |\n"));
    for (const struct ax_option *option = options; option->name; option++) {
        (void)ax_buf_printf(out, "| `%s` | ", option->name);
        if (option->default_text && *option->default_text)
            (void)ax_buf_printf(out, "`%s`", option->default_text);
        (void)ax_buf_append_str(out, AX_STR(" | "));
        if (option_is_number(option))
            (void)ax_buf_printf(out, "%lld to %lld ", (long long)option->min,
                                (long long)option->max);
        if (option->type == AX_OPTION_LIST)
            (void)ax_buf_append_str(out, AX_STR("list of "));
        put_cell(out, type_text(option));
        (void)ax_buf_append_str(out, AX_STR(" | "));
        put_cell(out, option->description);
        (void)ax_buf_append_str(out, AX_STR(" |\n"));
    }
}
