/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following names through the tree that json_serialize_sql() makes of a SELECT.
 *
 * What stands in a FROM is a relation: a file, the constants of VALUES, a SELECT, a UNION, or
 * something unknown. They are made as a trace comes to them; each reference to a name of WITH makes
 * another one, so that two readings of a file are told apart. Columns that are still to be followed
 * stand in a list, which ends: there is no recursion over the text. A name that is no column of
 * what is read is another column of the same select list, as DuckDB has it; where that, or which of
 * several files is meant, depends on the columns of files, these are opened for their names.
 */
#include "pipeline/column_trace.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "pipeline/sql_tree.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX       ((size_t)1 << 20)
#define ARENA_INIT     ((size_t)16 << 10)
#define ARENA_MAX      ((size_t)64 << 20)
#define RELATIONS_MAX  2048
#define STEPS_MAX      4096
#define COLUMNS_MAX    256
#define JSON_STACK_MAX (AX_JSON_DEPTH_MAX + 1)
#define NONE           SIZE_MAX

enum relation_kind {
    RELATION_FILE,
    RELATION_CONSTANTS,
    RELATION_SELECT,
    RELATION_UNION,
    RELATION_UNKNOWN,
};

struct relation {
    enum relation_kind kind;
    struct ax_str alias;        /* in the FROM that it stands in */
    const struct ax_json *node; /* of a SELECT or UNION; of a FILE its path, or a list of paths */
    struct ax_str path;         /* of a FILE whose node is NULL */
    size_t scope;               /* the relation whose WITH is looked into next; NONE: no more */
    size_t scope_names;         /* of which only so many names are known here */
    struct ax_str reader;       /* of a FILE: the function; empty: its path alone */
    bool has_options;           /* that may change the columns' names */
    bool is_opened;             /* what it reads are relations, or its columns are known */
    size_t first, count;        /* those: of a SELECT its FROM, of a UNION its two sides */
    struct ax_str *columns;     /* of a FILE, `count` of them */
};

/* A column of a relation, by name or by position. */
struct step {
    size_t relation;
    struct ax_str name;
    size_t position; /* NONE: by name */
    bool is_plain, is_of_row;
};

struct ax_column_tracer {
    struct ax_sql *sql;
    struct ax_json_doc *doc;
    struct ax_arena arena;
    struct relation *relations; /* the first is the query; behind the last one that fits, one which
                                   nobody reads */
    size_t relation_count;
    bool is_full; /* relations are missing, of whatever trace */
    char *mixing; /* names of functions that take other rows too, each between spaces; NULL: not
                     asked for yet */
    struct step *steps; /* of the trace being made */
    size_t item;        /* of the select list that is being followed: its position */
    size_t step_count;
    struct ax_traced_column *columns;
    size_t column_count;
    bool is_whole;
};

/* ---- relations ---- */

static struct relation *add_relation(struct ax_column_tracer *t, enum relation_kind kind,
                                     struct ax_str alias)
{
    struct relation *relation = &t->relations[t->relation_count];
    if (t->relation_count == RELATIONS_MAX)
        t->is_full = true;
    else
        t->relation_count++;
    *relation = (struct relation){ .kind = kind, .alias = alias, .scope = NONE };
    return relation;
}

static void add_query(struct ax_column_tracer *t, struct ax_str alias, const struct ax_json *node,
                      size_t scope, size_t scope_names)
{
    struct ax_str type = ax_json_str(ax_json_get(node, "type"));
    bool is_union = ax_str_is(type, "SET_OPERATION_NODE") &&
                    ax_str_is(ax_json_str(ax_json_get(node, "setop_type")), "UNION");
    struct relation *relation = add_relation(t,
                                             ax_str_is(type, "SELECT_NODE") ? RELATION_SELECT
                                             : is_union                     ? RELATION_UNION
                                                                            : RELATION_UNKNOWN,
                                             alias);
    relation->node = node;
    relation->scope = scope;
    relation->scope_names = scope_names;
}

