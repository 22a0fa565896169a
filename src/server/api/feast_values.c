/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that are not there are fields that keep what is stored. Those of another name are
 * refused, since a field with a typing error would be one that keeps what is stored.
 *
 * Items are made slice by slice: what does not fit its type is found by narrowing, bytes are
 * decoded where they stand, and each part is written behind the one before it.
 */
#include "server/api/feast_values.h"

#include "base/base64.h"
#include "feature/feast_repository.h"
#include "feature/online/online_key.h"

#include <assert.h>

#define SLICE_ROWS ((size_t)512)
#define VALUE_COST ((size_t)16) /* of a value in a part, in bytes of reading */

void ax_feast_values_init(struct ax_feast_values *values, struct ax_str text,
                          struct ax_arena *arena)
{
    assert(values && arena);
    *values = (struct ax_feast_values){ 0 };
    ax_feast_body_init(&values->body, &ax_feast_write, text, arena);
}

/* ---- columns ---- */

static size_t key_count(const struct ax_feast_values *values)
{
    return values->view->entity->key_count;
}

/* The places behind keys and fields. */
static size_t time_column(const struct ax_feast_values *values)
{
    return key_count(values) + values->view->field_count;
}

static size_t created_column(const struct ax_feast_values *values)
{
    return time_column(values) + 1;
}

static void name_columns(struct ax_feast_values *values)
{
    const struct ax_view *view = values->view;
    struct ax_cells_target *column = values->columns;
    for (size_t i = 0; i < key_count(values); i++)
        *column++ = (struct ax_cells_target){ .name = view->entity->keys[i].name,
                                              .storage = view->entity->keys[i].storage,
                                              .in_seconds = true };
    for (size_t i = 0; i < view->field_count; i++)
        *column++ = (struct ax_cells_target){ .name = view->fields[i].name,
                                              .storage = view->fields[i].storage,
                                              .in_seconds = true };
    *column++ = (struct ax_cells_target){ .name = AX_STR(AX_FEAST_TIME),
                                          .storage = { .kind = AX_STORAGE_TIMESTAMP },
                                          .in_seconds = true };
    *column++ = (struct ax_cells_target){ .name = AX_STR("created"),
                                          .storage = { .kind = AX_STORAGE_TIMESTAMP },
                                          .in_seconds = true };
}

/* Times may also be called as the source calls them. */
static bool is_of_source(const struct ax_source *source, long column, struct ax_str name)
{
    return column >= 0 && ax_str_equals(source->columns[column].name, name);
}

/* SIZE_MAX: there is none. */
static size_t find_column(const struct ax_feast_values *values, struct ax_str name)
{
    const struct ax_source *source = values->view->source;
    for (size_t i = 0; i <= created_column(values); i++)
        if (ax_str_equals(values->columns[i].name, name))
            return i;
    if (is_of_source(source, source->time, name))
        return time_column(values);
    return is_of_source(source, source->created, name) ? created_column(values) : SIZE_MAX;
}

static enum ax_code fail_name(const struct ax_feast_values *values, struct ax_str name,
                              struct ax_err *err)
{
    size_t count = created_column(values) + 1;
    struct ax_str shown = ax_str_cut(name, AX_SIGNATURE_SHOWN_BYTES_MAX);
    struct ax_str *names = ax_arena_alloc(values->arena, count, sizeof(*names));
    if (!names)
        return ax_arena_fail(values->arena, "the columns", err);
    for (size_t i = 0; i < count; i++)
        names[i] = values->columns[i].name;
    long nearest = ax_str_nearest(name, names, count);
    if (nearest < 0)
        return ax_fail(err, AX_E_INVALID, "'%.*s' is no column of view '%.*s'", AX_STR_ARG(shown),
                       AX_STR_ARG(values->view->name));
    return ax_fail(err, AX_E_INVALID, "'%.*s' is no column of view '%.*s'; nearest is '%.*s'",
                   AX_STR_ARG(shown), AX_STR_ARG(values->view->name), AX_STR_ARG(names[nearest]));
}

