/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a walk meets each version that is there all the time once, in order, wherever it is
 * interrupted and whatever comes and goes meanwhile; a version is found by its text.
 * Method: small catalogs written as text; a walk in steps of every length over one catalog, and one
 * that goes on in another catalog behind every version.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/catalog_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "a:1,2 b: c:7": models with their versions. */
static struct ax_catalog *catalog_from(const char *text)
{
    struct ax_catalog *catalog = ax_catalog_new();
    char copy[256];
    (void)snprintf(copy, sizeof(copy), "%s", text);
    for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *numbers = strchr(word, ':');
        *numbers++ = '\0';
        size_t count = *numbers != '\0';
        for (const char *at = numbers; (at = strchr(at, ',')); at++)
            count++;
        struct ax_catalog_model *model = ax_catalog_model_new(word, count);
        for (size_t i = 0; i < count; i++, numbers++) {
            model->versions[i].number = strtoull(numbers, &numbers, 10);
            model->versions[i].is_target = true;
            (void)snprintf(model->versions[i].text, sizeof(model->versions[i].text), "%llu",
                           (unsigned long long)model->versions[i].number);
        }
        ax_catalog_put(catalog, model);
    }
    return catalog;
}

struct met {
    char text[512];
    size_t count;
};

/* At most `max` versions are noted; false: there are no more. */
static bool walk_on(struct ax_catalog_walk *walk, const struct ax_catalog *catalog, size_t max,
                    struct met *met)
{
    const struct ax_catalog_model *model;
    const struct ax_catalog_version *version;
    ax_catalog_walk_enter(walk, catalog);
    for (size_t i = 0; i < max; i++) {
        if (!ax_catalog_walk_next(walk, &model, &version))
            return false;
        size_t len = strlen(met->text);
        (void)snprintf(met->text + len, sizeof(met->text) - len, "%s%s/%s", len ? " " : "",
                       model->name, version ? version->text : "");
        met->count++;
    }
    return true;
}