/* A name of WITH, seen from inside of `at`. */
static bool add_named(struct ax_column_tracer *t, size_t at, struct ax_str name,
                      struct ax_str alias)
{
    size_t names = SIZE_MAX;
    while (at != NONE) {
        const struct relation *relation = &t->relations[at];
        struct ax_json_iter entries =
            ax_json_iterate(ax_json_get(ax_json_get(relation->node, "cte_map"), "map"));
        const struct ax_json *entry;
        for (size_t i = 0; i < names && (entry = ax_json_next(&entries)); i++) {
            const struct ax_json *value = ax_json_get(entry, "value");
            if (!ax_str_equals_nocase(ax_json_str(ax_json_get(entry, "key")), name))
                continue;
            if (ax_json_count(ax_json_get(value, "aliases")))
                (void)add_relation(t, RELATION_UNKNOWN, alias);
            else
                add_query(t, alias, ax_json_get(ax_json_get(value, "query"), "node"), at, i);
            return true;
        }
        names = relation->scope_names;
        at = relation->scope;
    }
    return false;
}

/* "flights" of "data/flights.csv", as DuckDB calls it. */
static struct ax_str stem(struct ax_str path)
{
    size_t begin = path.len;
    while (begin && path.ptr[begin - 1] != '/')
        begin--;
    struct ax_str name = { path.ptr + begin, path.len - begin };
    const char *dot = memchr(name.ptr, '.', name.len);
    return dot ? (struct ax_str){ name.ptr, (size_t)(dot - name.ptr) } : name;
}

static void add_table(struct ax_column_tracer *t, size_t at, const struct ax_json *table)
{
    struct ax_str name = ax_json_str(ax_json_get(table, "table_name"));
    struct ax_str alias = ax_json_str(ax_json_get(table, "alias"));
    bool is_qualified = ax_json_str(ax_json_get(table, "schema_name")).len ||
                        ax_json_str(ax_json_get(table, "catalog_name")).len;
    if (!is_qualified && add_named(t, at, name, alias.len ? alias : name))
        return;
    bool is_file = !is_qualified && memchr(name.ptr, '.', name.len);
    struct relation *relation =
        add_relation(t, is_file ? RELATION_FILE : RELATION_UNKNOWN, alias.len ? alias : stem(name));
    relation->path = name;
}

/* Whether a function reads files as they are, and their names of columns too. */
static bool is_reader(const struct ax_json *function)
{
    static const char *const readers[] = { "read_csv",     "read_csv_auto",    "read_parquet",
                                           "parquet_scan", "read_json",        "read_json_auto",
                                           "read_ndjson",  "read_ndjson_auto", "read_json_lines" };
    static const char *const renaming[] = { "columns", "names", "column_names", "header",
                                            "schema" };
    struct ax_str name = ax_json_str(ax_json_get(function, "function_name"));
    struct ax_json_iter children = ax_json_iterate(ax_json_get(function, "children"));
    const struct ax_json *child;
    bool found = false;
    for (size_t i = 0; i < AX_COUNT(readers); i++)
        found = found || ax_str_equals_nocase(name, ax_str_from(readers[i]));
    while (found && (child = ax_json_next(&children))) {
        struct ax_json_iter names =
            ax_json_iterate(ax_json_get(ax_json_get(child, "left"), "column_names"));
        struct ax_str option = ax_json_str(ax_json_next(&names));
        for (size_t i = 0; i < AX_COUNT(renaming); i++)
            found = found && !ax_str_equals_nocase(option, ax_str_from(renaming[i]));
    }
    return found;
}

/* Whether there are others than those that only say how values are read. */
static bool has_options(const struct ax_json *function)
{
    static const char *const harmless[] = { "all_varchar",    "sample_size", "types",
                                            "dtypes",         "nullstr",     "dateformat",
                                            "timestampformat" };
    struct ax_json_iter children = ax_json_iterate(ax_json_get(function, "children"));
    const struct ax_json *child;
    (void)ax_json_next(&children); /* the path */
    while ((child = ax_json_next(&children))) {
        struct ax_json_iter names =
            ax_json_iterate(ax_json_get(ax_json_get(child, "left"), "column_names"));
        struct ax_str option = ax_json_str(ax_json_next(&names));
        bool found = false;
        for (size_t i = 0; i < AX_COUNT(harmless); i++)
            found = found || ax_str_equals_nocase(option, ax_str_from(harmless[i]));
        if (!found)
            return true;
    }
    return false;
}

