/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: `auspex features` prints the catalogue and the lineage of what is in it, finds what is
 * named, and runs in no circle. Method: a registry with planes, weather, a service in two versions
 * and trained models; the printed texts whole. What a feature may reach and may not is the point of
 * the lineage's cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/features_catalogue.h"

#include "test_folder.h"

#include <stdio.h>

#define FOUR(text)          text text text text
#define DIGEST(text)        FOUR(FOUR(FOUR(text)))
#define FEATURE(name, type) { { (name), sizeof(name) - 1 }, { (type), sizeof(type) - 1 }, false }
#define EDGE(feature, kind, name, part)     \
    {                                       \
        { (feature), sizeof(feature) - 1 }, \
        { (kind), sizeof(kind) - 1 },       \
        { (name), sizeof(name) - 1 },       \
        { (part), sizeof(part) - 1 },       \
    }

static const struct ax_registry_feature entity_keys[] = { FEATURE("tailnum", "string") };
static const struct ax_registry_feature source_columns[] = { FEATURE("tailnum", "string"),
                                                             FEATURE("year", "int64"),
                                                             FEATURE("seats", "int64") };
static const struct ax_registry_edge source_edges[] = { EDGE("", "file", "data/planes.csv", "") };
static const struct ax_registry_feature view_fields[] = {
    FEATURE("built", "int64"),
    { { "seats", 5 }, { "float32", 7 }, true },
    FEATURE("rows", "int64"), /* count(*) over 1h, as it were */
};
static const struct ax_registry_edge view_edges[] = {
    EDGE("", "entity", "aircraft", ""),         EDGE("", "source", "planes", ""),
    EDGE("", "source", "planes", "tailnum"),    EDGE("built", "source", "planes", "year"),
    EDGE("seats", "source", "planes", "seats"), EDGE("rows", "source", "planes", ""),
};
static const struct ax_registry_feature old_inputs[] = { FEATURE("seats", "float32") };
static const struct ax_registry_edge old_edges[] = { EDGE("seats", "view", "plane", "seats") };
static const struct ax_registry_feature new_inputs[] = { FEATURE("built", "int64"),
                                                         FEATURE("age", "int64") };
static const struct ax_registry_edge new_edges[] = {
    EDGE("built", "view", "plane", "built"),
    EDGE("age", "service", "pushback", "built"),
};
static const struct ax_registry_edge model_edges[] = { EDGE("", "service", "pushback", "") };

static struct ax_registry *registry;
static struct ax_arena arena;
static struct ax_features_catalogue catalogue;

static struct ax_registry_object object_of(enum ax_registry_kind kind, const char *name,
                                           const char *definition)
{
    struct ax_registry_object object = { .kind = kind,
                                         .name = ax_str_from(name),
                                         .definition = ax_str_from(definition),
                                         .place = AX_STR("f.yaml:3") };
    memset(object.digest, definition[2], AX_SHA256_TEXT_SIZE - 1);
    return object;
}

static void apply(uint64_t after, const struct ax_registry_object *const *objects, size_t count)
{
    struct ax_err err = AX_ERR_INIT;
    uint64_t number;
    const struct ax_registry_change change = { .after = after,
                                               .applied_at_us =
                                                   1700000000000000 + (int64_t)after * 60000000,
                                               .who = AX_STR("ana@host"),
                                               .command = AX_STR("auspex apply"),
                                               .put = objects,
                                               .put_count = count };
    if (ax_registry_apply(registry, &change, &number, &err))
        fail_msg("%s", err.msg);
}

