/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what is written as model.yaml reads back as what was meant, whatever texts are in it.
 * Method: print versions with texts that mean something to YAML, parse them, walk the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "pipeline/version_writer.h"

#include <stdio.h>

/* Quotes, structure, line ends of YAML's own (U+0085, U+2028, U+2029), a byte order mark, DEL. */
static const struct ax_str nasty[] = {
    { "", 0 },
    { "null", 4 },
    { "0123", 4 },
    { "- a: [b, {c}] # d", 17 },
    { "\"q\" 'q' \\ / \t\n\r", 14 },
    { "a\xc2\x85z\xe2\x80\xa8z\xe2\x80\xa9z", 12 },
    { "\xef\xbb\xbf\xef\xbf\xbe\x7f\xc2\x80\x01", 10 },
    { "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x9b\xab", 11 },
};

static struct ax_train_column columns[] = { { .name = { "- x: \"1\"", 8 }, .required = true },
                                            { .name = { "c", 1 } } };
static char objective[] = "multi:softprob";
static char objective_name[] = "objective";
static struct ax_trainer_param params[] = { { objective_name, objective } };
static double gains[] = { 1.5, 0 };

static struct ax_train_spec spec = {
    .name = { "m", 1 },
    .description = { "what: 'it' is", 13 },
    .columns = columns,
    .column_count = 2,
    .unknown_category_is_missing = true,
    .query = { "SELECT 1 -- #\nORDER BY 1", 24 },
    .at = { "t", 1 },
    .label = { "y > 1", 5 },
    .weight = { "", 0 },
    .params = params,
    .param_count = 1,
};

static struct ax_training_column made[] = {
    { .name = { "- x: \"1\"", 8 }, .type = AX_SQL_F64 },
    { .name = { "c", 1 }, .type = AX_SQL_TEXT },
};

static struct ax_training_set set = {
    .columns = made, .column_count = 2, .rows_read = 9, .rows_unlabelled = 2
};

static const struct ax_service_input service_inputs[] = {
    { .name = { "- x: \"1\"", 8 }, .storage = { AX_STORAGE_FLOAT32, false } },
    { .name = { "c", 1 }, .storage = { AX_STORAGE_STRING, false } },
};
static const struct ax_service service = { .name = { "pushback", 8 },
                                           .inputs = service_inputs,
                                           .input_count = 2 };
static struct ax_training_service found = { .digest = "abc", .version = 7 };
static const struct ax_training_history history = { .rows = 11, .digest = "def" };

static const struct ax_yaml *print_and_parse(const struct ax_trainer_result *result,
                                             struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf out;
    struct ax_yaml *root = NULL;
    ax_buf_init(&out, 65536);
    made[1].categories = (struct ax_str *)(uintptr_t)nasty;
    made[1].category_count = AX_COUNT(nasty);
    set.label.categories = (struct ax_str *)(uintptr_t)nasty;
    set.label.category_count = 3;
    struct ax_version_facts facts = {
        .spec = &spec,
        .set = &set,
        .service = &found,
        .history = &history,
        .result = result,
        .threads = 2,
        .metrics = AX_STR("{\"rows\":3,\"auc\":null,\"b\":[1.5]}"),
    };
    assert_int_equal(ax_version_print(&facts, &out, &err), AX_OK);
    if (ax_yaml_parse(ax_buf_str(&out), "model.yaml", arena, &root, &err))
        fail_msg("%s in\n%.*s", err.msg, (int)out.len, out.ptr);
    ax_buf_done(&out);
    return root;
}

static void assert_texts(const struct ax_yaml *list, size_t count)
{
    assert_non_null(list);
    assert_int_equal(list->count, count);
    const struct ax_yaml *node = list->first;
    for (size_t i = 0; i < count; i++, node = node->next)
        if (!ax_str_equals(node->text, nasty[i]) || !node->quoted)
            fail_msg("text %zu came back as '%s'", i, node->text.ptr);
}

static void texts_come_back(void **state)
{
    (void)state;
    struct ax_arena arena;
    ax_arena_init(&arena, 4096, 1 << 20);
    const struct ax_yaml *root = print_and_parse(NULL, &arena);
    const struct ax_yaml *signature = ax_yaml_get(root, "signature");
    const struct ax_yaml *inputs = ax_yaml_get(signature, "inputs");
    assert_true(ax_str_is(ax_yaml_get(root, "description")->text, "what: 'it' is"));
    assert_true(ax_str_is(ax_yaml_get(signature, "unknown_category")->text, "missing"));
    assert_true(ax_str_is(ax_yaml_get(inputs->first, "name")->text, "- x: \"1\""));
    assert_true(ax_str_is(ax_yaml_get(inputs->first, "required")->text, "true"));
    assert_null(ax_yaml_get(inputs->first, "categories"));
    assert_texts(ax_yaml_get(inputs->first->next, "categories"), AX_COUNT(nasty));
    assert_texts(ax_yaml_get(signature, "labels"), 3);
    assert_null(ax_yaml_get(root, "training"));
    ax_arena_done(&arena);
}