/* read_csv('a.csv', …) or read_csv(['a.csv', 'b.csv'], …). */
static void add_function(struct ax_column_tracer *t, const struct ax_json *table)
{
    const struct ax_json *function = ax_json_get(table, "function");
    struct ax_str alias = ax_json_str(ax_json_get(table, "alias"));
    struct ax_json_iter children = ax_json_iterate(ax_json_get(function, "children"));
    const struct ax_json *first = ax_json_next(&children);
    bool is_list = ax_str_is(ax_json_str(ax_json_get(first, "function_name")), "list_value");
    bool is_text = ax_json_str(ax_json_get(ax_json_get(first, "value"), "value")).len > 0;
    bool is_file = is_reader(function) && (is_list || is_text);
    struct relation *relation =
        add_relation(t, is_file ? RELATION_FILE : RELATION_UNKNOWN,
                     alias.len ? alias : ax_json_str(ax_json_get(function, "function_name")));
    relation->node = is_list ? ax_json_get(first, "children") : first;
    relation->reader = ax_json_str(ax_json_get(function, "function_name"));
    relation->has_options = has_options(function);
}

/* Whatever stands in a FROM, but for joins. */
static void add_from(struct ax_column_tracer *t, size_t at, const struct ax_json *table)
{
    struct ax_str type = ax_json_str(ax_json_get(table, "type"));
    struct ax_str alias = ax_json_str(ax_json_get(table, "alias"));
    if (ax_str_is(type, "EMPTY"))
        return;
    if (ax_json_count(ax_json_get(table, "column_name_alias")))
        (void)add_relation(t, RELATION_UNKNOWN, alias);
    else if (ax_str_is(type, "BASE_TABLE"))
        add_table(t, at, table);
    else if (ax_str_is(type, "TABLE_FUNCTION"))
        add_function(t, table);
    else if (ax_str_is(type, "SUBQUERY"))
        add_query(t, alias, ax_json_get(ax_json_get(table, "subquery"), "node"), at, SIZE_MAX);
    else
        (void)add_relation(
            t, ax_str_is(type, "EXPRESSION_LIST") ? RELATION_CONSTANTS : RELATION_UNKNOWN, alias);
}

/* What stands in a FROM: joins, each before its sides, which come in their order. */
struct tables {
    const struct ax_json *stack[JSON_STACK_MAX];
    size_t depth;
};

static bool is_join(const struct ax_json *table)
{
    return ax_str_is(ax_json_str(ax_json_get(table, "type")), "JOIN");
}

static void tables_init(struct tables *tables, const struct ax_json *select)
{
    tables->stack[0] = ax_json_get(select, "from_table");
    tables->depth = tables->stack[0] ? 1 : 0;
}

static const struct ax_json *next_table(struct tables *tables)
{
    if (!tables->depth)
        return NULL;
    const struct ax_json *table = tables->stack[--tables->depth];
    if (!is_join(table))
        return table;
    assert(tables->depth + 2 <= JSON_STACK_MAX); /* no JSON is nested as deeply */
    struct ax_str type = ax_json_str(ax_json_get(table, "join_type"));
    const struct ax_json *left = ax_json_get(table, "left");
    const struct ax_json *right = ax_json_get(table, "right");
    /* What only filters is not seen behind it. */
    if (right && !ax_str_is(type, "SEMI") && !ax_str_is(type, "ANTI"))
        tables->stack[tables->depth++] = right;
    if (left)
        tables->stack[tables->depth++] = left;
    return table;
}

static void open_from(struct ax_column_tracer *t, size_t at)
{
    struct tables tables;
    const struct ax_json *table;
    tables_init(&tables, t->relations[at].node);
    while ((table = next_table(&tables)))
        if (!is_join(table))
            add_from(t, at, table);
}

static void open_relation(struct ax_column_tracer *t, size_t at)
{
    if (t->relations[at].is_opened)
        return;
    const struct ax_json *node = t->relations[at].node;
    size_t first = t->relation_count;
    if (t->relations[at].kind == RELATION_SELECT) {
        open_from(t, at);
    } else {
        add_query(t, (struct ax_str){ "", 0 }, ax_json_get(node, "left"), at, SIZE_MAX);
        add_query(t, (struct ax_str){ "", 0 }, ax_json_get(node, "right"), at, SIZE_MAX);
    }
    t->relations[at].first = first;
    t->relations[at].count = t->relation_count - first;
    t->relations[at].is_opened = true;
}

/* ---- names ---- */

static bool is_star(const struct ax_json *item)
{
    return ax_str_is(ax_json_str(ax_json_get(item, "class")), "STAR");
}

static struct ax_str last_part(const struct ax_json *column)
{
    struct ax_json_iter parts = ax_json_iterate(ax_json_get(column, "column_names"));
    const struct ax_json *part;
    struct ax_str name = { "", 0 };
    while ((part = ax_json_next(&parts)))
        name = ax_json_str(part);
    return name;
}