static void fill(void)
{
    struct ax_registry_object entity = object_of(AX_REGISTRY_ENTITY, "aircraft", "{\"e\":1}");
    struct ax_registry_object source = object_of(AX_REGISTRY_SOURCE, "planes", "{\"s\":1}");
    struct ax_registry_object view = object_of(AX_REGISTRY_VIEW, "plane", "{\"v\":1}");
    struct ax_registry_object old = object_of(AX_REGISTRY_SERVICE, "pushback", "{\"o\":1}");
    struct ax_registry_object new = object_of(AX_REGISTRY_SERVICE, "pushback", "{\"n\":1}");
    struct ax_registry_object model = object_of(AX_REGISTRY_MODEL, "delay", "{\"m\":1}");
    entity.features = entity_keys;
    entity.feature_count = AX_COUNT(entity_keys);
    source.features = source_columns;
    source.feature_count = AX_COUNT(source_columns);
    source.edges = source_edges;
    source.edge_count = AX_COUNT(source_edges);
    view.features = view_fields;
    view.feature_count = AX_COUNT(view_fields);
    view.edges = view_edges;
    view.edge_count = AX_COUNT(view_edges);
    old.features = old_inputs;
    old.feature_count = AX_COUNT(old_inputs);
    old.edges = old_edges;
    old.edge_count = AX_COUNT(old_edges);
    new.features = new_inputs;
    new.feature_count = AX_COUNT(new_inputs);
    new.edges = new_edges;
    new.edge_count = AX_COUNT(new_edges);
    model.edges = model_edges;
    model.edge_count = AX_COUNT(model_edges);
    apply(0, (const struct ax_registry_object *const[]){ &entity, &source, &view, &old, &model },
          5);
    apply(1, (const struct ax_registry_object *const[]){ &new }, 1);
    static const uint64_t trained_with[] = { 1, 1, 2 };
    for (size_t i = 0; i < AX_COUNT(trained_with); i++) {
        struct ax_err err = AX_ERR_INIT;
        const struct ax_registry_model_version version = { .model = AX_STR("delay"),
                                                           .number = i + 1,
                                                           .service = AX_STR("pushback"),
                                                           .service_version = trained_with[i] };
        assert_int_equal(ax_registry_put_model_version(registry, &version, &err), AX_OK);
    }
}

static int set_up(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    if (make_folder(state) || ax_registry_open(folder, AX_REGISTRY_WRITE, &registry, &err))
        return -1;
    ax_arena_init(&arena, 4096, (size_t)64 << 20);
    fill();
    catalogue = (struct ax_features_catalogue){ .registry = registry, .arena = &arena };
    return ax_registry_read(registry, &arena, &catalogue.objects, &err) ||
                   ax_plan_uses(registry, &catalogue.objects, &catalogue.objects, &arena,
                                &catalogue.uses, &catalogue.use_count, &err)
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    ax_registry_close(registry);
    ax_arena_done(&arena);
    return remove_folder(state);
}

/* The digest of all is looked at by a test of its own. */
static void drop_whole_digest(struct ax_buf *out)
{
    static const char begin[] = "  with all    ";
    char *line = memmem(out->ptr, out->len, begin, sizeof(begin) - 1);
    if (!line)
        return;
    char *end = memchr(line, '\n', (size_t)(out->ptr + out->len - line));
    assert_non_null(end);
    memmove(line, end + 1, (size_t)(out->ptr + out->len - end - 1));
    out->len -= (size_t)(end + 1 - line);
}

static void expect_text(const struct ax_buf *out, const char *expected)
{
    if (!ax_str_is(ax_buf_str(out), expected))
        fail_msg("printed:\n%.*s\ninstead of:\n%s", AX_STR_ARG(ax_buf_str(out)), expected);
}

