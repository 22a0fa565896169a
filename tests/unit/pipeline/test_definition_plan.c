/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a plan tells what is added, changed, described otherwise and dropped, and which models
 * break; what is applied by it is what was planned. Method: catalogues made by hand, with a
 * registry in a folder: applied, changed, planned again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/definition_plan.h"

#include "test_folder.h"
#include "torture.h"

#include <stdio.h>

#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define OBJECTS_MAX     16

/* A set of objects that a test changes. */
struct set {
    struct ax_registry_object objects[OBJECTS_MAX];
    struct ax_registry_feature features[OBJECTS_MAX][4];
    struct ax_registry_edge edges[OBJECTS_MAX][4];
    struct ax_registry_catalogue catalogue;
};

static struct ax_registry_object *add(struct set *set, enum ax_registry_kind kind, const char *name,
                                      const char *definition)
{
    size_t at = set->catalogue.object_count++;
    assert_true(at < OBJECTS_MAX);
    struct ax_registry_object *object = &set->objects[at];
    struct ax_sha256 sha;
    *object = (struct ax_registry_object){ .kind = kind,
                                           .name = ax_str_from(name),
                                           .definition = ax_str_from(definition),
                                           .place = AX_STR("a.yaml:3"),
                                           .features = set->features[at],
                                           .edges = set->edges[at] };
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, definition, strlen(definition));
    ax_sha256_text(&sha, object->digest);
    set->catalogue.objects = set->objects;
    assert_true(at == 0 || ax_registry_object_compare(&set->objects[at - 1], object) < 0);
    return object;
}

static void add_feature(struct set *set, const char *name, const char *type)
{
    struct ax_registry_object *object = &set->objects[set->catalogue.object_count - 1];
    set->features[set->catalogue.object_count - 1][object->feature_count++] =
        (struct ax_registry_feature){ ax_str_from(name), ax_str_from(type), false };
}

static void add_edge(struct set *set, const char *feature, const char *kind, const char *name,
                     const char *part)
{
    struct ax_registry_object *object = &set->objects[set->catalogue.object_count - 1];
    set->edges[set->catalogue.object_count - 1][object->edge_count++] =
        (struct ax_registry_edge){ ax_str_from(feature), ax_str_from(kind), ax_str_from(name),
                                   ax_str_from(part) };
}

/* A view with two features, a service that uses one of them in two roles, a model. */
static void fill(struct set *set)
{
    *set = (struct set){ 0 };
    add(set, AX_REGISTRY_VIEW, "plane", "{\"kind\":\"view\",\"ttl\":\"3h\"}");
    add_feature(set, "built", "int64");
    add_feature(set, "seats", "float32");
    add(set, AX_REGISTRY_SERVICE, "pushback", "{\"kind\":\"service\"}");
    add_feature(set, "a__seats", "float32");
    add_edge(set, "a__seats", "view", "plane", "seats");
    add_edge(set, "b__seats", "view", "plane", "seats");
    add(set, AX_REGISTRY_MODEL, "delay", "{\"kind\":\"model\"}");
    add_edge(set, "", "service", "pushback", "");
}

/* One registry, and the last plan of it. */
struct world {
    struct ax_registry *registry;
    struct ax_arena arena;
    struct ax_registry_catalogue applied;
    struct ax_plan plan;
};

static void open_world(struct world *world, const char *name)
{
    char path[256];
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    ax_arena_init(&world->arena, 4096, ARENA_BYTES_MAX);
    assert_int_equal(ax_registry_open(path, AX_REGISTRY_WRITE, &world->registry, &err), AX_OK);
}

static void close_world(struct world *world)
{
    ax_registry_close(world->registry);
    ax_arena_done(&world->arena);
}

/* False when an allocation was refused. */
static bool make_plan(struct world *world, const struct set *wanted)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_plan_use *uses;
    size_t use_count;
    if (!ax_registry_read(world->registry, &world->arena, &world->applied, &err) &&
        !ax_plan_uses(world->registry, &world->applied, &wanted->catalogue, &world->arena, &uses,
                      &use_count, &err) &&
        !ax_plan_make(&world->applied, &wanted->catalogue, uses, use_count, &world->arena,
                      &world->plan, &err))
        return true;
    assert_true(ax_torture_struck());
    assert_int_equal(err.code, AX_E_LIMIT);
    return false;
}

