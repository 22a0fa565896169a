/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the registry keeps what is applied, numbers versions, and does an apply whole or not at
 * all. Method: applies of small sets of objects, with what is read back compared field by field. It
 * uses registry.h alone, so that another implementation is held to the same. Also run with refused
 * allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/registry.h"

#include "test_folder.h"
#include "torture.h"

#include <stdio.h>

#define ARENA_BYTES_MAX ((size_t)64 << 20)

static const char *in_folder(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static struct ax_registry *open_registry(const char *name)
{
    struct ax_registry *registry;
    struct ax_err err = AX_ERR_INIT;
    if (ax_registry_open(in_folder(name), AX_REGISTRY_WRITE, &registry, &err))
        fail_msg("%s", err.msg);
    return registry;
}

/* An object with a digest that stands for its definition. */
static struct ax_registry_object object_of(enum ax_registry_kind kind, const char *name,
                                           const char *definition)
{
    struct ax_registry_object object = { .kind = kind,
                                         .name = ax_str_from(name),
                                         .definition = ax_str_from(definition),
                                         .place = AX_STR("a.yaml:1") };
    struct ax_sha256 sha;
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, definition, strlen(definition));
    ax_sha256_text(&sha, object.digest);
    return object;
}

static enum ax_code change(struct ax_registry *registry, uint64_t after,
                           const struct ax_registry_object *put,
                           const struct ax_registry_object *dropped, uint64_t *ret_apply,
                           struct ax_err *err)
{
    const struct ax_registry_change what = { .after = after,
                                             .applied_at_us = 1000000 * (int64_t)(after + 1),
                                             .who = AX_STR("ana@host"),
                                             .command = AX_STR("auspex apply flights"),
                                             .folder = AX_STR("flights"),
                                             .project = AX_STR("air"),
                                             .program = AX_STR("0.1.0"),
                                             .forced = dropped != NULL,
                                             .put = &put,
                                             .put_count = put != NULL,
                                             .dropped = &dropped,
                                             .dropped_count = dropped != NULL };
    return ax_registry_apply(registry, &what, ret_apply, err);
}