static void lists_what_is_applied(void **state)
{
    (void)state;
    static const struct {
        int listed;
        bool json;
        const char *text;
    } cases[] = {
        { AX_FEATURES_LIST_FEATURES, false,
          "FEATURE                                  TYPE           ENTITY           SOURCE\n"
          "plane.built                              int64          aircraft         planes\n"
          "plane.seats                              float32        aircraft         planes"
          "  deprecated\n"
          "plane.rows                               int64          aircraft         planes\n" },
        { AX_FEATURES_LIST_FEATURES, true,
          "{\"view\":\"plane\",\"name\":\"built\",\"type\":\"int64\",\"entity\":\"aircraft\","
          "\"source\":\"planes\",\"deprecated\":false}\n"
          "{\"view\":\"plane\",\"name\":\"seats\",\"type\":\"float32\",\"entity\":\"aircraft\","
          "\"source\":\"planes\",\"deprecated\":true}\n"
          "{\"view\":\"plane\",\"name\":\"rows\",\"type\":\"int64\",\"entity\":\"aircraft\","
          "\"source\":\"planes\",\"deprecated\":false}\n" },
        { AX_FEATURES_LIST_OBJECTS + AX_REGISTRY_SERVICE, false,
          "NAME                     VERSION FEATURES  APPLIED               PLACE\n"
          "pushback                       2        2  2023-11-14T22:14:20Z  f.yaml:3\n" },
        { AX_FEATURES_LIST_APPLIES, false,
          "APPLY  AT                     ADDED CHANGED DROPPED  BY                   COMMAND\n"
          "    2  2023-11-14T22:14:20Z       0       1       0  ana@host             auspex apply\n"
          "    1  2023-11-14T22:13:20Z       5       0       0  ana@host             auspex "
          "apply\n" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf out;
        ax_buf_init(&out, (size_t)1 << 20);
        assert_int_equal(ax_features_list(&catalogue, cases[i].listed, cases[i].json, &out, &err),
                         AX_OK);
        expect_text(&out, cases[i].text);
        ax_buf_done(&out);
    }
}

/* Each with what is in it once, in text or as JSON. */
static void shows_one_thing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t version;
        bool json;
        const char *text;
    } cases[] = {
        { "plane.seats", 0, false,
          "view plane.seats\n"
          "  version     1\n"
          "  applied     2023-11-14T22:13:20Z by ana@host\n"
          "  place       f.yaml:3\n"
          "  digest      " DIGEST("v") "\n"
                                       "  features\n"
                                       "    seats                    float32        from source "
                                       "planes.seats  deprecated\n" },
        { "planes", 0, false,
          "source planes\n"
          "  version     1\n"
          "  applied     2023-11-14T22:13:20Z by ana@host\n"
          "  place       f.yaml:3\n"
          "  digest      " DIGEST("s") "\n"
                                       "  made from   file data/planes.csv\n"
                                       "  features\n"
                                       "    tailnum                  string        \n"
                                       "    year                     int64         \n"
                                       "    seats                    int64         \n"
                                       "  used by\n"
                                       "    view plane: built, seats, rows\n"
                                       "  versions\n"
                                       "    1    applied 2023-11-14T22:13:20Z (apply 1), in force\n"
                                       "  definition\n"
                                       "    {\"s\":1}\n" },
        { "planes.year", 0, false,
          "source planes.year\n"
          "  version     1\n"
          "  applied     2023-11-14T22:13:20Z by ana@host\n"
          "  place       f.yaml:3\n"
          "  digest      " DIGEST("s") "\n"
                                       "  features\n"
                                       "    year                     int64         \n"
                                       "  used by\n"
                                       "    view plane: built\n" },
        { "pushback", 0, false,
          "service pushback\n"
          "  version     2\n"
          "  applied     2023-11-14T22:14:20Z by ana@host\n"
          "  place       f.yaml:3\n"
          "  digest      " DIGEST(
              "n") "\n"
                   "  features\n"
                   "    built                    int64          from view plane.built\n"
                   "    age                      int64          from service pushback.built\n"
                   "  used by\n"
                   "    model delay\n"
                   "    model delay, trained versions 1, 2: version 1\n"
                   "    model delay, trained versions 3: version 2\n"
                   "  versions\n"
                   "    1    applied 2023-11-14T22:13:20Z (apply 1)\n"
                   "    2    applied 2023-11-14T22:14:20Z (apply 2), in force\n"
                   "  definition\n"
                   "    {\"n\":1}\n" },
        { "service:pushback", 1, true,
          "{\"kind\":\"service\",\"name\":\"pushback\",\"version\":1,\"digest\":\"" DIGEST(
              "o") "\",\"place\":\"f.yaml:3\",\"applied_at\":\"2023-11-14T22:13:20.000000Z\","
                   "\"applied_by\":\"ana@host\",\"in_force\":false,\"deprecated\":false,"
                   "\"features\":[{\"name\":\"seats\",\"type\":\"float32\",\"deprecated\":false}],"
                   "\"made_from\":[{\"feature\":\"seats\",\"kind\":\"view\",\"name\":\"plane\","
                   "\"part\":\"seats\"}],\"used_by\":[{\"kind\":\"model\",\"name\":\"delay\"}],"
                   "\"trained\":[{\"model\":\"delay\",\"versions\":\"1, 2\",\"service_version\":1},"
                   "{\"model\":\"delay\",\"versions\":\"3\",\"service_version\":2}],"
                   "\"versions\":[{\"version\":1,\"digest\":\"" DIGEST(
                       "o") "\",\"applied_at\":\"2023-11-14T22:13:20.000000Z\",\"apply\":1,"
                            "\"ended_by\":2},{\"version\":2,\"digest\":\"" DIGEST(
                                "n") "\","
                                     "\"applied_at\":\"2023-11-14T22:14:20.000000Z\",\"apply\":2}],"
                                     "\"definition\":{\"o\":1}}\n" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf out;
        const struct ax_features_name name = ax_features_name_parse(ax_str_from(cases[i].name));
        ax_buf_init(&out, (size_t)1 << 20);
        assert_int_equal(
            ax_features_show(&catalogue, &name, cases[i].version, cases[i].json, &out, &err),
            AX_OK);
        drop_whole_digest(&out);
        expect_text(&out, cases[i].text);
        ax_buf_done(&out);
    }
}