static bool apply(struct world *world, const struct set *wanted)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_registry_change who = { .who = AX_STR("ana"), .applied_at_us = 7 };
    uint64_t number;
    if (!make_plan(world, wanted))
        return false;
    if (!ax_plan_apply(&world->plan, world->registry, &who, &world->arena, &number, &err))
        return true;
    assert_true(ax_torture_struck());
    return false;
}

static void tells_what_is_done(void **state)
{
    (void)state;
    struct world world;
    static struct set set;
    open_world(&world, "done");
    fill(&set);
    if (!make_plan(&world, &set))
        goto done;
    assert_int_equal(world.plan.item_count, 3);
    assert_int_equal(world.plan.counts[AX_PLAN_ADD], 3);
    assert_null(world.plan.items[0].before);
    assert_false(ax_plan_is_empty(&world.plan));
    if (!apply(&world, &set) || !make_plan(&world, &set))
        goto done;
    assert_true(ax_plan_is_empty(&world.plan));
    assert_int_equal(world.plan.unchanged_count, 3);
    assert_int_equal(world.plan.moved_count, 0);

    /* A word changed, a description added, one moved, one dropped, one new. */
    static struct set next;
    next = (struct set){ 0 };
    add(&next, AX_REGISTRY_SOURCE, "planes", "{\"kind\":\"source\"}");
    add(&next, AX_REGISTRY_VIEW, "plane", "{\"kind\":\"view\",\"ttl\":\"4h\"}");
    add_feature(&next, "seats", "float32");
    struct ax_registry_object *service =
        add(&next, AX_REGISTRY_SERVICE, "pushback", "{\"kind\":\"service\"}");
    service->definition = AX_STR("{\"kind\":\"service\",\"notes\":{\"description\":\"words\"}}");
    if (!make_plan(&world, &next))
        goto done;
    static const enum ax_plan_action actions[] = { AX_PLAN_ADD, AX_PLAN_CHANGE, AX_PLAN_DESCRIBE,
                                                   AX_PLAN_DROP };
    assert_int_equal(world.plan.item_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(world.plan.items[i].action, actions[i]);
    const struct ax_plan_item *change = &world.plan.items[1];
    assert_int_equal(change->word_count, 1);
    assert_true(ax_str_is(change->words[0].path, "ttl") && ax_str_is(change->words[0].from, "3h") &&
                ax_str_is(change->words[0].to, "4h"));
    assert_true(ax_str_is(world.plan.items[2].words[0].path, "notes.description"));
    assert_int_equal(world.plan.break_count, 0); /* the model that would need it goes too */
    if (!apply(&world, &next) || !make_plan(&world, &next))
        goto done;
    assert_true(ax_plan_is_empty(&world.plan));
    assert_int_equal(world.applied.apply, 2);
    const struct ax_registry_object *applied =
        ax_registry_find(&world.applied, AX_REGISTRY_SERVICE, AX_STR("pushback"));
    assert_true(applied->version == 1 && strstr(applied->definition.ptr, "words"));

    /* Only the place is another: nothing is told, but it is kept. */
    next.objects[0].place = AX_STR("b.yaml:1");
    if (!make_plan(&world, &next))
        goto done;
    assert_true(ax_plan_is_empty(&world.plan) && world.plan.moved_count == 1);
    if (!apply(&world, &next) || !make_plan(&world, &next))
        goto done;
    assert_true(world.plan.moved_count == 0 && world.applied.apply == 2);

    /* The same objects of another project: it takes an apply, though nothing else differs. */
    next.catalogue.project = AX_STR("other");
    if (!make_plan(&world, &next))
        goto done;
    assert_true(world.plan.changes_project && !ax_plan_is_empty(&world.plan));
    assert_int_equal(world.plan.item_count, 0);
    if (!apply(&world, &next) || !make_plan(&world, &next))
        goto done;
    assert_true(ax_plan_is_empty(&world.plan) && world.applied.apply == 3);
done:
    close_world(&world);
}

static void tells_what_breaks(void **state)
{
    (void)state;
    static const struct {
        const char *view_features[2], *types[2];
        bool drops_view, drops_service;
        size_t count;
        enum ax_plan_break_kind kind;
    } cases[] = {
        { { "built", "seats" }, { "int64", "float32" }, false, false, 0, 0 },
        { { "seats", "new" }, { "float32", "int64" }, false, false, 0, 0 },
        { { "built", "seats" }, { "int32", "float32" }, false, false, 0, 0 }, /* not used */
        { { "built", "seats" }, { "int64", "float64" }, false, false, 1, AX_PLAN_BREAK_RETYPED },
        { { "built", "chairs" }, { "int64", "float32" }, false, false, 1, AX_PLAN_BREAK_DROPPED },
        { { NULL, NULL }, { NULL, NULL }, true, false, 1, AX_PLAN_BREAK_DROPPED },
        { { "built", "seats" }, { "int64", "float32" }, false, true, 1, AX_PLAN_BREAK_SERVICE },
    };
    struct world world;
    static struct set set, next;
    open_world(&world, "breaks");
    fill(&set);
    if (!apply(&world, &set))
        goto done;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        next = (struct set){ 0 };
        if (!cases[i].drops_view)
            add(&next, AX_REGISTRY_VIEW, "plane", "{}");
        for (size_t k = 0; k < 2 && !cases[i].drops_view; k++)
            add_feature(&next, cases[i].view_features[k], cases[i].types[k]);
        if (!cases[i].drops_service)
            add(&next, AX_REGISTRY_SERVICE, "pushback", "{}");
        struct ax_registry_object *model = add(&next, AX_REGISTRY_MODEL, "delay", "{}");
        model->place = AX_STR("m.yaml:9");
        if (!make_plan(&world, &next))
            goto done;
        assert_int_equal(world.plan.break_count, cases[i].count);
        if (!cases[i].count)
            continue;
        const struct ax_plan_break *what = &world.plan.breaks[0];
        assert_int_equal(what->kind, cases[i].kind);
        assert_true(ax_str_is(what->model, "delay") && ax_str_is(what->service, "pushback"));
        assert_true(what->versions.len == 0 && ax_str_is(what->place, "m.yaml:9"));
        assert_int_equal(what->service_version, 1);
        if (what->kind != AX_PLAN_BREAK_SERVICE)
            assert_true(ax_str_is(what->view, "plane") && ax_str_is(what->feature, "seats"));
        if (what->kind == AX_PLAN_BREAK_RETYPED)
            assert_true(ax_str_is(what->from, "float32") && ax_str_is(what->to, "float64"));
    }
done:
    close_world(&world);
}