static bool is_called(const struct ax_json *item, struct ax_str name)
{
    struct ax_str alias = ax_json_str(ax_json_get(item, "alias"));
    return !is_star(item) && ax_str_equals_nocase(alias.len ? alias : last_part(item), name);
}

/* The item of a select list that is called so, or NULL; *ret_position counts from 0. */
static const struct ax_json *find_item(const struct ax_json *select, struct ax_str name,
                                       size_t *ret_position)
{
    struct ax_json_iter items = ax_json_iterate(ax_json_get(select, "select_list"));
    const struct ax_json *item;
    bool is_behind_star = false;
    for (size_t i = 0; (item = ax_json_next(&items)); i++) {
        is_behind_star = is_behind_star || is_star(item);
        if (!is_called(item, name))
            continue;
        *ret_position = is_behind_star ? NONE : i;
        return item;
    }
    return NULL;
}

static bool has_star(const struct ax_json *select)
{
    struct ax_json_iter items = ax_json_iterate(ax_json_get(select, "select_list"));
    const struct ax_json *item;
    while ((item = ax_json_next(&items)))
        if (is_star(item))
            return true;
    return false;
}

enum has { HAS_NOT, HAS_PERHAPS, HAS };

static enum has has_column(struct ax_column_tracer *t, size_t at, struct ax_str name)
{
    size_t position;
    while (t->relations[at].kind == RELATION_UNION) { /* is called as on its left side */
        open_relation(t, at);
        if (!t->relations[at].count)
            return HAS_PERHAPS;
        at = t->relations[at].first;
    }
    const struct relation *relation = &t->relations[at];
    if (relation->kind != RELATION_SELECT)
        return HAS_PERHAPS;
    if (find_item(relation->node, name, &position))
        return HAS;
    return has_star(relation->node) ? HAS_PERHAPS : HAS_NOT;
}

/* ---- columns of files ---- */

static void put_reading(struct ax_buf *out, const struct relation *file)
{
    struct ax_json_iter list = ax_json_iterate(file->node);
    bool is_list = ax_json_kind(file->node) == AX_JSON_KIND_ARRAY;
    const char *comma = "";
    ax_buf_printf(out, "%.*s%s", AX_STR_ARG(file->reader), is_list ? "([" : file->node ? "(" : "");
    if (!file->node)
        ax_sql_put_name(out, file->path);
    for (const struct ax_json *path = is_list ? ax_json_next(&list) : file->node; path;
         path = is_list ? ax_json_next(&list) : NULL) {
        ax_buf_printf(out, "%s", comma);
        ax_sql_put_literal(out, ax_json_str(ax_json_get(ax_json_get(path, "value"), "value")));
        comma = ", ";
    }
    ax_buf_printf(out, "%s", is_list ? "])" : file->node ? ")" : "");
}

/* Open the file, and keep what its columns are called; none, when it cannot be opened. */
static void list_columns(struct ax_column_tracer *t, struct relation *file)
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_sql_stream *stream = NULL;
    struct ax_buf text;
    file->is_opened = true;
    ax_buf_init(&text, TEXT_MAX);
    ax_buf_printf(&text, "SELECT * FROM ");
    put_reading(&text, file);
    ax_buf_printf(&text, " LIMIT 0");
    if (!t->sql || ax_buf_check(&text, "the query", &ignored) ||
        ax_sql_query(t->sql, ax_buf_str(&text), &stream, &ignored))
        goto done;
    size_t count = ax_sql_stream_column_count(stream);
    file->columns = ax_arena_alloc(&t->arena, count + 1, sizeof(*file->columns));
    bool is_copied = file->columns;
    for (size_t i = 0; is_copied && i < count; i++) {
        struct ax_str name = ax_sql_stream_column_name(stream, i);
        file->columns[i] = (struct ax_str){ ax_arena_strdup(&t->arena, name), name.len };
        is_copied = file->columns[i].ptr;
    }
    file->count = is_copied ? count : 0;
done:
    ax_sql_stream_free(stream);
    ax_buf_done(&text);
}

/* What has_column cannot say: of a file, or of a SELECT that gives all of one. */
static enum has file_has_column(struct ax_column_tracer *t, size_t at, struct ax_str name)
{
    for (size_t steps = 0; t->relations[at].kind == RELATION_SELECT; steps++) {
        open_relation(t, at);
        if (t->relations[at].count != 1 || steps == RELATIONS_MAX)
            return HAS_PERHAPS;
        at = t->relations[at].first;
    }
    struct relation *file = &t->relations[at];
    if (file->kind != RELATION_FILE || file->has_options)
        return HAS_PERHAPS;
    if (!file->is_opened)
        list_columns(t, file);
    for (size_t i = 0; i < file->count; i++)
        if (ax_str_equals_nocase(file->columns[i], name))
            return HAS;
    return file->count ? HAS_NOT : HAS_PERHAPS;
}