static void finds_lineage(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum ax_features_form form;
        const char *text;
    } cases[] = {
        { NULL, AX_FEATURES_TEXT,
          "entity aircraft -> view plane\n"
          "source planes -> view plane\n"
          "file data/planes.csv -> source planes\n"
          "view plane -> service pushback\n"
          "view plane -> service pushback@1\n"
          "service pushback -> model delay (versions 1, 2, 3)\n"
          "service pushback@1 -> model delay (versions 1, 2, 3)\n" },
        { "plane", AX_FEATURES_TEXT,
          "view plane\n"
          "  from\n"
          "    entity aircraft\n"
          "    source planes\n"
          "      file data/planes.csv\n"
          "  into\n"
          "    service pushback\n"
          "      model delay (versions 1, 2, 3)\n"
          "    service pushback@1\n"
          "      model delay (versions 1, 2, 3) (see above)\n" },
        /* A feature reaches what is made from it, and nothing that only shares its view. */
        { "planes.seats", AX_FEATURES_TEXT,
          "source planes.seats\n"
          "  from\n"
          "    source planes\n"
          "      file data/planes.csv\n"
          "  into\n"
          "    view plane.seats\n"
          "      service pushback@1.seats\n"
          "        service pushback@1\n"
          "          model delay (versions 1, 2, 3)\n" },
        /* A key reaches all fields, since without it none has a value. */
        { "planes.tailnum", AX_FEATURES_TEXT,
          "source planes.tailnum\n"
          "  from\n"
          "    source planes\n"
          "      file data/planes.csv\n"
          "  into\n"
          "    view plane\n"
          "      view plane.built\n"
          "        service pushback.built\n"
          "          service pushback\n"
          "            model delay (versions 1, 2, 3)\n"
          "          service pushback.age\n"
          "            service pushback (see above)\n"
          "      view plane.seats\n"
          "        service pushback@1.seats\n"
          "          service pushback@1\n"
          "            model delay (versions 1, 2, 3) (see above)\n"
          "      view plane.rows\n" },
        { "plane.rows", AX_FEATURES_TEXT,
          "view plane.rows\n"
          "  from\n"
          "    source planes\n"
          "      file data/planes.csv\n"
          "    view plane\n"
          "      entity aircraft\n"
          "        entity aircraft.tailnum\n"
          "      source planes (see above)\n"
          "      source planes.tailnum\n"
          "        source planes (see above)\n" },
        { "pushback.age", AX_FEATURES_TEXT,
          "service pushback.age\n"
          "  from\n"
          "    service pushback.built\n"
          "      view plane.built\n"
          "        source planes.year\n"
          "          source planes\n"
          "            file data/planes.csv\n"
          "        view plane\n"
          "          entity aircraft\n"
          "            entity aircraft.tailnum\n"
          "          source planes (see above)\n"
          "          source planes.tailnum\n"
          "            source planes (see above)\n"
          "  into\n"
          "    service pushback\n"
          "      model delay (versions 1, 2, 3)\n" },
        { "file:data/planes.csv", AX_FEATURES_DOT,
          "digraph lineage {\n  rankdir=LR;\n"
          "  n0 [shape=cylinder, label=\"source\\nplanes\"];\n"
          "  n1 [shape=note, label=\"file\\ndata/planes.csv\"];\n"
          "  n2 [shape=box, label=\"view\\nplane\"];\n"
          "  n3 [shape=box3d, label=\"service\\npushback\"];\n"
          "  n4 [shape=component, label=\"model\\ndelay\\nversions 1, 2, 3\"];\n"
          "  n5 [shape=box3d, label=\"service\\npushback@1\"];\n"
          "  n0 -> n2;\n  n1 -> n0;\n  n2 -> n3;\n  n2 -> n5;\n  n3 -> n4;\n  n5 -> n4;\n}\n" },
        { "aircraft", AX_FEATURES_JSON,
          "{\"nodes\":[{\"kind\":\"entity\",\"name\":\"aircraft\"},"
          "{\"kind\":\"view\",\"name\":\"plane\"},{\"kind\":\"service\",\"name\":\"pushback\"},"
          "{\"kind\":\"model\",\"name\":\"delay\",\"versions\":\"1, 2, 3\"},"
          "{\"kind\":\"service\",\"name\":\"pushback@1\"}],\"edges\":[{\"from\":0,\"to\":1},"
          "{\"from\":1,\"to\":2},{\"from\":1,\"to\":4},{\"from\":2,\"to\":3},"
          "{\"from\":4,\"to\":3}]}\n" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf out;
        struct ax_features_name name = { 0 };
        if (cases[i].name)
            name = ax_features_name_parse(ax_str_from(cases[i].name));
        ax_buf_init(&out, (size_t)1 << 20);
        assert_int_equal(ax_features_lineage(&catalogue, cases[i].name ? &name : NULL,
                                             cases[i].form, &out, &err),
                         AX_OK);
        expect_text(&out, cases[i].text);
        ax_buf_done(&out);
    }
}