/* A set whose view belongs to an entity with these keys, "name:type" each. */
static void fill_keys(struct set *set, const char *entity, const char *const keys[2],
                      const char *const types[2])
{
    *set = (struct set){ 0 };
    add(set, AX_REGISTRY_ENTITY, entity, "{}");
    for (size_t i = 0; i < 2 && keys[i]; i++)
        add_feature(set, keys[i], types[i]);
    add(set, AX_REGISTRY_VIEW, "plane", "{}");
    add_feature(set, "seats", "float32");
    add_edge(set, "", "entity", entity, "");
    add(set, AX_REGISTRY_SERVICE, "pushback", "{}");
    add_edge(set, "a__seats", "view", "plane", "seats");
    add_edge(set, "b__seats", "view", "plane", "seats");
    add(set, AX_REGISTRY_MODEL, "delay", "{}");
    add_edge(set, "", "service", "pushback", "");
}

/* Whoever asks by the keys of the former entity is not understood any more. */
static void other_keys_break(void **state)
{
    (void)state;
    static const struct {
        const char *entity, *keys[2], *types[2];
        const char *to; /* NULL: nothing breaks */
    } cases[] = {
        { "route", { "origin", "dest" }, { "string", "int64" }, NULL },
        { "route", { "dest", "origin" }, { "int64", "string" }, NULL }, /* another order */
        { "edge", { "origin", "dest" }, { "string", "int64" }, NULL },  /* another name */
        { "route",
          { "origin", "dest" },
          { "string", "string" },
          "route (origin: string, dest: string)" },
        { "route",
          { "origin", "faa" },
          { "string", "int64" },
          "route (origin: string, faa: int64)" },
        { "airport", { "origin", NULL }, { "string", NULL }, "airport (origin: string)" },
    };
    struct world world;
    static struct set set, next;
    open_world(&world, "keys");
    fill_keys(&set, cases[0].entity, cases[0].keys, cases[0].types);
    if (!apply(&world, &set))
        goto done;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        fill_keys(&next, cases[i].entity, cases[i].keys, cases[i].types);
        if (!make_plan(&world, &next))
            goto done;
        assert_int_equal(world.plan.break_count, cases[i].to ? 1 : 0); /* though in two roles */
        if (!cases[i].to)
            continue;
        const struct ax_plan_break *what = &world.plan.breaks[0];
        assert_int_equal(what->kind, AX_PLAN_BREAK_KEYS);
        assert_true(ax_str_is(what->view, "plane") && what->feature.len == 0);
        assert_true(ax_str_is(what->from, "route (origin: string, dest: int64)"));
        assert_true(ax_str_is(what->to, cases[i].to) && ax_str_is(what->model, "delay"));
    }