static void training_block(void **state)
{
    (void)state;
    struct ax_arena arena;
    struct ax_trainer_result result = { .rounds_run = 9,
                                        .rounds_kept = 7,
                                        .metric = "mlogloss",
                                        .gains = gains,
                                        .library = "xgboost 1.2.3" };
    ax_arena_init(&arena, 4096, 1 << 20);
    const struct ax_yaml *root = print_and_parse(&result, &arena);
    const struct ax_yaml *training = ax_yaml_get(root, "training");
    assert_true(ax_str_equals(ax_yaml_get(training, "query")->text, spec.query));
    assert_true(ax_str_is(ax_yaml_get(ax_yaml_get(training, "rows"), "read")->text, "9"));
    assert_true(ax_str_is(ax_yaml_get(ax_yaml_get(training, "rounds"), "kept")->text, "7"));
    assert_true(ax_str_is(ax_yaml_get(ax_yaml_get(training, "params"), "objective")->text,
                          "multi:softprob"));
    assert_true(ax_yaml_is_null(ax_yaml_get(ax_yaml_get(training, "metrics"), "auc")));
    assert_true(ax_str_is(ax_yaml_get(ax_yaml_get(training, "gain"), "- x: \"1\"")->text, "1.5"));
    assert_int_equal(ax_yaml_get(training, "parts")->count, AX_PART_COUNT);
    assert_null(ax_yaml_get(training, "weight"));
    ax_arena_done(&arena);
}

/* Numbers and truths stay bare, everything else becomes a quoted text; empty lists and nesting. */
static void decision_is_copied(void **state)
{
    (void)state;
    struct ax_arena arena;
    struct ax_yaml *tree = NULL;
    struct ax_err err = AX_ERR_INIT;
    ax_arena_init(&arena, 4096, 1 << 20);
    assert_int_equal(
        ax_yaml_parse(AX_STR("{thresholds: [{at_least: 0.7, action: 'true'}, {at_least: -.inf, "
                             "action: a b}], otherwise: {}, list: [[], [true, \"1\"]]}"),
                      "t", &arena, &tree, &err),
        AX_OK);
    spec.decision = tree;
    const struct ax_yaml *decision = ax_yaml_get(print_and_parse(NULL, &arena), "decision");
    spec.decision = NULL;
    const struct ax_yaml *first = ax_yaml_get(decision, "thresholds")->first;
    assert_true(ax_str_is(ax_yaml_get(first, "at_least")->text, "0.7"));
    assert_false(ax_yaml_get(first, "at_least")->quoted);
    assert_true(ax_yaml_get(first, "action")->quoted);
    assert_true(ax_str_is(ax_yaml_get(first->next, "at_least")->text, "-.inf"));
    assert_true(ax_str_is(ax_yaml_get(first->next, "action")->text, "a b"));
    assert_int_equal(ax_yaml_get(decision, "otherwise")->kind, AX_YAML_MAP);
    const struct ax_yaml *list = ax_yaml_get(decision, "list");
    assert_int_equal(list->count, 2);
    assert_int_equal(list->first->count, 0);
    assert_true(!list->first->next->first->quoted && list->first->next->first->next->quoted);
    ax_arena_done(&arena);
}

/* What a server needs to ask the service: only of a model that has one, and of a whole version. */
static void service_comes_back(void **state)
{
    (void)state;
    double both[] = { 1, 2 };
    const struct ax_trainer_result result = { .gains = both, .library = "l", .metric = "m" };
    struct ax_arena arena;
    ax_arena_init(&arena, 4096, 1 << 20);
    assert_null(ax_yaml_get(print_and_parse(&result, &arena), "service"));
    spec.service = &service;
    spec.label_known_at = AX_STR("k");
    assert_null(ax_yaml_get(print_and_parse(NULL, &arena), "service"));
    const struct ax_yaml *root = print_and_parse(&result, &arena);
    const struct ax_yaml *node = ax_yaml_get(root, "service");
    const struct ax_yaml *inputs = ax_yaml_get(node, "inputs");
    const struct ax_yaml *training = ax_yaml_get(root, "training");
    assert_true(ax_str_is(ax_yaml_get(node, "name")->text, "pushback"));
    assert_true(ax_str_is(ax_yaml_get(node, "version")->text, "7"));
    assert_true(ax_str_is(ax_yaml_get(node, "digest")->text, "abc"));
    assert_int_equal(inputs->count, 2);
    assert_true(ax_str_is(ax_yaml_get(inputs->first, "name")->text, "- x: \"1\""));
    assert_true(ax_str_is(ax_yaml_get(inputs->first, "type")->text, "float32"));
    assert_true(ax_str_is(ax_yaml_get(inputs->first->next, "type")->text, "string"));
    const struct ax_yaml *made_of = ax_yaml_get(training, "history");
    assert_true(ax_str_is(ax_yaml_get(made_of, "rows")->text, "11"));
    assert_true(ax_str_is(ax_yaml_get(made_of, "digest")->text, "def"));
    assert_true(ax_str_is(ax_yaml_get(training, "label_known_at")->text, "k"));
    found.version = 0;
    assert_null(ax_yaml_get(ax_yaml_get(print_and_parse(&result, &arena), "service"), "version"));
    spec.service = NULL;
    spec.label_known_at = AX_STR("");
    ax_arena_done(&arena);
}

static void too_long(void **state)
{
    (void)state;
    for (size_t max = 1; max < 600; max += 7) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_buf out;
        ax_buf_init(&out, max);
        set.label.category_count = 0;
        made[1].category_count = AX_COUNT(nasty);
        struct ax_version_facts facts = { .spec = &spec, .set = &set, .metrics = AX_STR("{}") };
        enum ax_code code = ax_version_print(&facts, &out, &err);
        assert_true(code == AX_E_TOO_LARGE || (code == AX_OK && max > 300));
        ax_buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_come_back),    cmocka_unit_test(training_block),
        cmocka_unit_test(decision_is_copied), cmocka_unit_test(service_comes_back),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests_name("pipeline/version_writer", tests, NULL, NULL);
}