static void steps_of_any_length(void **state)
{
    (void)state;
    static const struct {
        const char *catalog, *met;
    } rows[] = {
        { "", "" },
        { "a:", "a/" },
        { "a:1", "a/1" },
        { "a:1,2,10 b: b-c:3 c: d:7,9", "a/1 a/2 a/10 b/ b-c/3 c/ d/7 d/9" },
        { "a:9223372036854775807", "a/9223372036854775807" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_catalog *catalog = catalog_from(rows[i].catalog);
        for (size_t max = 1; max < 10; max++) {
            struct ax_catalog_walk walk = { 0 };
            struct met met = { 0 };
            while (walk_on(&walk, catalog, max, &met))
                ;
            assert_string_equal(met.text, rows[i].met);
            assert_false(walk_on(&walk, catalog, max, &met));
        }
        ax_catalog_free(catalog);
    }
}

static void the_catalog_changes_between_steps(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        size_t max; /* of the first step */
        const char *met;
    } rows[] = {
        /* What was met is not met again, and what is behind it is, also when it is new. */
        { "a:1,2 b:1", "a:1,2,3 b:1 c:1", 1, "a/1 a/2 a/3 b/1 c/1" },
        { "a:2 b:1", "a:1,2 b:1", 1, "a/2 b/1" },
        { "a:1,5 b:1", "a:1,3,5 b:1", 1, "a/1 a/3 a/5 b/1" },
        /* What it stands behind, or on, is gone. */
        { "a:1,2 b:1", "a:2 b:1", 1, "a/1 a/2 b/1" },
        { "a:1,2 b:1", "a:1 b:1", 1, "a/1 b/1" },
        { "a:1,2 b:1", "b:1", 1, "a/1 b/1" },
        { "a:1 b:1,2 c:1", "a:1 c:1", 2, "a/1 b/1 c/1" },
        { "b:1 c:1", "a:1 b:1 bb:4 c:1", 1, "b/1 bb/4 c/1" },
        { "a:1 b:1", "", 1, "a/1" },
        { "a:1 b:1", "a:1", 2, "a/1 b/1" },
        /* A model loses its versions, or gets some: it was met. */
        { "a:1 b:1", "a: b:1", 1, "a/1 b/1" },
        { "a: b:1", "a:1,2 b:1", 1, "a/ b/1" },
        { "", "a:1", 0, "a/1" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_catalog *before = catalog_from(rows[i].before);
        struct ax_catalog *after = catalog_from(rows[i].after);
        struct ax_catalog_walk walk = { 0 };
        struct met met = { 0 };
        assert_true(walk_on(&walk, before, rows[i].max, &met));
        ax_catalog_free(before);
        assert_false(walk_on(&walk, after, 100, &met));
        assert_string_equal(met.text, rows[i].met);
        ax_catalog_free(after);
    }
}

static void a_walk_begins_where_it_is_told_to(void **state)
{
    (void)state;
    char long_name[AX_MODEL_NAME_BYTES_MAX + 100];
    memset(long_name, 'z', sizeof(long_name));
    struct ax_catalog *catalog = catalog_from("a:1,2 c:3 e:");
    const struct {
        struct ax_str model;
        const char *met;
    } rows[] = {
        { AX_STR(""), "a/1 a/2 c/3 e/" },
        { AX_STR("a"), "a/1 a/2 c/3 e/" },
        { AX_STR("b"), "c/3 e/" },
        { AX_STR("c"), "c/3 e/" },
        { AX_STR("e"), "e/" },
        { AX_STR("f"), "" },
        { { long_name, sizeof(long_name) }, "" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_catalog_walk walk = { 0 };
        struct met met = { 0 };
        ax_catalog_walk_seek(&walk, rows[i].model);
        while (walk_on(&walk, catalog, 1, &met))
            ;
        assert_string_equal(met.text, rows[i].met);
    }
    ax_catalog_free(catalog);
}

static void models_alone(void **state)
{
    (void)state;
    struct ax_catalog *catalog = catalog_from("a:1,2 b: c:3");
    struct ax_catalog_walk walk = { 0 };
    const struct ax_catalog_model *model;
    char names[16] = "";
    size_t count = 0;
    /* A step a model. */
    for (ax_catalog_walk_enter(&walk, catalog); ax_catalog_walk_next_model(&walk, &model);
         ax_catalog_walk_enter(&walk, catalog))
        names[count++] = model->name[0];
    assert_string_equal(names, "abc");
    ax_catalog_free(catalog);
}

static void versions_are_found_by_their_text(void **state)
{
    (void)state;
    struct ax_catalog *catalog = catalog_from("a:1,2,3,10,11,500 b:");
    static const struct {
        const char *model, *version;
        bool found;
    } rows[] = {
        { "a", "1", true },    { "a", "2", true },
        { "a", "10", true },   { "a", "500", true },
        { "a", "01", false },  { "a", "4", false },
        { "a", "501", false }, { "a", "0", false },
        { "a", "", false },    { "a", "x", false },
        { "a", "1 ", false },  { "b", "1", false },
        { "c", "1", false },   { "a", "99999999999999999999", false },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        const struct ax_catalog_version *version =
            ax_catalog_listed(catalog, ax_str_from(rows[i].model), ax_str_from(rows[i].version));
        assert_int_equal(version != NULL, rows[i].found);
        if (version)
            assert_string_equal(version->text, rows[i].version);
    }
    /* Requests know what the policy wants. */
    struct ax_catalog_model *model = ax_map_get(&catalog->models, AX_STR("a"));
    assert_string_equal(ax_catalog_find(catalog, AX_STR("a"), AX_STR("10"))->text, "10");
    model->versions[3].is_target = false;
    assert_null(ax_catalog_find(catalog, AX_STR("a"), AX_STR("10")));
    assert_non_null(ax_catalog_listed(catalog, AX_STR("a"), AX_STR("10")));
    assert_string_equal(ax_catalog_find(catalog, AX_STR("a"), AX_STR(""))->text, "500");
    assert_null(ax_catalog_find(catalog, AX_STR("b"), AX_STR("")));
    ax_catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_any_length),
        cmocka_unit_test(the_catalog_changes_between_steps),
        cmocka_unit_test(a_walk_begins_where_it_is_told_to),
        cmocka_unit_test(models_alone),
        cmocka_unit_test(versions_are_found_by_their_text),
    };
    return cmocka_run_group_tests_name("server/catalog_walk", tests, NULL, NULL);
}
