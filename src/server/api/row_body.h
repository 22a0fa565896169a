/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a JSON body that holds rows of named values, and more beside them.
 *
 * A protocol is a table of the members that its bodies may have: rows in some layout, or something
 * that a function of the protocol's reads. Rows may come in several sets, beside those that a
 * request is about: what goes with them. Reading stops between two tokens when the budget is
 * spent. Texts of the result lie in the body or in the arena.
 */
#ifndef AX_SERVER_API_ROW_BODY_H
#define AX_SERVER_API_ROW_BODY_H

#include "server/api/row_reader.h"

struct ax_row_body;

/* Sets of cells. */
enum ax_row_set {
    AX_ROW_SET_ROWS,    /* what the request is about; each body has them */
    AX_ROW_SET_REQUEST, /* of a call of a service: request values, */
    AX_ROW_SET_GIVEN,   /* features that the call gives itself, */
    AX_ROW_SET_AT,      /* and moments */
    AX_ROW_SETS
};

/* What an answer tells of the features of a row. */
enum ax_service_tell {
    AX_SERVICE_TELL_NOTHING,
    AX_SERVICE_TELL_STATUS,  /* where each comes from */
    AX_SERVICE_TELL_FULL,    /* and its value */
    AX_SERVICE_TELL_SOURCES, /* and its view, field and age */
};

struct ax_row_member {
    const char *name; /* NULL ends the table */
    /* (optional) Read the value that comes next. Once a body. Expected: INVALID. */
    enum ax_code (*read)(struct ax_row_body *body, struct ax_err *err);
    enum ax_row_layout layout; /* without `read`: holds the rows of a set */
    unsigned accepts;          /* AX_ROW_* */
    enum ax_row_set set;
    bool by_entity; /* the rows are keys of entities */
};

/* The members of a request by entity. */
#define AX_ROW_ENTITY_MEMBERS                                                                      \
    { .name = "entities", .layout = AX_LAYOUT_ROWS, .accepts = AX_ROW_OBJECT, .by_entity = true }, \
        { .name = "request",                                                                       \
          .layout = AX_LAYOUT_ONE,                                                                 \
          .accepts = AX_ROW_OBJECT | AX_ROW_LIST,                                                  \
          .set = AX_ROW_SET_REQUEST },                                                             \
        { .name = "given",                                                                         \
          .layout = AX_LAYOUT_ONE,                                                                 \
          .accepts = AX_ROW_OBJECT | AX_ROW_LIST,                                                  \
          .set = AX_ROW_SET_GIVEN },                                                               \
        { .name = "at", .layout = AX_LAYOUT_ONE, .accepts = AX_ROW_SCALAR, .set = AX_ROW_SET_AT }, \
    {                                                                                              \
        .name = "features", .read = ax_row_body_read_features                                      \
    }

#define AX_ROW_MEMBERS_MAX 32

struct ax_row_protocol {
    const struct ax_row_member *members; /* at most AX_ROW_MEMBERS_MAX */
    const char *wanted; /* what holds rows, for messages: "'instances' or 'inputs'" */
    /* Refuse members that are not in the table, saying this; NULL: pass over them. */
    const char *unknown_hint;
};

struct ax_row_body {
    const struct ax_row_protocol *protocol;
    struct ax_arena *arena;
    struct ax_json_reader json;
    struct ax_row_reader rows;
    enum ax_row_set set; /* that `rows` reads */
    unsigned withheld;   /* AX_ROW_* that the model does not allow */
    int state;           /* BODY_* of row_body.c */
    unsigned skip_depth;
    uint32_t seen; /* members met, a bit each */

    /* The result. */
    struct ax_cells cells[AX_ROW_SETS];
    const struct ax_row_member *members[AX_ROW_SETS]; /* that held them; NULL: none did */
    bool is_one[AX_ROW_SETS]; /* AX_LAYOUT_ONE: it was a row alone, or none was given */
    struct ax_str version;    /* ptr NULL: none was asked for */
    enum ax_service_tell tell;
};

/* Begin with a body; nothing is read yet. */
void ax_row_body_init(struct ax_row_body *body, const struct ax_row_protocol *protocol,
                      struct ax_str text, struct ax_arena *arena);

/* Read on for about `byte_budget` bytes, and add to *cost what was read; when *ret_done is set the
 * cells are complete. Expected: INVALID, TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_row_body_read(struct ax_row_body *body, size_t byte_budget,
                                          size_t *cost, bool *ret_done, struct ax_err *err);

/* Whether the rows are keys of entities; they were read. */
static inline bool ax_row_body_is_by_entity(const struct ax_row_body *body)
{
    return body->members[AX_ROW_SET_ROWS]->by_entity;
}

/* A member's read: the version, a number or a text. */
enum ax_code ax_row_body_read_version(struct ax_row_body *body, struct ax_err *err);
/* Likewise: what is to be told of features. */
enum ax_code ax_row_body_read_features(struct ax_row_body *body, struct ax_err *err);

#endif