static enum ax_code find_columns(struct ax_feast_values *values, const struct ax_cells *cells,
                                 uint32_t *places, struct ax_err *err)
{
    for (size_t i = 0; i < cells->column_count; i++) {
        struct ax_str name = cells->columns[i].name;
        size_t at = find_column(values, name);
        if (at == SIZE_MAX)
            return fail_name(values, name, err);
        if (values->is_there[at])
            return ax_fail(err, AX_E_INVALID, "'%.*s' is given twice, once by another name",
                           AX_STR_ARG(values->columns[at].name));
        values->is_there[at] = true;
        places[i] = (uint32_t)at;
    }
    return AX_OK;
}

/* Whether the columns are there that must be. */
static enum ax_code check_columns(const struct ax_feast_values *values, struct ax_err *err)
{
    size_t time = time_column(values);
    bool has_field = false;
    for (size_t i = 0; i < key_count(values); i++)
        if (!values->is_there[i])
            return ax_fail(err, AX_E_INVALID, "'df' has no '%.*s', which is a join key",
                           AX_STR_ARG(values->columns[i].name));
    for (size_t i = key_count(values); i < time; i++)
        has_field |= values->is_there[i];
    if (!has_field)
        return ax_fail(err, AX_E_INVALID, "'df' has no field of view '%.*s'",
                       AX_STR_ARG(values->view->name));
    if (!values->is_there[time] && values->view->source->time >= 0)
        return ax_fail(err, AX_E_INVALID, "'df' has no '" AX_FEAST_TIME "'");
    return AX_OK;
}

/* Bits of the fields that are there; NULL: all are. False: no memory. */
static bool find_given(const struct ax_feast_values *values, const uint64_t **ret_given)
{
    size_t count = values->view->field_count, there = 0;
    uint64_t *given = ax_arena_zalloc(values->arena, (count + 63) / 64, sizeof(*given));
    for (size_t i = 0; given && i < count; i++) {
        if (!values->is_there[key_count(values) + i])
            continue;
        given[i / 64] |= (uint64_t)1 << (i % 64);
        there++;
    }
    *ret_given = there < count ? given : NULL;
    return given != NULL;
}

static enum ax_code make_items(struct ax_feast_values *values, struct ax_err *err)
{
    const uint64_t *given;
    values->items = ax_arena_zalloc(values->arena, values->row_count, sizeof(*values->items));
    if (!values->items || !find_given(values, &given))
        return ax_arena_fail(values->arena, "the values", err);
    for (size_t i = 0; i < values->row_count; i++) {
        values->items[i].layout = values->layout;
        values->items[i].given = given;
    }
    return AX_OK;
}

enum ax_code ax_feast_values_begin(struct ax_feast_values *values, const struct ax_view *view,
                                   const struct ax_online_layout *layout, int64_t now_us,
                                   struct ax_arena *arena, struct ax_err *err)
{
    assert(values && view && layout && arena && err);
    const struct ax_cells *cells = &values->body.rows.cells[AX_ROW_SET_ROWS];
    values->view = view;
    values->layout = layout;
    values->arena = arena;
    values->now_us = now_us;
    values->row_count = cells->row_count;
    size_t count = created_column(values) + 1;
    if (cells->row_count > AX_FEAST_ROWS_MAX)
        return ax_fail(err, AX_E_TOO_LARGE, "%zu rows; at most %zu are taken at once",
                       cells->row_count, AX_FEAST_ROWS_MAX);
    values->columns = ax_arena_alloc(arena, count, sizeof(*values->columns));
    values->is_there = ax_arena_zalloc(arena, count, sizeof(*values->is_there));
    uint32_t *places = ax_arena_alloc(arena, cells->column_count, sizeof(*places));
    if (!values->columns || !values->is_there || !places)
        return ax_arena_fail(arena, "the columns", err);
    name_columns(values);
    if (find_columns(values, cells, places, err) || check_columns(values, err) ||
        make_items(values, err))
        return err->code;
    ax_cells_values_begin(&values->fill, cells, values->columns, count, places, cells->row_count,
                          arena);
    return AX_OK;
}

/* ---- a slice ---- */