/* ---- steps ---- */

/* Each once, however often an expression names a column. */
static void add_step(struct ax_column_tracer *t, const struct step *step)
{
    for (size_t i = 0; i < t->step_count; i++) {
        const struct step *known = &t->steps[i];
        if (known->relation == step->relation && known->position == step->position &&
            known->is_plain == step->is_plain && known->is_of_row == step->is_of_row &&
            ax_str_equals(known->name, step->name))
            return;
    }
    if (t->step_count == STEPS_MAX)
        t->is_whole = false;
    else
        t->steps[t->step_count++] = *step;
}

/* An item in front of the one that is being computed which another expression may be called by. */
static bool has_item_before(const struct ax_column_tracer *t, size_t select, struct ax_str name)
{
    struct ax_json_iter items =
        ax_json_iterate(ax_json_get(t->relations[select].node, "select_list"));
    for (size_t i = 0; i < t->item; i++) {
        const struct ax_json *item = ax_json_next(&items);
        if (is_called(item, name) && !ax_str_equals_nocase(last_part(item), name))
            return true;
    }
    return false;
}

/* What a name is of which relations are joined by, with USING or NATURAL. */
enum joined {
    JOINED_NOT,
    JOINED_FIRST, /* of the first that has it */
    JOINED_OTHER, /* RIGHT and FULL: of another one, or of two */
};

static bool is_in(const struct ax_json *names, struct ax_str name)
{
    struct ax_json_iter list = ax_json_iterate(names);
    const struct ax_json *one;
    while ((one = ax_json_next(&list)))
        if (ax_str_equals_nocase(ax_json_str(one), name))
            return true;
    return false;
}

static enum joined how_joined(const struct ax_json *select, struct ax_str name)
{
    struct tables tables;
    const struct ax_json *table;
    enum joined how = JOINED_NOT;
    tables_init(&tables, select);
    while ((table = next_table(&tables))) {
        struct ax_str type = ax_json_str(ax_json_get(table, "join_type"));
        bool is_natural = ax_str_is(ax_json_str(ax_json_get(table, "ref_type")), "NATURAL");
        if (!is_natural && !is_in(ax_json_get(table, "using_columns"), name))
            continue;
        if (ax_str_is(type, "RIGHT") || ax_str_is(type, "FULL"))
            return JOINED_OTHER;
        how = JOINED_FIRST;
    }
    return how;
}

/* The one relation that has the column, or NONE. Files are opened when it depends on them. */
static size_t find_relation(struct ax_column_tracer *t, size_t select, struct ax_str name,
                            bool has_item, size_t *ret_perhaps)
{
    const struct relation *relation = &t->relations[select];
    enum joined joined = how_joined(relation->node, name);
    size_t found = NONE, perhaps = 0;
    for (int pass = 0; pass < 2; pass++) {
        found = NONE;
        perhaps = 0;
        for (size_t i = relation->first; i < relation->first + relation->count; i++) {
            enum has has = has_column(t, i, name);
            if (has == HAS_PERHAPS && pass)
                has = file_has_column(t, i, name);
            if (has == HAS && (joined == JOINED_NOT || (joined == JOINED_FIRST && !perhaps)))
                return i;
            if (has != HAS_NOT) {
                found = i;
                perhaps++;
            }
        }
        if (!perhaps || (perhaps == 1 && !has_item))
            break;
    }
    *ret_perhaps = perhaps;
    return perhaps == 1 && !has_item ? found : NONE;
}

/* A bare name inside of SELECT `from->relation`. */
static void follow_name(struct ax_column_tracer *t, const struct step *from, struct ax_str name)
{
    bool has_item = has_item_before(t, from->relation, name);
    size_t perhaps = 0;
    size_t found = find_relation(t, from->relation, name, has_item, &perhaps);
    struct step step = { found == NONE ? from->relation : found, name, NONE, from->is_plain,
                         from->is_of_row };
    if (found != NONE || (!perhaps && has_item))
        add_step(t, &step);
    else
        t->is_whole = false;
}

static size_t find_alias(const struct ax_column_tracer *t, size_t select, struct ax_str alias)
{
    const struct relation *relation = &t->relations[select];
    for (size_t i = relation->first; i < relation->first + relation->count; i++)
        if (ax_str_equals_nocase(t->relations[i].alias, alias))
            return i;
    return NONE;
}