static void finds_files_of_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool means;
    } cases[] = {
        { "day/2024/x.parquet", "day/2024/x.parquet", true },
        { "day/*/*.parquet", "day/2024/x.parquet", true },
        { "day/*.parquet", "day/2024/x.parquet", false },
        { "day/**/*.parquet", "day/2024/01/x.parquet", true },
        { "day/x?.csv", "day/x1.csv", true },
        { "day/x?.csv", "day/x12.csv", false },
        { "day/x[1].csv", "day/x[1].csv", true },
        { "day/x.csv", "day/x*", false },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++)
        if (ax_lineage_means(ax_str_from(cases[i].pattern), ax_str_from(cases[i].path)) !=
            cases[i].means)
            fail_msg("%s, %s", cases[i].pattern, cases[i].path);
}

static void tells_what_is_not_there(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t version;
        const char *says;
    } cases[] = {
        { "plan", 0, "'plan' is not applied; nearest is 'plane'" },
        { "plane.sets", 0, "'plane' has no 'sets'; nearest is 'seats'" },
        { "model:plane", 0, "'model:plane' is not applied; auspex features list tells what is" },
        { "", 0, "'' is not applied; " },
        { "plane", 7, "'plane' has no version 7" },
        { "table:plane", 2, "'table:plane' has no version 2" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf out;
        const struct ax_features_name name = ax_features_name_parse(ax_str_from(cases[i].name));
        ax_buf_init(&out, (size_t)1 << 20);
        assert_int_equal(ax_features_show(&catalogue, &name, cases[i].version, false, &out, &err),
                         AX_E_NOT_FOUND);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("'%s' gave: %s", cases[i].name, err.msg);
        ax_err_clear(&err);
        if (!cases[i].version)
            assert_int_equal(ax_features_lineage(&catalogue, &name, AX_FEATURES_TEXT, &out, &err),
                             AX_E_NOT_FOUND);
        assert_int_equal(out.len, 0);
        ax_buf_done(&out);
    }
}

static void whole_digest(const struct ax_registry_catalogue *objects, const char *name,
                         enum ax_registry_kind kind, char ret_digest[AX_SHA256_TEXT_SIZE])
{
    struct ax_err err = AX_ERR_INIT;
    const struct ax_registry_object *object = ax_registry_find(objects, kind, ax_str_from(name));
    assert_non_null(object);
    assert_int_equal(ax_lineage_digest(objects, object, &arena, ret_digest, &err), AX_OK);
}

#define VIEW                                                            \
    "{\"ttl\":1,\"fields\":{\"built\":{\"expr\":\"year\"},\"rows\":1}," \
    "\"notes\":{\"a\":1}}"
#define SOURCE "{\"time\":1,\"columns\":{\"seats\":1,\"tailnum\":1,\"year\":1},\"notes\":{}}"

/* The digest with all changes with what a thing is made from, and with nothing else: of the view
 * and the source with the field `built` and the columns `tailnum` and `year`. */
