/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small definitions in two files, and an apply of them as the command does it, for tests of what is
 * made of what was applied. A test changes their texts; its group begins with make_files.
 */
#ifndef AX_TESTS_APPLIED_FIXTURE_H
#define AX_TESTS_APPLIED_FIXTURE_H

#include "pipeline/definition_catalogue.h"
#include "pipeline/definition_plan.h"

#include "test_folder.h"

#include <stdio.h>

#define ARENA_BYTES_MAX ((size_t)64 << 20)

#define HEAD                                                    \
    "auspex: 1\n"                                               \
    "project: shop\n"                                           \
    "entities: {user: {keys: {id: int64}}}\n"                   \
    "sources:\n"                                                \
    "  clicks:\n"                                               \
    "    sql: clicks.sql\n"                                     \
    "    time: at\n"                                            \
    "    columns: {id: int64, at: timestamp, price: float64}\n" \
    "views:\n"                                                  \
    "  last: {entity: user, source: clicks, ttl: "
#define TAIL                          \
    ", fields: {price: price * 2}}\n" \
    "services:\n"                     \
    "  buy: {features: [{view: last}]}\n"

static struct ax_file_text files[2];

static int make_files(void **state)
{
    files[0] = (struct ax_file_text){ AX_STR("shop.yaml"), AX_STR(HEAD "3h" TAIL) };
    files[1] = (struct ax_file_text){ AX_STR("clicks.sql"),
                                      AX_STR("select id, at, price from 'clicks.csv'") };
    return make_folder(state);
}

AX_UNUSED static const char *in_folder(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* What an apply keeps; `kept` may differ from what it was read from. */
static enum ax_code apply(const char *state, const struct ax_file_text *kept, struct ax_err *err)
{
    struct ax_definitions definitions = { 0 };
    struct ax_registry *registry = NULL;
    struct ax_registry_catalogue applied, wanted;
    struct ax_plan plan;
    struct ax_arena arena;
    struct ax_registry_change change = { .files_folder = AX_STR("/nowhere"),
                                         .files = kept,
                                         .file_count = AX_COUNT(files) };
    uint64_t number;
    ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
    (void)(ax_definitions_read_texts("/nowhere", files, AX_COUNT(files), &definitions, err) ||
           ax_registry_open(state, AX_REGISTRY_WRITE, &registry, err) ||
           ax_registry_read(registry, &arena, &applied, err) ||
           ax_definition_catalogue(&definitions, &arena, &wanted, err) ||
           ax_plan_make(&applied, &wanted, NULL, 0, &arena, &plan, err) ||
           ax_plan_apply(&plan, registry, &change, &arena, &number, err));
    ax_registry_close(registry);
    ax_definitions_done(&definitions);
    ax_arena_done(&arena);
    return err->code;
}

#endif