static void follow_column(struct ax_column_tracer *t, const struct step *from,
                          const struct ax_json *column)
{
    const struct ax_json *parts = ax_json_get(column, "column_names");
    struct ax_json_iter iter = ax_json_iterate(parts);
    struct ax_str first = ax_json_str(ax_json_next(&iter));
    if (ax_json_count(parts) == 1) {
        follow_name(t, from, first);
        return;
    }
    struct step step = { find_alias(t, from->relation, first), last_part(column), NONE,
                         from->is_plain, from->is_of_row };
    if (ax_json_count(parts) == 2 && step.relation != NONE)
        add_step(t, &step);
    else
        t->is_whole = false;
}

/* ---- expressions ---- */

/* Whether a function takes other rows too; a macro may, for all that is known here. */
static bool is_mixing(struct ax_column_tracer *t, const struct ax_json *function)
{
    struct ax_str name = ax_json_str(ax_json_get(function, "function_name"));
    struct ax_err ignored = AX_ERR_INIT;
    char word[128];
    if (ax_json_is_true(ax_json_get(function, "is_operator")) || ax_str_is(name, "nullif"))
        return false;
    if (!t->mixing &&
        ax_sql_get_text(t->sql,
                        AX_STR("SELECT ' ' || string_agg(DISTINCT function_name, ' ') || ' ' FROM "
                               "duckdb_functions() WHERE function_type <> 'scalar'"),
                        &t->mixing, &ignored))
        t->mixing = ax_xstrdup("");
    int len = snprintf(word, sizeof(word), " %.*s ", AX_STR_ARG(name));
    return !t->mixing[0] || len >= (int)sizeof(word) || strcasestr(t->mixing, word);
}

/* What is the same column still: of another type, or with another value for what is missing. */
static const struct ax_json *strip(const struct ax_json *expression)
{
    for (;;) {
        struct ax_str class = ax_json_str(ax_json_get(expression, "class"));
        struct ax_json_iter children = ax_json_iterate(ax_json_get(expression, "children"));
        const struct ax_json *first = ax_json_next(&children);
        bool is_cleaned =
            ax_str_is(ax_json_str(ax_json_get(expression, "function_name")), "nullif") ||
            ax_str_is(ax_json_str(ax_json_get(expression, "type")), "OPERATOR_COALESCE");
        for (const struct ax_json *child; is_cleaned && (child = ax_json_next(&children));)
            is_cleaned = ax_str_is(ax_json_str(ax_json_get(child, "class")), "CONSTANT");
        if (ax_str_is(class, "CAST"))
            expression = ax_json_get(expression, "child");
        else if (is_cleaned && first)
            expression = first;
        else
            return expression;
    }
}

struct level {
    struct ax_json_iter iter;
    bool is_of_row;
};

/* Everything that is computed with, by a stack. */
static void follow_computed(struct ax_column_tracer *t, const struct step *from,
                            const struct ax_json *expression)
{
    struct level stack[JSON_STACK_MAX];
    const struct ax_json *value = expression;
    struct step step = *from;
    size_t depth = 0;
    step.is_plain = false;
    do {
        struct ax_str class = ax_json_str(ax_json_get(value, "class"));
        step.is_of_row = (depth ? stack[depth - 1].is_of_row : from->is_of_row) &&
                         !ax_str_is(class, "WINDOW") &&
                         !(ax_str_is(class, "FUNCTION") && is_mixing(t, value));
        bool is_opaque =
            ax_str_is(class, "SUBQUERY") || ax_str_is(class, "LAMBDA") || ax_str_is(class, "STAR");
        if (ax_str_is(class, "COLUMN_REF"))
            follow_column(t, &step, value);
        if (is_opaque || depth == JSON_STACK_MAX)
            t->is_whole = false;
        else
            stack[depth++] = (struct level){ ax_json_iterate(value), step.is_of_row };
        while (depth && !(value = ax_json_next(&stack[depth - 1].iter)))
            depth--;
    } while (depth);
}

static void follow_expression(struct ax_column_tracer *t, const struct step *from,
                              const struct ax_json *expression)
{
    const struct ax_json *inner = strip(expression);
    if (ax_str_is(ax_json_str(ax_json_get(inner, "class")), "COLUMN_REF"))
        follow_column(t, from, inner);
    else
        follow_computed(t, from, inner);
}

/* ---- stars ---- */