static void put_one(struct ax_registry *registry, uint64_t after,
                    const struct ax_registry_object *object)
{
    struct ax_err err = AX_ERR_INIT;
    uint64_t apply = 0;
    if (change(registry, after, object, NULL, &apply, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(apply, after + 1);
}

/* The arena is done by the caller; false when an allocation was refused. */
static bool read_all(struct ax_registry *registry, struct ax_arena *arena,
                     struct ax_registry_catalogue *ret)
{
    struct ax_err err = AX_ERR_INIT;
    ax_arena_init(arena, 4096, ARENA_BYTES_MAX);
    if (!ax_registry_read(registry, arena, ret, &err))
        return true;
    assert_true(ax_torture_struck());
    assert_int_equal(err.code, AX_E_LIMIT);
    return false;
}

static void keeps_what_is_applied(void **state)
{
    (void)state;
    const struct ax_registry_feature fields[] = {
        { AX_STR("built"), AX_STR("int64"), false },
        { AX_STR("seats"), AX_STR("float32"), true },
    };
    const struct ax_registry_edge edges[] = {
        { AX_STR(""), AX_STR("source"), AX_STR("planes"), AX_STR("") },
        { AX_STR("built"), AX_STR("source"), AX_STR("planes"), AX_STR("year") },
        { AX_STR("seats"), AX_STR("source"), AX_STR("planes"), AX_STR("seats") },
    };
    struct ax_registry *registry = open_registry("keeps");
    struct ax_registry_catalogue catalogue;
    struct ax_arena arena;
    struct ax_registry_object view = object_of(AX_REGISTRY_VIEW, "plane", "{\"é\":1}");
    view.deprecated = true;
    view.features = fields;
    view.feature_count = AX_COUNT(fields);
    view.edges = edges;
    view.edge_count = AX_COUNT(edges);
    struct ax_registry_object source = object_of(AX_REGISTRY_SOURCE, "planes", "{}");
    put_one(registry, 0, &view);
    put_one(registry, 1, &source);
    ax_registry_close(registry);

    registry = open_registry("keeps");
    if (read_all(registry, &arena, &catalogue)) {
        assert_int_equal(catalogue.apply, 2);
        assert_true(ax_str_is(catalogue.project, "air"));
        assert_int_equal(catalogue.object_count, 2);
        assert_true(ax_str_is(catalogue.objects[0].name, "planes"));
        const struct ax_registry_object *read =
            ax_registry_find(&catalogue, AX_REGISTRY_VIEW, AX_STR("plane"));
        assert_ptr_equal(read, &catalogue.objects[1]);
        assert_true(ax_str_is(read->definition, "{\"é\":1}"));
        assert_string_equal(read->digest, view.digest);
        assert_true(ax_str_is(read->place, "a.yaml:1") && read->deprecated);
        assert_int_equal(read->version, 1);
        assert_int_equal(read->apply, 1);
        assert_int_equal(read->applied_at_us, 1000000);
        assert_int_equal(read->ended_by, 0);
        assert_int_equal(read->feature_count, 2);
        assert_true(ax_str_is(read->features[1].name, "seats") && read->features[1].deprecated);
        assert_true(ax_str_is(read->features[1].type, "float32"));
        assert_int_equal(read->edge_count, 3);
        for (size_t i = 0; i < AX_COUNT(edges); i++)
            assert_true(ax_str_equals(read->edges[i].feature, edges[i].feature) &&
                        ax_str_equals(read->edges[i].kind, edges[i].kind) &&
                        ax_str_equals(read->edges[i].name, edges[i].name) &&
                        ax_str_equals(read->edges[i].part, edges[i].part));
        struct ax_registry_object one;
        struct ax_err err = AX_ERR_INIT;
        if (!ax_registry_read_version(registry, AX_REGISTRY_VIEW, AX_STR("plane"), 1, &arena, &one,
                                      &err))
            assert_true(one.feature_count == 2 && one.edge_count == 3 && one.deprecated &&
                        ax_str_equals(one.edges[2].part, edges[2].part));
        else
            assert_true(ax_torture_struck());
        ax_err_clear(&err);
        assert_int_equal(ax_registry_read_version(registry, AX_REGISTRY_VIEW, AX_STR("plane"), 2,
                                                  &arena, &one, &err),
                         AX_E_NOT_FOUND);
        assert_string_equal(err.msg, "view 'plane' has no version 2");
        assert_null(ax_registry_find(&catalogue, AX_REGISTRY_VIEW, AX_STR("planes")));
        assert_null(ax_registry_find(&catalogue, AX_REGISTRY_MODEL, AX_STR("plane")));
    }
    ax_arena_done(&arena);
    ax_registry_close(registry);
}

static void numbers_versions(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *registry = open_registry("numbers");
    struct ax_registry_catalogue catalogue;
    struct ax_arena arena;
    uint64_t apply;
    struct ax_registry_object first = object_of(AX_REGISTRY_SERVICE, "pushback", "one");
    struct ax_registry_object second = object_of(AX_REGISTRY_SERVICE, "pushback", "two");
    struct ax_registry_object other = object_of(AX_REGISTRY_VIEW, "pushback", "one");
    put_one(registry, 0, &first);
    put_one(registry, 1, &second);
    put_one(registry, 2, &other);
    assert_int_equal(change(registry, 3, NULL, &first, &apply, &err), AX_OK);
    if (read_all(registry, &arena, &catalogue))
        assert_true(catalogue.object_count == 1 && catalogue.objects[0].kind == AX_REGISTRY_VIEW);
    ax_arena_done(&arena);

    /* A name that comes back goes on behind its past. */
    put_one(registry, 4, &first);
    if (read_all(registry, &arena, &catalogue)) {
        assert_int_equal(catalogue.object_count, 2);
        assert_int_equal(catalogue.objects[1].version, 3);
        assert_true(ax_str_is(catalogue.objects[1].definition, "one"));
    }
    ax_arena_done(&arena);

    static const uint64_t ended_by[] = { 2, 4, 0 };
    ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
    if (!ax_registry_versions(registry, AX_REGISTRY_SERVICE, AX_STR("pushback"), &arena, &catalogue,
                              &err)) {
        assert_int_equal(catalogue.object_count, 3);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(catalogue.objects[i].version, i + 1);
            assert_int_equal(catalogue.objects[i].ended_by, ended_by[i]);
        }
        assert_int_equal(ax_registry_versions(registry, AX_REGISTRY_MODEL, AX_STR("pushback"),
                                              &arena, &catalogue, &err),
                         AX_OK);
        assert_int_equal(catalogue.object_count, 0);
    } else {
        assert_true(ax_torture_struck());
    }
    ax_arena_done(&arena);
    ax_registry_close(registry);
}

/* Described otherwise: no new version, and no apply; what is read is what was given last. */
static void rewrites_in_place(void **state)
{
    (void)state;
    const struct ax_registry_feature before[] = { { AX_STR("a"), AX_STR("bool"), false },
                                                  { AX_STR("b"), AX_STR("bool"), false } };
    const struct ax_registry_feature after[] = { { AX_STR("a"), AX_STR("bool"), true } };
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *registry = open_registry("rewrites");
    struct ax_registry_catalogue catalogue;
    struct ax_arena arena;
    uint64_t apply = 0;
    struct ax_registry_object view = object_of(AX_REGISTRY_VIEW, "v", "short");
    view.features = before;
    view.feature_count = 2;
    put_one(registry, 0, &view);
    struct ax_registry_object described = view;
    const struct ax_registry_object *rewritten = &described;
    described.definition = AX_STR("with words");
    described.place = AX_STR("b.yaml:7");
    described.features = after;
    described.feature_count = 1;
    struct ax_registry_change what = {
        .after = 1, .project = AX_STR("air"), .rewritten = &rewritten, .rewritten_count = 1
    };
    assert_int_equal(ax_registry_apply(registry, &what, &apply, &err), AX_OK);
    assert_int_equal(apply, 1);
    if (read_all(registry, &arena, &catalogue)) {
        assert_int_equal(catalogue.apply, 1);
        const struct ax_registry_object *read = &catalogue.objects[0];
        assert_true(ax_str_is(read->definition, "with words") && read->version == 1);
        assert_true(ax_str_is(read->place, "b.yaml:7"));
        assert_true(read->feature_count == 1 && read->features[0].deprecated);
    }
    ax_arena_done(&arena);
    described.digest[0] = described.digest[0] == '0' ? '1' : '0';
    assert_int_equal(ax_registry_apply(registry, &what, &apply, &err), AX_E_CONFLICT);
    ax_registry_close(registry);
}

/* What cannot be done whole is not done at all. */
static void applies_whole_or_not(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *registry = open_registry("whole");
    struct ax_registry_catalogue catalogue;
    struct ax_arena arena;
    uint64_t apply = 77;
    struct ax_registry_object view = object_of(AX_REGISTRY_VIEW, "v", "one");
    struct ax_registry_object absent = object_of(AX_REGISTRY_VIEW, "absent", "one");
    put_one(registry, 0, &view);

    assert_int_equal(change(registry, 0, &absent, NULL, &apply, &err), AX_E_CONFLICT);
    assert_non_null(strstr(err.msg, "was changed by another apply: plan again"));
    ax_err_clear(&err);
    struct ax_registry_object next = object_of(AX_REGISTRY_VIEW, "v", "two");
    assert_int_equal(change(registry, 1, &next, &absent, &apply, &err), AX_E_CONFLICT);
    assert_string_equal(err.msg, "view 'absent' is not in force any more: plan again");
    ax_err_clear(&err);
    /* Twice the same object: an object has one version in force. */
    const struct ax_registry_object *twice[] = { &next, &view, &next };
    struct ax_registry_change what = { .after = 1, .put = twice, .put_count = 3 };
    assert_int_equal(ax_registry_apply(registry, &what, &apply, &err), AX_OK);
    assert_int_equal(apply, 2);
    if (read_all(registry, &arena, &catalogue)) {
        assert_int_equal(catalogue.object_count, 1);
        assert_int_equal(catalogue.objects[0].version, 4);
    }
    ax_arena_done(&arena);
    ax_registry_close(registry);
}

static void keeps_the_history(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *registry = open_registry("history");
    struct ax_arena arena;
    const struct ax_registry_applied *applies;
    size_t count;
    uint64_t apply;
    struct ax_registry_object view = object_of(AX_REGISTRY_VIEW, "v", "one");
    put_one(registry, 0, &view);
    put_one(registry, 1, &view);
    assert_int_equal(change(registry, 2, NULL, &view, &apply, &err), AX_OK);
    ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
    if (!ax_registry_history(registry, 2, &arena, &applies, &count, &err)) {
        assert_int_equal(count, 2);
        assert_true(applies[0].number == 3 && applies[0].forced && applies[0].dropped == 1);
        assert_true(applies[1].number == 2 && !applies[1].forced && applies[1].changed == 1 &&
                    applies[1].added == 0);
        assert_true(ax_str_is(applies[0].who, "ana@host") &&
                    ax_str_is(applies[0].command, "auspex apply flights") &&
                    ax_str_is(applies[0].folder, "flights") &&
                    ax_str_is(applies[0].project, "air") && ax_str_is(applies[0].program, "0.1.0"));
        assert_int_equal(applies[0].applied_at_us, 3000000);
    } else {
        assert_true(ax_torture_struck());
    }
    ax_arena_done(&arena);
    ax_registry_close(registry);
}

/* False when an allocation was refused. */
static bool read_files(struct ax_registry *registry, uint64_t number, struct ax_arena *arena,
                       struct ax_registry_files *ret)
{
    struct ax_err err = AX_ERR_INIT;
    ax_arena_init(arena, 4096, ARENA_BYTES_MAX);
    if (!ax_registry_read_files(registry, number, arena, ret, &err))
        return true;
    assert_true(ax_torture_struck());
    assert_int_equal(err.code, AX_E_LIMIT);
    return false;
}

static void assert_files(struct ax_registry *registry, uint64_t number, uint64_t apply,
                         const struct ax_file_text *files, size_t count)
{
    struct ax_registry_files read;
    struct ax_arena arena;
    if (read_files(registry, number, &arena, &read)) {
        assert_int_equal(read.apply, apply);
        assert_true(ax_str_is(read.folder, "/home/ana/flights"));
        assert_int_equal(read.file_count, count);
        for (size_t i = 0; i < count; i++)
            assert_true(ax_str_equals(read.files[i].path, files[i].path) &&
                        ax_str_equals(read.files[i].text, files[i].text));
    }
    ax_arena_done(&arena);
}

/* Of each apply its own; what changes nothing else changes those of the last one. */
static void keeps_the_files(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *registry = open_registry("files");
    struct ax_registry_files read;
    struct ax_arena arena;
    uint64_t apply = 0;
    int64_t checksum = 0;
    struct ax_registry_object view = object_of(AX_REGISTRY_VIEW, "v", "one");
    const struct ax_registry_object *put = &view;
    struct ax_file_text files[] = { { AX_STR("a.yaml"), AX_STR("auspex: 1 # é\n") },
                                    { AX_STR("b.yaml"), AX_STR("") },
                                    { AX_STR("sql/x.sql"), AX_STR("select '\0'") },
                                    { AX_STR("\xff.sql"), AX_STR("auspex: 1 # é\n") } };
    struct ax_registry_change what = { .files_folder = AX_STR("/home/ana/flights"),
                                       .project = AX_STR("air"),
                                       .files = files,
                                       .file_count = AX_COUNT(files),
                                       .put = &put,
                                       .put_count = 1 };
    ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
    assert_int_equal(ax_registry_read_files(registry, 0, &arena, &read, &err), AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "nothing was applied yet"));
    ax_arena_done(&arena);
    ax_err_clear(&err);

    assert_int_equal(ax_registry_apply(registry, &what, &apply, &err), AX_OK);
    assert_files(registry, 0, 1, files, 4);
    if (read_files(registry, 0, &arena, &read))
        checksum = read.checksum;
    ax_arena_done(&arena);
    what.after = 1;
    what.file_count = 2;
    files[1].text = AX_STR("auspex: 1\n");
    assert_int_equal(ax_registry_apply(registry, &what, &apply, &err), AX_OK);
    assert_files(registry, 2, 2, files, 2);
    files[1].text = AX_STR("");
    assert_files(registry, 1, 1, files, 4);

    what.after = 2;
    what.put_count = 0;
    what.file_count = 3;
    assert_int_equal(ax_registry_apply(registry, &what, &apply, &err), AX_OK);
    assert_int_equal(apply, 2);
    assert_files(registry, 0, 2, files, 3);
    assert_files(registry, 1, 1, files, 4);
    if (read_files(registry, 2, &arena, &read) && checksum)
        assert_true(read.checksum != checksum);
    assert_int_equal(ax_registry_read_files(registry, 3, &arena, &read, &err), AX_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "there is no such apply"));
    ax_arena_done(&arena);
    ax_registry_close(registry);
}