/* Of columns, rows [values->at, values->at + rows). */
struct slice {
    struct ax_feast_values *values;
    size_t rows;
    struct ax_values *columns;
    const struct ax_values **fields; /* of them */
    struct ax_str *keys;
    struct ax_err *err;
};

static enum ax_code fail_row(const struct slice *slice, size_t column, size_t row, const char *why)
{
    return ax_fail(slice->err, AX_E_INVALID, "'%.*s', row %zu: %s",
                   AX_STR_ARG(slice->values->columns[column].name), slice->values->at + row, why);
}

static enum ax_code decode(const struct slice *slice, struct ax_values *texts, size_t at,
                           size_t column, size_t row)
{
    struct ax_str *text = &texts->texts[at];
    size_t len = 0;
    if (ax_values_is_null(texts, at))
        return AX_OK;
    char *bytes = ax_arena_alloc(slice->values->arena, ax_base64_bytes_max(text->len) + 1, 1);
    if (!bytes)
        return ax_arena_fail(slice->values->arena, "the values", slice->err);
    if (!ax_base64_decode(*text, /* is_last= */ true, bytes, &len))
        return fail_row(slice, column, row, "base64 is wanted");
    *text = (struct ax_str){ bytes, len };
    return AX_OK;
}

static enum ax_code decode_bytes(const struct slice *slice, size_t column)
{
    struct ax_values *values = &slice->columns[column];
    for (size_t row = 0; row < slice->rows; row++) {
        if (!values->type.is_list) {
            if (decode(slice, values, row, column, row))
                return slice->err->code;
            continue;
        }
        struct ax_span span = values->spans[row];
        for (uint32_t i = 0; !ax_values_is_null(values, row) && i < span.count; i++)
            if (decode(slice, values->items, span.from + i, column, row))
                return slice->err->code;
    }
    return AX_OK;
}

/* A column as it is stored. */
static enum ax_code take_column(const struct slice *slice, size_t column)
{
    struct ax_feast_values *values = slice->values;
    const struct ax_cells_target *target = &values->columns[column];
    struct ax_values *taken = &slice->columns[column];
    struct ax_values given;
    if (ax_values_slice(&target->values, values->at, slice->rows, values->arena, &given,
                        slice->err))
        return slice->err->code;
    *taken = given;
    if (target->storage.kind == AX_STORAGE_BYTES)
        return decode_bytes(slice, column);
    if (ax_values_narrow(taken, target->storage, values->arena, slice->err))
        return slice->err->code;
    size_t lost = ax_values_first_lost(&given, taken);
    return lost == SIZE_MAX ? AX_OK
                            : fail_row(slice, column, lost, "the number does not fit its type");
}

static enum ax_code make_keys(const struct slice *slice)
{
    struct ax_feast_values *values = slice->values;
    const struct ax_entity *entity = values->view->entity;
    struct ax_arena *arena = values->arena;
    const struct ax_values **columns = ax_arena_alloc(arena, entity->key_count, sizeof(*columns));
    if (!columns)
        return ax_arena_fail(arena, "the values", slice->err);
    for (size_t i = 0; i < entity->key_count; i++) {
        columns[i] = &slice->columns[i];
        for (size_t row = 0; row < slice->rows; row++)
            if (ax_values_is_null(columns[i], row))
                return fail_row(slice, i, row, "a join key is null");
    }
    if (ax_online_keys_make(entity, columns, slice->rows, arena, slice->keys, slice->err) ||
        ax_online_keys_check(entity, slice->keys, values->at, slice->rows, slice->err))
        return slice->err->code;
    /* A single text is borrowed from the body, which does not live as long. */
    bool is_borrowed = entity->key_count == 1 && entity->keys[0].storage.kind == AX_STORAGE_STRING;
    for (size_t row = 0; is_borrowed && row < slice->rows; row++) {
        slice->keys[row].ptr = ax_arena_strdup(arena, slice->keys[row]);
        if (!slice->keys[row].ptr)
            return ax_arena_fail(arena, "the values", slice->err);
    }
    return AX_OK;
}

