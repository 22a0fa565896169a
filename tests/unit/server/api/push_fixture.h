/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that can be pushed, and bodies read into rows of them.
 */
#ifndef AX_TESTS_UNIT_SERVER_API_PUSH_FIXTURE_H
#define AX_TESTS_UNIT_SERVER_API_PUSH_FIXTURE_H

#include "server/api/push_body.h"

/* The moment at which they are pushed. */
#define PUSH_NOW_US INT64_C(1000000000)

static const char push_text[] =
    "auspex: 1\n"
    "entities:\n"
    "  e: {keys: {k: string}}\n"
    "sources:\n"
    "  s: {files: s.csv, time: t, push: true, columns: {k: string, t: timestamp, x: float64,\n"
    "      n: int32}}\n"
    "  types: {files: t.csv, time: z, push: true, zone: Europe/Berlin, columns: {f: float32,\n"
    "      b: bool, d: duration, y: bytes, l: list<int32>, m: list<string>, z: timestamp}}\n"
    "  e: {files: e.csv, time: t, created: c, event_id: [id], push: true, columns: {id: string,\n"
    "      t: timestamp, x: float64, c: timestamp}}\n"
    "  c:\n"
    "    files: c.csv\n"
    "    time: t\n"
    "    push: true\n"
    "    columns: {k: string, t: timestamp, i: int32, f: float32, y: bytes, l: list<int32>}\n"
    "    expect:\n"
    "      - {check: not_null, column: k, do: drop_row}\n"
    "      - {check: between, column: i, min: -1.5, max: 90, do: drop_row}\n"
    "      - {check: between, column: f, min: 0.1, do: drop_row, mostly: 0.5}\n"
    "      - {check: between, column: t, min: 1970-01-01, do: fail}\n"
    "      - {check: in_set, column: k, values: [a, b, \u00df, \u00dfx], do: drop_row}\n"
    "      - {check: in_set, column: i, values: [3, -1, 2, 0, 80, 90]}\n"
    "      - {check: in_set, column: f, values: [0.1, 2], do: fail, mostly: 0.9}\n"
    "      - {check: length, column: k, max: 1, do: drop_row}\n"
    "      - {check: length, column: y, max: 2, do: drop_row}\n"
    "      - {check: length, column: l, min: 1, do: drop_row}\n"
    "      - {check: regex, column: k, pattern: '^[^b]', do: fail}\n"
    "      - {check: expression, expr: i < 85 or f > 1, do: drop_row}\n"
    "      - {check: unique, column: k, do: fail}\n"
    "views:\n"
    "  v: {entity: e, source: s, fields: {x: x, n: n}}\n"
    "  c: {entity: e, source: c, fields: {i: i, f: f, y: y, l: l}}\n";

enum { PUSH_SOURCES = 4, PUSH_VIEWS = 2 };

static struct {
    bool is_read;
    struct ax_definitions definitions;
    struct ax_arena arena;
    struct ax_online_layout layouts[PUSH_VIEWS];
    struct ax_source_plan *plans[PUSH_SOURCES];
} push;

static enum ax_code open_push(struct ax_err *err)
{
    const struct ax_file_text file = { .path = AX_STR("f.yaml"), .text = ax_str_from(push_text) };
    struct ax_online_view views[PUSH_VIEWS];
    ax_arena_init(&push.arena, 4096, (size_t)1 << 20);
    if (ax_definitions_read_texts("features", &file, 1, &push.definitions, err))
        return err->code;
    push.is_read = true;
    for (uint32_t i = 0; i < PUSH_VIEWS; i++) {
        views[i] = (struct ax_online_view){ .layout = &push.layouts[i] };
        if (ax_online_layout_of_view(&push.layouts[i], i + 1, &push.definitions.views[i],
                                     &push.arena, err))
            return err->code;
    }
    for (size_t i = 0; i < PUSH_SOURCES; i++) {
        if (ax_source_plan_new(&push.definitions, &push.definitions.sources[i], views,
                               &push.plans[i], err))
            return err->code;
    }
    return AX_OK;
}

AX_UNUSED static void close_push(void)
{
    for (size_t i = 0; i < PUSH_SOURCES; i++)
        ax_source_plan_free(push.plans[i]);
    ax_arena_done(&push.arena);
    if (push.is_read)
        ax_definitions_done(&push.definitions);
    memset(&push, 0, sizeof(push));
}

/* Read a body in slices; lines are rows of the source 's'. */
static enum ax_code read_push(struct ax_push_body *body, struct ax_str text, bool is_lines,
                              size_t budget, struct ax_arena *arena, struct ax_err *err)
{
    const struct ax_source *source;
    bool done = false;
    size_t cost = 0;
    ax_push_body_init(body, text, is_lines, is_lines ? AX_STR("s") : AX_STR(""), arena);
    while (!done) {
        if (ax_push_body_read(body, budget, &cost, &done, err))
            return err->code;
    }
    if (ax_definitions_find_source(&push.definitions, body->source, &source, err) ||
        ax_push_body_fill_begin(body, push.plans[source - push.definitions.sources], PUSH_NOW_US,
                                arena, err))
        return err->code;
    done = false;
    while (!done) {
        if (ax_push_body_fill(body, budget, &cost, &done, err))
            return err->code;
    }
    return AX_OK;
}

#endif