static void keeps_versions_of_models(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *registry = open_registry("models");
    struct ax_arena arena;
    const struct ax_registry_model_version *versions;
    size_t count;
    struct ax_registry_object service = object_of(AX_REGISTRY_SERVICE, "s", "one");
    struct ax_registry_model_version version = { .model = AX_STR("m"),
                                                 .number = 10,
                                                 .service = AX_STR("s"),
                                                 .service_version = 1,
                                                 .digest = AX_STR("abc"),
                                                 .path = AX_STR("models/m/10"),
                                                 .recorded_at_us = 5 };
    assert_int_equal(ax_registry_put_model_version(registry, &version, &err), AX_E_NOT_FOUND);
    assert_string_equal(err.msg, "no version 1 of service 's' was applied");
    ax_err_clear(&err);
    put_one(registry, 0, &service);
    assert_int_equal(ax_registry_put_model_version(registry, &version, &err), AX_OK);
    version.number = 9;
    assert_int_equal(ax_registry_put_model_version(registry, &version, &err), AX_OK);
    version.digest = AX_STR("def");
    assert_int_equal(ax_registry_put_model_version(registry, &version, &err), AX_OK);
    ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
    if (!ax_registry_model_versions(registry, &arena, &versions, &count, &err)) {
        assert_int_equal(count, 2);
        assert_true(versions[0].number == 9 && ax_str_is(versions[0].digest, "def"));
        assert_true(versions[1].number == 10 && ax_str_is(versions[1].digest, "abc"));
        assert_true(ax_str_is(versions[1].service, "s") && versions[1].service_version == 1);
        assert_true(ax_str_is(versions[1].path, "models/m/10") && versions[1].recorded_at_us == 5);
    } else {
        assert_true(ax_torture_struck());
    }
    ax_arena_done(&arena);
    ax_registry_close(registry);
}