/* What lies ahead would hide what is true, or learnt, until then. */
static enum ax_code check_ahead(const struct slice *slice, size_t column, size_t row, int64_t us)
{
    return us > slice->values->now_us + AX_FEAST_AHEAD_US
               ? fail_row(slice, column, row, "the time lies ahead of the clock")
               : AX_OK;
}

static enum ax_code find_stamp(const struct slice *slice, size_t row,
                               struct ax_online_stamp *ret_stamp)
{
    const struct ax_feast_values *values = slice->values;
    size_t time = time_column(values);
    const struct ax_values *times = &slice->columns[time];
    const struct ax_values *created = &slice->columns[created_column(values)];
    *ret_stamp = (struct ax_online_stamp){
        .time = AX_ONLINE_TIMELESS,
        .created = ax_values_is_null(created, row) ? values->now_us : created->i64s[row],
    };
    if (check_ahead(slice, created_column(values), row, ret_stamp->created))
        return slice->err->code;
    if (values->view->source->time < 0)
        return AX_OK;
    if (ax_values_is_null(times, row))
        return fail_row(slice, time, row, "a time is wanted, found null");
    ret_stamp->time = times->i64s[row];
    return check_ahead(slice, time, row, ret_stamp->time);
}

static enum ax_code make_item(const struct slice *slice, size_t row)
{
    struct ax_feast_values *values = slice->values;
    struct ax_online_item *item = &values->items[values->at + row];
    struct ax_online_stamp stamp;
    if (find_stamp(slice, row, &stamp))
        return slice->err->code;
    size_t bytes = ax_online_part_write(values->layout, &stamp, slice->fields, row, NULL);
    if (bytes > AX_ONLINE_ROW_BYTES_MAX)
        return ax_fail(slice->err, AX_E_INVALID, "row %zu has %zu bytes; at most %zu are stored",
                       values->at + row, bytes, AX_ONLINE_ROW_BYTES_MAX);
    void *part = ax_arena_alloc(values->arena, 1, bytes);
    if (!part)
        return ax_arena_fail(values->arena, "the values", slice->err);
    (void)ax_online_part_write(values->layout, &stamp, slice->fields, row, part);
    item->key = slice->keys[row];
    item->part = part;
    item->bytes = bytes;
    return AX_OK;
}

static enum ax_code make_slice(struct ax_feast_values *values, size_t rows, struct ax_err *err)
{
    struct ax_arena *arena = values->arena;
    size_t count = created_column(values) + 1;
    struct slice slice = { .values = values, .rows = rows, .err = err };
    slice.columns = ax_arena_alloc(arena, count, sizeof(*slice.columns));
    slice.fields = ax_arena_alloc(arena, values->view->field_count, sizeof(*slice.fields));
    slice.keys = ax_arena_alloc(arena, rows, sizeof(*slice.keys));
    if (!slice.columns || !slice.fields || !slice.keys)
        return ax_arena_fail(arena, "the values", err);
    for (size_t i = 0; i < count; i++)
        if (take_column(&slice, i))
            return err->code;
    for (size_t i = 0; i < values->view->field_count; i++)
        slice.fields[i] = &slice.columns[key_count(values) + i];
    if (make_keys(&slice))
        return err->code;
    for (size_t row = 0; row < rows; row++)
        if (make_item(&slice, row))
            return err->code;
    values->at += rows;
    return AX_OK;
}

enum ax_code ax_feast_values_step(struct ax_feast_values *values, size_t byte_budget, size_t *cost,
                                  bool *ret_done, struct ax_err *err)
{
    assert(values && values->view && byte_budget && cost && ret_done && err);
    size_t spent = 0, width = created_column(values) + 1;
    if (!values->is_filled &&
        ax_cells_values_step(&values->fill, byte_budget, &spent, &values->is_filled, err))
        return err->code;
    while (values->is_filled && spent < byte_budget && values->at < values->row_count) {
        size_t rows = AX_MIN(SLICE_ROWS, values->row_count - values->at);
        if (make_slice(values, rows, err))
            return err->code;
        spent += rows * width * VALUE_COST;
    }
    *cost += spent;
    *ret_done = values->is_filled && values->at == values->row_count;
    return AX_OK;
}