done:
    close_world(&world);
}

static void expect_broken(const struct ax_plan *plan, enum ax_plan_break_kind kind)
{
    assert_int_equal(plan->broken_count, 1);
    assert_int_equal(plan->broken[0].kind, kind);
    assert_true(ax_str_is(plan->broken[0].versions, "1, 3"));
    assert_true(ax_str_is(plan->broken[0].feature, "seats"));
}

/* A trained version needs the version of the service that it was trained with. */
static void trained_versions_break(void **state)
{
    (void)state;
    struct world world;
    struct ax_err err = AX_ERR_INIT;
    static struct set set, next;
    open_world(&world, "trained");
    fill(&set);
    if (!apply(&world, &set))
        goto done;
    struct ax_registry_model_version trained = {
        .model = AX_STR("delay"), .number = 1, .service = AX_STR("pushback"), .service_version = 1
    };
    assert_int_equal(ax_registry_put_model_version(world.registry, &trained, &err), AX_OK);
    trained.number = 3;
    assert_int_equal(ax_registry_put_model_version(world.registry, &trained, &err), AX_OK);

    /* The service is new and needs the feature no more: its former version still does. */
    next = (struct set){ 0 };
    add(&next, AX_REGISTRY_VIEW, "plane", "{}");
    add_feature(&next, "built", "int64");
    add_feature(&next, "seats", "float32");
    add(&next, AX_REGISTRY_SERVICE, "pushback", "{\"new\":true}");
    add_edge(&next, "built", "view", "plane", "built");
    if (!apply(&world, &next))
        goto done;
    trained.number = 4;
    trained.service_version = 2;
    assert_int_equal(ax_registry_put_model_version(world.registry, &trained, &err), AX_OK);
    next.objects[0].feature_count = 1;
    if (!make_plan(&world, &next))
        goto done;
    assert_int_equal(world.plan.break_count, 1);
    assert_true(ax_str_is(world.plan.breaks[0].versions, "1, 3"));
    assert_true(world.plan.breaks[0].place.len == 0 && world.plan.breaks[0].service_version == 1);
    /* By force; what is broken then is not broken again. */
    next.objects[0].definition = AX_STR("{\"forced\":1}");
    next.objects[0].digest[0] ^= 1;
    if (!apply(&world, &next) || !make_plan(&world, &next))
        goto done;
    assert_int_equal(world.plan.break_count, 0);
    expect_broken(&world.plan, AX_PLAN_BREAK_DROPPED);
    next.objects[0].feature_count = 0;
    if (!make_plan(&world, &next))
        goto done;
    assert_int_equal(world.plan.break_count, 1);
    assert_true(ax_str_is(world.plan.breaks[0].versions, "4"));
    /* It comes back with another type, which does not help, and with its own, which does. */
    next.objects[0].feature_count = 2;
    next.features[0][1].type = AX_STR("string");
    if (!make_plan(&world, &next))
        goto done;
    assert_int_equal(world.plan.break_count, 0);
    expect_broken(&world.plan, AX_PLAN_BREAK_RETYPED);
    next.features[0][1].type = AX_STR("float32");
    if (!make_plan(&world, &next))
        goto done;
    assert_true(world.plan.break_count == 0 && world.plan.broken_count == 0);
    /* No service at all: a break once, and then how it is. */
    next.catalogue.object_count = 1;
    if (!make_plan(&world, &next))
        goto done;
    assert_int_equal(world.plan.break_count, 2); /* versions 1 and 3, and 4 */
    assert_int_equal(world.plan.broken_count, 0);
    if (!apply(&world, &next) || !make_plan(&world, &next))
        goto done;
    assert_int_equal(world.plan.break_count, 0);
    assert_int_equal(world.plan.broken_count, 2);
    assert_int_equal(world.plan.broken[1].kind, AX_PLAN_BREAK_SERVICE);
done:
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_is_done),
        cmocka_unit_test(tells_what_breaks),
        cmocka_unit_test(other_keys_break),
        cmocka_unit_test(trained_versions_break),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