static void knows_what_is_materialised(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *registry = open_registry("materialised");
    const struct ax_registry_materialised *found;
    struct ax_arena arena;
    struct ax_registry_materialised view = {
        .view = AX_STR("weather"), .run = 7, .to_us = -5, .done_at_us = 6, .mark = AX_STR("1 2 3\n")
    };
    memset(view.digest, 'a', sizeof(view.digest) - 1);
    ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
    if (!ax_registry_materialised(registry, view.view, &arena, &found, &err))
        assert_null(found);
    for (size_t i = 0; i < 2; i++, view.run++) {
        ax_err_clear(&err);
        assert_int_equal(ax_registry_put_materialised(registry, &view, &err), AX_OK);
        if (ax_registry_materialised(registry, view.view, &arena, &found, &err)) {
            assert_true(ax_torture_struck());
            continue;
        }
        assert_true(found->run == view.run && found->to_us == -5 && found->done_at_us == 6);
        assert_true(ax_str_equals(found->mark, view.mark));
        assert_string_equal(found->digest, view.digest);
    }
    ax_err_clear(&err);
    assert_int_equal(ax_registry_forget_materialised(registry, view.view, &err), AX_OK);
    if (!ax_registry_materialised(registry, view.view, &arena, &found, &err))
        assert_null(found);
    ax_arena_done(&arena);
    ax_registry_close(registry);
}