static void digests_what_it_is_made_from(void **state)
{
    (void)state;
    enum { ENTITY, SOURCE_AT, VIEW_AT, SERVICE, MODEL, OBJECTS };
    static const struct {
        size_t object;
        const char *definition; /* NULL: its digest is another one */
        bool is_changed;
    } cases[] = {
        { ENTITY, NULL, true },
        { SERVICE, NULL, true },
        { MODEL, NULL, false },
        { VIEW_AT, NULL, false },
        { VIEW_AT, "{\"ttl\":2,\"fields\":{\"built\":{\"expr\":\"year\"}}}", true },
        { VIEW_AT, "{\"ttl\":1,\"fields\":{\"built\":{\"expr\":\"2013\"},\"rows\":1}}", true },
        { VIEW_AT, "{\"ttl\":1,\"fields\":{\"built\":{\"expr\":\"year\"},\"rows\":2}}", false },
        { VIEW_AT, "{\"ttl\":1,\"fields\":{\"built\":{\"expr\":\"year\"},\"more\":2}}", false },
        { VIEW_AT, "{\"ttl\":1,\"fields\":{\"built\":{\"expr\":\"year\"}},\"notes\":{}}", false },
        { SOURCE_AT, "{\"time\":2,\"columns\":{\"tailnum\":1,\"year\":1}}", true },
        { SOURCE_AT, "{\"time\":1,\"columns\":{\"tailnum\":2,\"year\":1}}", true },
        { SOURCE_AT, "{\"time\":1,\"columns\":{\"tailnum\":1,\"year\":2}}", true },
        { SOURCE_AT, "{\"time\":1,\"columns\":{\"seats\":2,\"tailnum\":1,\"year\":1}}", false },
        { SOURCE_AT, "{\"time\":1,\"columns\":{\"tailnum\":1,\"year\":1,\"zone\":1}}", false },
    };
    struct ax_registry_object objects[OBJECTS], base[OBJECTS];
    char before[AX_SHA256_TEXT_SIZE], after[AX_SHA256_TEXT_SIZE];
    const struct ax_registry_catalogue changed = { .objects = objects, .object_count = OBJECTS };
    assert_int_equal(catalogue.objects.object_count, OBJECTS);
    memcpy(base, catalogue.objects.objects, sizeof(base));
    base[VIEW_AT].definition = AX_STR(VIEW);
    base[SOURCE_AT].definition = AX_STR(SOURCE);
    memcpy(objects, base, sizeof(base));
    whole_digest(&changed, "pushback", AX_REGISTRY_SERVICE, before);
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        memcpy(objects, base, sizeof(base));
        if (cases[i].definition)
            objects[cases[i].object].definition = ax_str_from(cases[i].definition);
        else
            objects[cases[i].object].digest[7] ^= 1;
        whole_digest(&changed, "pushback", AX_REGISTRY_SERVICE, after);
        if ((strcmp(before, after) != 0) != cases[i].is_changed)
            fail_msg("case %zu", i);
    }
}

/* No apply of ours makes a circle, a damaged or foreign registry may. */
static void runs_in_no_circle(void **state)
{
    (void)state;
    static const struct ax_registry_edge circle[][2] = {
        { EDGE("", "view", "b", ""), EDGE("", "view", "a", "") },
        { EDGE("", "view", "a", ""), EDGE("", "view", "b", "") },
    };
    struct ax_registry_object objects[] = { object_of(AX_REGISTRY_VIEW, "a", "{\"a\":1}"),
                                            object_of(AX_REGISTRY_VIEW, "b", "{\"b\":1}") };
    for (size_t i = 0; i < 2; i++) {
        objects[i].edges = circle[i];
        objects[i].edge_count = 2;
    }
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf out;
    struct ax_features_catalogue circular = catalogue;
    const struct ax_features_name name = ax_features_name_parse(AX_STR("a"));
    circular.objects = (struct ax_registry_catalogue){ .objects = objects, .object_count = 2 };
    circular.use_count = 0;
    ax_buf_init(&out, (size_t)1 << 20);
    assert_int_equal(ax_features_lineage(&circular, &name, AX_FEATURES_TEXT, &out, &err), AX_OK);
    expect_text(&out, "view a\n  from\n    view b\n  into\n    view b\n");
    char digest[AX_SHA256_TEXT_SIZE];
    whole_digest(&circular.objects, "a", AX_REGISTRY_VIEW, digest);
    ax_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_what_is_applied),   cmocka_unit_test(shows_one_thing),
        cmocka_unit_test(finds_lineage),           cmocka_unit_test(finds_files_of_patterns),
        cmocka_unit_test(tells_what_is_not_there), cmocka_unit_test(digests_what_it_is_made_from),
        cmocka_unit_test(runs_in_no_circle),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