static const struct ax_json *find_replaced(const struct ax_json *star, struct ax_str name)
{
    struct ax_json_iter list = ax_json_iterate(ax_json_get(star, "replace_list"));
    const struct ax_json *entry;
    while ((entry = ax_json_next(&list)))
        if (ax_str_equals_nocase(ax_json_str(ax_json_get(entry, "key")), name))
            return ax_json_get(entry, "value");
    return NULL;
}

/* Whether `* EXCLUDE` leaves it out, or what is called so now is another one. */
static bool is_plain_star(const struct ax_json *star, struct ax_str name)
{
    return !is_in(ax_json_get(star, "exclude_list"), name) &&
           !ax_json_is_true(ax_json_get(star, "columns")) &&
           ax_json_kind(ax_json_get(star, "expr")) == AX_JSON_KIND_NULL &&
           !ax_json_count(ax_json_get(star, "rename_list")) &&
           !ax_json_count(ax_json_get(star, "qualified_exclude_list"));
}

static void follow_star(struct ax_column_tracer *t, const struct step *from,
                        const struct ax_json *star)
{
    const struct ax_json *replaced = find_replaced(star, from->name);
    struct ax_str alias = ax_json_str(ax_json_get(star, "relation_name"));
    if (replaced) {
        follow_expression(t, from, replaced);
    } else if (!is_plain_star(star, from->name)) {
        t->is_whole = false;
    } else if (!alias.len) {
        follow_name(t, from, from->name);
    } else {
        struct step step = *from;
        step.relation = find_alias(t, from->relation, alias);
        if (step.relation == NONE)
            t->is_whole = false;
        else
            add_step(t, &step);
    }
}

/* The stars that may give the name; of several nobody knows which. */
static void follow_stars(struct ax_column_tracer *t, const struct step *from)
{
    struct ax_json_iter items =
        ax_json_iterate(ax_json_get(t->relations[from->relation].node, "select_list"));
    const struct ax_json *item;
    const struct ax_json *found = NULL;
    size_t count = 0;
    while ((item = ax_json_next(&items))) {
        if (!is_star(item))
            continue;
        struct ax_str alias = ax_json_str(ax_json_get(item, "relation_name"));
        size_t relation = alias.len ? find_alias(t, from->relation, alias) : NONE;
        if (relation != NONE && has_column(t, relation, from->name) == HAS_NOT)
            continue;
        found = item;
        count++;
    }
    if (count == 1)
        follow_star(t, from, found);
    else
        t->is_whole = false;
}

/* ---- tracing ---- */

static void follow_select(struct ax_column_tracer *t, const struct step *step)
{
    const struct relation *select = &t->relations[step->relation];
    struct ax_json_iter items = ax_json_iterate(ax_json_get(select->node, "select_list"));
    size_t position = step->position;
    const struct ax_json *item = NULL;
    bool is_behind_star = false;
    if (position == NONE) {
        t->item = 0;
        while ((item = ax_json_next(&items)) && !is_called(item, step->name))
            t->item++;
        if (item)
            follow_expression(t, step, item);
        else
            follow_stars(t, step);
        return;
    }
    t->item = position;
    for (size_t i = 0; i <= position && (item = ax_json_next(&items)); i++)
        is_behind_star = is_behind_star || is_star(item);
    struct step below = *step;
    below.relation = select->first;
    if (item && !is_behind_star)
        follow_expression(t, step, item);
    else if (is_behind_star && select->count == 1 &&
             t->relations[select->first].kind == RELATION_CONSTANTS)
        add_step(t, &below);
    else
        t->is_whole = false;
}

static void follow_union(struct ax_column_tracer *t, const struct step *step)
{
    const struct relation *relation = &t->relations[step->relation];
    struct step side = *step;
    size_t left = relation->first;
    size_t count = relation->count;
    while (count == 2 && t->relations[left].kind == RELATION_UNION) {
        open_relation(t, left);
        count = t->relations[left].count;
        left = t->relations[left].first;
    }
    if (side.position == NONE && count == 2 && t->relations[left].kind == RELATION_SELECT)
        (void)find_item(t->relations[left].node, step->name, &side.position);
    if (count != 2 || side.position == NONE) {
        t->is_whole = false;
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        side.relation = t->relations[step->relation].first + i;
        add_step(t, &side);
    }
}