static void begin_run(struct ax_registry *registry, const char *arguments, int64_t to,
                      int64_t since, uint64_t number, int64_t its_to)
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_registry_run run = { ax_str_from(arguments), to, 100 };
    uint64_t found;
    int64_t found_to;
    assert_int_equal(ax_registry_begin_run(registry, &run, since, &found, &found_to, &err), AX_OK);
    assert_int_equal(found, number);
    assert_int_equal(found_to, its_to);
}

/* A run that was not ended goes on, by the same arguments and not too late. */
static void goes_on_with_a_run(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *registry = open_registry("runs");
    begin_run(registry, "all", 50, 0, 1, 50);
    begin_run(registry, "all", 60, 100, 1, 50);
    begin_run(registry, "all", 60, 101, 2, 60);
    begin_run(registry, "one", 70, 0, 3, 70);
    begin_run(registry, "all", 80, 0, 4, 80);
    assert_int_equal(ax_registry_end_run(registry, &err), AX_OK);
    begin_run(registry, "all", 90, 0, 5, 90);
    ax_registry_close(registry);
}

/* Who reads sees a whole catalogue, while another has the registry open to write. */
static void reads_beside_a_writer(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    struct ax_registry *reader = NULL;
    struct ax_registry_catalogue catalogue;
    struct ax_arena arena;
    assert_int_equal(ax_registry_open(in_folder("beside"), AX_REGISTRY_READ, &reader, &err),
                     AX_E_NOT_FOUND);
    ax_err_clear(&err);
    struct ax_registry *writer = open_registry("beside");
    struct ax_registry_object view = object_of(AX_REGISTRY_VIEW, "v", "one");
    put_one(writer, 0, &view);
    assert_int_equal(ax_registry_open(in_folder("beside"), AX_REGISTRY_READ, &reader, &err), AX_OK);
    put_one(writer, 1, &view);
    if (read_all(reader, &arena, &catalogue))
        assert_true(catalogue.apply == 2 && catalogue.objects[0].version == 2);
    ax_arena_done(&arena);
    uint64_t apply;
    assert_int_equal(change(reader, 2, &view, NULL, &apply, &err), AX_E_DENIED);
    ax_registry_close(reader);
    ax_registry_close(writer);
    ax_registry_close(NULL);
}

static void knows_its_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_REGISTRY_KIND_COUNT; i++) {
        enum ax_registry_kind kind;
        assert_true(ax_registry_kind_find(ax_str_from(ax_registry_kind_name((int)i)), &kind));
        assert_int_equal(kind, i);
    }
    enum ax_registry_kind untouched = AX_REGISTRY_MODEL;
    assert_false(ax_registry_kind_find(AX_STR("views"), &untouched));
    assert_int_equal(untouched, AX_REGISTRY_MODEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_applied),    cmocka_unit_test(numbers_versions),
        cmocka_unit_test(rewrites_in_place),        cmocka_unit_test(applies_whole_or_not),
        cmocka_unit_test(keeps_the_history),        cmocka_unit_test(keeps_the_files),
        cmocka_unit_test(keeps_versions_of_models), cmocka_unit_test(reads_beside_a_writer),
        cmocka_unit_test(knows_its_kinds),          cmocka_unit_test(knows_what_is_materialised),
        cmocka_unit_test(goes_on_with_a_run),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