static void add_column(struct ax_column_tracer *t, const struct step *step, struct ax_str file)
{
    for (size_t i = 0; i < t->column_count; i++) {
        struct ax_traced_column *column = &t->columns[i];
        if (column->reading == step->relation && ax_str_equals(column->file, file) &&
            ax_str_equals_nocase(column->name, step->name)) {
            column->is_plain |= step->is_plain;
            column->is_of_row |= step->is_of_row;
            return;
        }
    }
    if (t->column_count == COLUMNS_MAX || !file.len || step->position != NONE)
        t->is_whole = false;
    else
        t->columns[t->column_count++] =
            (struct ax_traced_column){ file, step->name, step->relation, step->is_plain,
                                       step->is_of_row };
}

static void follow_file(struct ax_column_tracer *t, const struct step *step)
{
    const struct relation *file = &t->relations[step->relation];
    struct ax_json_iter list = ax_json_iterate(file->node);
    const struct ax_json *path = file->node;
    if (!file->node) {
        add_column(t, step, file->path);
        return;
    }
    if (ax_json_kind(file->node) == AX_JSON_KIND_ARRAY)
        path = ax_json_next(&list);
    for (; path; path = ax_json_kind(file->node) == AX_JSON_KIND_ARRAY ? ax_json_next(&list) : NULL)
        add_column(t, step, ax_json_str(ax_json_get(ax_json_get(path, "value"), "value")));
}

static void follow(struct ax_column_tracer *t, const struct step *step)
{
    switch (t->relations[step->relation].kind) {
    case RELATION_FILE:
        follow_file(t, step);
        return;
    case RELATION_CONSTANTS:
        return;
    case RELATION_SELECT:
        open_relation(t, step->relation);
        follow_select(t, step);
        return;
    case RELATION_UNION:
        open_relation(t, step->relation);
        follow_union(t, step);
        return;
    case RELATION_UNKNOWN:
        t->is_whole = false;
        return;
    }
}

struct ax_column_trace ax_column_tracer_find(struct ax_column_tracer *tracer, struct ax_str name)
{
    assert(tracer);
    struct ax_column_tracer *t = tracer;
    struct step first = { 0, name, NONE, true, true };
    t->step_count = t->column_count = 0;
    t->is_whole = true;
    add_step(t, &first);
    for (size_t i = 0; i < t->step_count; i++) {
        struct step step = t->steps[i];
        follow(t, &step);
    }
    size_t size = (t->column_count + 1) * sizeof(*t->columns);
    struct ax_traced_column *columns = ax_arena_alloc(&t->arena, size, 1);
    if (!columns)
        return (struct ax_column_trace){ .is_whole = false };
    if (t->column_count)
        memcpy(columns, t->columns, t->column_count * sizeof(*columns));
    return (struct ax_column_trace){ columns, t->column_count, t->is_whole && !t->is_full };
}

/* ---- life ---- */

static struct ax_column_tracer *make(struct ax_sql *sql)
{
    struct ax_column_tracer *t = ax_xalloc(sizeof(*t));
    *t = (struct ax_column_tracer){
        .sql = sql,
        .relations = ax_xalloc((RELATIONS_MAX + 1) * sizeof(*t->relations)),
        .steps = ax_xalloc(STEPS_MAX * sizeof(*t->steps)),
        .columns = ax_xalloc(COLUMNS_MAX * sizeof(*t->columns)),
    };
    ax_arena_init(&t->arena, ARENA_INIT, ARENA_MAX);
    return t;
}

enum ax_code ax_column_tracer_of_query(struct ax_sql *sql, struct ax_str query,
                                       struct ax_column_tracer **ret_tracer, struct ax_err *err)
{
    assert(sql && ret_tracer && err);
    struct ax_column_tracer *t = make(sql);
    if (ax_sql_tree_read(sql, query, &t->doc, NULL, err)) {
        ax_column_tracer_free(t);
        return err->code;
    }
    add_query(t, (struct ax_str){ "", 0 }, ax_sql_tree_node(t->doc), NONE, 0);
    *ret_tracer = t;
    return AX_OK;
}

struct ax_column_tracer *ax_column_tracer_of_file(struct ax_str path)
{
    struct ax_column_tracer *t = make(NULL);
    add_relation(t, RELATION_FILE, (struct ax_str){ "", 0 })->path = path;
    return t;
}

void ax_column_tracer_free(struct ax_column_tracer *tracer)
{
    if (!tracer)
        return;
    ax_json_free(tracer->doc);
    ax_arena_done(&tracer->arena);
    free(tracer->relations);
    free(tracer->steps);
    free(tracer->columns);
    free(tracer->mixing);
    free(tracer);
}
