/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a version's folder becomes a version, model.yaml completes it, and whatever is wrong with
 * either is refused with its place.
 * Method: folders written for each case; a rules file as the model, and for model.yaml alone a
 * signature made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/backends.h"
#include "engine/version_yaml.h"

#include "test_folder.h"
#include "torture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char rules[] = "rules: 1\n"
                            "inputs: {dep_delay: FP64, seats: INT64, carrier: BYTES, late: BOOL}\n"
                            "outputs: {prediction: FP64}\n"
                            "cases: [{otherwise: 0.5}]\n";

/* A fresh version folder with these files; pairs of name and contents, ended by NULL. */
static const char *put_files(const char *const *files)
{
    static char path[128];
    struct ax_err err = AX_ERR_INIT;
    (void)snprintf(path, sizeof(path), "%s/1", folder);
    assert_int_equal(ax_file_remove_tree(path, &err), 0);
    assert_int_equal(ax_file_make_folder(path, &err), 0);
    for (; *files; files += 2) {
        char file[256];
        (void)snprintf(file, sizeof(file), "%s/%s", path, files[0]);
        assert_int_equal(ax_file_replace(file, ax_str_from(files[1]), &err), 0);
    }
    return path;
}

static struct ax_version *load(const char *const *files, struct ax_err *err)
{
    struct ax_version *version = NULL;
    *err = (struct ax_err)AX_ERR_INIT;
    if (ax_version_load(put_files(files), "flights", 12, NULL, &version, err))
        assert_null(version);
    return version;
}

/* Whether the test may go on; else the torture run refused an allocation. */
static bool loaded(const struct ax_version *version, const struct ax_err *err)
{
    if (version)
        return true;
    if (!ax_torture_struck())
        print_error("%s\n", err->msg);
    assert_true(ax_torture_struck());
    assert_int_equal(err->code, AX_E_LIMIT);
    return false;
}

static void one_file_is_enough(void **state)
{
    (void)state;
    struct ax_err err;
    struct ax_version *version = load((const char *const[]){ "any-name", rules, NULL }, &err);
    if (!loaded(version, &err))
        return;
    assert_string_equal(version->model_name, "flights");
    assert_true(version->number == 12);
    assert_string_equal(version->text, "12");
    assert_string_equal(version->model->format, "rules");
    assert_int_equal(strlen(version->digest), 64);
    assert_ptr_equal(version->signature, &version->model->signature);
    assert_int_equal(version->signature->form, AX_FORM_COLUMNS);
    assert_int_equal(version->signature->rows_max, AX_SIGNATURE_ROWS_MAX);
    assert_int_equal(version->decision_count, 0);
    assert_int_equal(ax_version_decide(version, 1).len, 0);
    assert_ptr_equal(ax_version_ref(version), version);
    ax_version_unref(version);
    ax_version_unref(version);
    ax_version_unref(NULL);
}

static void model_yaml_completes(void **state)
{
    (void)state;
    static const char yaml[] = "engine: rules\n"
                               "description: a fallback\n"
                               "signature:\n"
                               "  max_batch_size: 100\n"
                               "  unknown_category: missing\n"
                               "  inputs:\n"
                               "    - {name: carrier, default: UA}\n"
                               "    - {name: seats, default: 150}\n"
                               "    - {name: late, default: true}\n"
                               "    - {name: dep_delay, required: true}\n"
                               "decision:\n"
                               "  thresholds:\n"
                               "    - {at_least: 0.5, action: hold}\n"
                               "    - {at_least: 0.9, action: cancel}\n"
                               "    - {at_least: -1, action: warn}\n"
                               "  otherwise: go\n"
                               "training: {rows: 12, data: {files: [a, b]}}\n"
                               "service: {name: pushback, version: 3, digest: '" DIGEST "',\n"
                               "  inputs: [{name: seats, type: int64}]}\n";
    struct ax_err err;
    struct ax_version *version =
        load((const char *const[]){ "model.yaml", yaml, "r", rules, "metrics.json",
                                    "{\"auc\": 0.9}", "README.md", rules, ".hidden", rules, NULL },
             &err);
    if (!loaded(version, &err))
        return;
    const struct ax_signature *s = version->signature;
    assert_int_equal(s->rows_max, 100);
    assert_true(s->unknown_category_is_missing);
    assert_true(s->inputs[0].required && !s->inputs[0].has_default);
    assert_true(s->inputs[1].has_default && s->inputs[1].default_number == 150);
    assert_true(s->inputs[2].has_default && ax_str_is(s->inputs[2].default_text, "UA"));
    assert_true(s->inputs[3].has_default && s->inputs[3].default_number == 1);

    static const struct {
        double score;
        const char *action;
    } scores[] = { { INFINITY, "cancel" }, { 0.9, "cancel" },   { 0.89, "hold" },
                   { 0.5, "hold" },        { 0.49, "warn" },    { -1, "warn" },
                   { -1.01, "go" },        { -INFINITY, "go" }, { NAN, "" } };
    for (size_t i = 0; i < AX_COUNT(scores); i++)
        assert_true(ax_str_is(ax_version_decide(version, scores[i].score), scores[i].action));
    assert_true(ax_str_is(version->service.name, "pushback") && version->service.number == 3);
    assert_string_equal(version->service.digest, DIGEST);
    ax_version_unref(version);
}

static void bad_folders(void **state)
{
    (void)state;
    static const struct {
        const char *files[9];
        enum ax_code code;
        const char *message;
    } bad[] = {
        { { NULL }, AX_E_NOT_FOUND, "no model file in '/tmp/" },
        { { "model.yaml", "", "README", rules, NULL }, AX_E_NOT_FOUND, "no model file in '/tmp/" },
        { { "notes.txt", "hello", NULL },
          AX_E_NOT_FOUND,
          "no model file: 'notes.txt' is none that any engine knows" },
        { { "empty", "", NULL }, AX_E_NOT_FOUND, "'empty' is none that any engine knows" },
        { { "b", rules, "a", rules, NULL },
          AX_E_INVALID,
          "both 'a' and 'b' are model files; a version has one" },
        { { "bad.yaml", "rules: 1\ninputs: [\n", NULL }, AX_E_INVALID, "'bad.yaml': rules:" },
        { { "model.json", "{\"learner\": {}}", NULL }, AX_E_INVALID, "'model.json': " },
        { { "model.json", "{\"learner\"", NULL }, AX_E_INVALID, "'model.json': " },
        { { "x", "hello", "model.yaml", "engine: rules", NULL }, AX_E_INVALID, "'x': rules:1:1" },
        { { "x", "hello", "y", "hello", "model.yaml", "engine: rules", NULL },
          AX_E_NOT_FOUND,
          "no model file: 'x' is none that rules knows" },
        { { "model.json",
            "\x80\x02"
            "cxgboost.core\nBooster\n",
            NULL },
          AX_E_UNSUPPORTED,
          "'model.json' is a Python pickle of an XGBoost model; load it" },
        { { "a.txt", "hello", "model.bin", "binf", "model.yaml", "engine: forest", NULL },
          AX_E_UNSUPPORTED,
          "'model.bin' is an XGBoost model in the binary format" },
        { { "r", rules, "model.yaml", "engine: [", NULL }, AX_E_INVALID, "model.yaml:" },
        { { "r", rules, "model.yaml", "[engine]", NULL }, AX_E_INVALID, "model.yaml:1:1: " },
    };
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        struct ax_err err;
        assert_null(load(bad[i].files, &err));
        if (ax_torture_struck() && err.code == AX_E_LIMIT)
            return;
        if (err.code != bad[i].code || !strstr(err.msg, bad[i].message))
            print_error("%zu: %d %s\n", i, err.code, err.msg);
        assert_int_equal(err.code, bad[i].code);
        assert_non_null(strstr(err.msg, bad[i].message));
    }
}

static void strange_folders(void **state)
{
    (void)state;
    struct ax_version *version = NULL;
    struct ax_err err = AX_ERR_INIT;
    char path[256];
    assert_int_equal(ax_version_load("/nowhere/1", "m", 1, NULL, &version, &err), AX_E_NOT_FOUND);
    /* What is no regular file is passed over: a pipe must not be waited for. */
    (void)snprintf(path, sizeof(path), "%s/pipe",
                   put_files((const char *const[]){ "r", rules, NULL }));
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof(path), "%s/1/folder", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/1/dangling", folder);
    assert_int_equal(symlink("/nowhere/at/all", path), 0);
    (void)snprintf(path, sizeof(path), "%s/1", folder);
    ax_err_clear(&err);
    if (!ax_version_load(path, "m", 1, NULL, &version, &err))
        ax_version_unref(version);
    else
        assert_true(ax_torture_struck());
    /* A model.yaml that is a folder is no reason to go on without it. */
    ax_err_clear(&err);
    (void)snprintf(path, sizeof(path), "%s/model.yaml",
                   put_files((const char *const[]){ "r", rules, NULL }));
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/1", folder);
    assert_int_equal(ax_version_load(path, "m", 1, NULL, &version, &err), AX_E_INVALID);
    assert_null(strstr(err.msg, "rules:"));
}

static void bad_model_yaml(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *message;
    } bad[] = {
        { "engin: rules", "model.yaml:1:1: " },
        { "engine: rule", "model.yaml:1:9: no engine 'rule'; there are forest, rules" },
        { "signature: [1]", "model.yaml:1:12: expected a mapping" },
        { "signature: {frm: tensor}", "model.yaml:1:13: " },
        { "signature: {form: tensr}", "found 'tensr'; expected tensor or columns" },
        { "signature: {form: tensor}", "form 'tensor' needs inputs of one numeric datatype" },
        { "signature: {unknown_category: ignore}", "found 'ignore'; expected error or missing" },
        { "signature: {max_batch_size: 0}", "found 0; expected 1 to 1048576" },
        { "signature: {max_batch_size: 1048577}", "expected 1 to 1048576" },
        { "signature: {max_batch_size: many}", "model.yaml:1:29: " },
        { "signature: {labels: [a, b]}", "labels name classes; this model has none" },
        { "signature: {inputs: dep_delay}", "expected a list of inputs" },
        { "signature: {inputs: [dep_delay]}", "expected a mapping with the key 'name'" },
        { "signature: {inputs: [{default: 1}]}", "the key 'name' is missing" },
        { "signature: {inputs: [{name: dep_dely}]}",
          "model.yaml:1:22: no input 'dep_dely'; nearest is 'dep_delay'" },
        { "signature: {inputs: [{name: seats, defualt: 1}]}", "defualt" },
        { "signature: {inputs: [{name: seats, default: 1.5}]}",
          "model.yaml:1:45: default: input 'seats', row 0: found a number with a fraction" },
        { "signature: {inputs: [{name: seats, default: x}]}", "model.yaml:1:45: " },
        { "signature: {inputs: [{name: late, default: 2}]}", "model.yaml:1:44: " },
        { "signature: {inputs: [{name: carrier, categories: [UA]}]}",
          "categories are for numeric inputs; this is BYTES" },
        { "signature: {inputs: [{name: seats, categories: [UA, UA]}]}",
          "category 'UA' is listed twice" },
        { "signature: {inputs: [{name: seats, categories: [UA, AA], default: AB}]}",
          "unknown category 'AB'; nearest is 'AA'" },
        { "signature: {inputs: [{name: seats, required: true, default: 1}]}",
          "leave out one of 'required' and 'default'" },
        { "decision: {thresholds: [{at_least: 1, action: a}]}",
          "expected a list 'thresholds' and the action 'otherwise'" },
        { "decision: {thresholds: [], otherwise: b}", "expected 1 to 64 thresholds" },
        { "decision: {thresholds: [{at_least: .nan, action: a}], otherwise: b}",
          "expected a finite number" },
        { "decision: {thresholds: [{at_least: 1}], otherwise: b}",
          "expected the keys 'at_least' and 'action'" },
        { "decision: {thresholds: [{at_least: 1, action: a}, {at_least: 1.0, action: c}], "
          "otherwise: b}",
          "this threshold is there already" },
        { "decision: {thresholds: [{at_least: 1, action: ''}], otherwise: b}",
          "the name of an action is empty" },
        { "decision: {thresholds: [{at_least: 1, action: a}], otherwise: b, class: x}",
          "'class' is for models of more than two classes" },
        { "service: pushback", "model.yaml:1:10: expected a mapping" },
        { "service: {digest: a}", "the key 'name' is missing" },
        { "service: {name: pushback}", "model.yaml:1:10: the key 'digest' is missing" },
        { "service: {name: '', digest: " DIGEST "}", "found no name of a service" },
        { "service: {name: [a], digest: " DIGEST "}", "model.yaml:1:17: " },
        { "service: {name: a, digest: abc}", "found 3 characters; a digest has 64" },
        { "service: {name: a, digest: " DIGEST ", version: 0}", "found 0; versions count from 1" },
        { "service: {name: a, digest: " DIGEST ", versoin: 1}", "versoin" },
    };
    for (size_t i = 0; i < AX_COUNT(bad); i++) {
        struct ax_err err;
        assert_null(
            load((const char *const[]){ "r", rules, "model.yaml", bad[i].yaml, NULL }, &err));
        if (ax_torture_struck() && err.code == AX_E_LIMIT)
            return;
        if (err.code != AX_E_INVALID || !strstr(err.msg, bad[i].message))
            print_error("%s: %s\n", bad[i].yaml, err.msg);
        assert_int_equal(err.code, AX_E_INVALID);
        assert_non_null(strstr(err.msg, bad[i].message));
    }
}

/* ---- model.yaml over a signature made by hand, as a tree model without names has it ---- */

static void free_nothing(struct ax_model *model)
{
    ax_signature_done(&model->signature);
}

static const struct ax_engine nameless_engine = { .name = "nameless", .free = free_nothing };

struct nameless {
    struct ax_model model;
    struct ax_version version;
    struct ax_arena arena;
    struct ax_yaml *root;
};

static enum ax_code lay(struct nameless *n, enum ax_task task, size_t inputs, const char *yaml,
                        struct ax_err *err)
{
    *n = (struct nameless){ 0 };
    *err = (struct ax_err)AX_ERR_INIT;
    ax_model_init(&n->model, &nameless_engine);
    ax_arena_init(&n->arena, 4096, 1 << 24);
    ax_arena_init(&n->version.arena, 4096, 1 << 20);
    n->version.model = &n->model;
    if (ax_signature_init(&n->model.signature, inputs, 2, err))
        return err->code;
    n->model.signature.task = task;
    n->model.signature.outputs[0] = (struct ax_output){ AX_STR("prediction"), AX_FP32,
                                                        task == AX_TASK_MULTICLASS ? 3 : 1, true };
    n->model.signature.outputs[1] = (struct ax_output){ AX_STR("label"), AX_BYTES, 1, false };
    if (ax_yaml_parse(ax_str_from(yaml), AX_VERSION_YAML_NAME, &n->arena, &n->root, err))
        return err->code;
    return ax_version_yaml_apply(n->root, &n->version, err);
}

static void done(struct nameless *n)
{
    ax_signature_done(&n->model.signature);
    ax_arena_done(&n->version.arena);
    ax_arena_done(&n->arena);
}

static void names_of_the_nameless(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *first, *second;
        enum ax_signature_form form;
        const char *message; /* of the failure, or NULL */
    } rows[] = {
        { "", "f0", "f1", AX_FORM_TENSOR, NULL },
        { "signature: {inputs: [{name: f1, default: 3}]}", "f0", "f1", AX_FORM_TENSOR, NULL },
        { "signature: {inputs: [{name: f1}, {name: f0}]}", "f0", "f1", AX_FORM_TENSOR, NULL },
        { "signature: {inputs: [{name: f1}, {name: x}]}", "f1", "x", AX_FORM_TENSOR, NULL },
        { "signature: {inputs: [{name: a}, {name: b}], form: columns}", "a", "b", AX_FORM_COLUMNS,
          NULL },
        { "signature: {inputs: [{name: a}, {name: b, categories: [x, y], default: y}]}", "a", "b",
          AX_FORM_COLUMNS, NULL },
        { "signature: {inputs: [{name: a}]}", NULL, NULL, AX_FORM_TENSOR,
          "model.yaml:1:21: 1 names for 2 inputs; the model file names none, so list all in their "
          "order (or use f0, f1, …)" },
        { "signature: {inputs: [{name: a}, {name: a}]}", NULL, NULL, AX_FORM_TENSOR,
          "model.yaml:1:33: inputs 0 and 1 are both called 'a'" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct nameless n;
        struct ax_err err;
        enum ax_code code = lay(&n, AX_TASK_VALUE, 2, rows[i].yaml, &err);
        if (code == AX_E_LIMIT) {
            assert_true(ax_torture_struck());
        } else if (rows[i].message) {
            assert_int_equal(code, AX_E_INVALID);
            assert_string_equal(err.msg, rows[i].message);
        } else {
            assert_int_equal(code, AX_OK);
            const struct ax_signature *s = n.version.signature;
            assert_true(ax_str_is(s->inputs[0].name, rows[i].first));
            assert_true(ax_str_is(s->inputs[1].name, rows[i].second));
            assert_ptr_equal(ax_signature_input(s, s->inputs[1].name), &s->inputs[1]);
            assert_int_equal(s->form, rows[i].form);
        }
        done(&n);
    }
}

static void labels_and_classes(void **state)
{
    (void)state;
#define STEPS "thresholds: [{at_least: 0.5, action: a}], otherwise: b"
    static const struct {
        enum ax_task task;
        const char *yaml;
        size_t outputs, class;
        const char *message; /* of the failure, or NULL */
    } rows[] = {
        { AX_TASK_BINARY, "", 1, 0, NULL },
        { AX_TASK_BINARY, "signature: {labels: [go, late]}", 2, 0, NULL },
        { AX_TASK_BINARY, "decision: {" STEPS "}", 1, 0, NULL },
        { AX_TASK_MULTICLASS, "signature: {labels: [a, b, c]}\ndecision: {class: c, " STEPS "}", 2,
          2, NULL },
        { AX_TASK_MULTICLASS, "decision: {class: 1, " STEPS "}", 1, 1, NULL },
        { AX_TASK_BINARY, "signature: {labels: [a, b, c]}", 0, 0, "3 labels for 2 classes" },
        { AX_TASK_BINARY, "signature: {labels: [a, a]}", 0, 0, "label 'a' is listed twice" },
        { AX_TASK_BINARY, "signature: {labels: a}", 0, 0, "expected a list of texts" },
        { AX_TASK_MULTICLASS, "decision: {class: 3, " STEPS "}", 0, 0, "no class '3'" },
        { AX_TASK_MULTICLASS, "decision: {" STEPS "}", 0, 0, "the key 'class' is missing" },
        { AX_TASK_MULTICLASS,
          "signature: {labels: [early, late, never]}\ndecision: {class: erly, " STEPS "}", 0, 0,
          "no class 'erly'; nearest is 'early'" },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct nameless n;
        struct ax_err err;
        enum ax_code code = lay(&n, rows[i].task, 1, rows[i].yaml, &err);
        if (code == AX_E_LIMIT) {
            assert_true(ax_torture_struck());
        } else if (rows[i].message) {
            assert_int_equal(code, AX_E_INVALID);
            assert_non_null(strstr(err.msg, rows[i].message));
        } else {
            assert_int_equal(code, AX_OK);
            assert_int_equal(n.version.signature->output_count, rows[i].outputs);
            assert_int_equal(n.version.decision_class, rows[i].class);
        }
        done(&n);
    }
}

static void categories_of_the_file_stay(void **state)
{
    (void)state;
    const struct ax_str texts[] = { AX_STR("UA"), AX_STR("AA") };
    static const struct {
        const char *yaml;
        enum ax_code code;
    } rows[] = {
        { "signature: {inputs: [{name: f0, categories: [UA, AA]}]}", AX_OK },
        { "signature: {inputs: [{name: f0, categories: [AA, UA]}]}", AX_E_INVALID },
        { "signature: {inputs: [{name: f0, categories: [UA]}]}", AX_E_INVALID },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct nameless n;
        struct ax_err err;
        if (lay(&n, AX_TASK_VALUE, 1, "", &err) ||
            ax_signature_add_dictionary(&n.model.signature, 0, texts, 2, &err) ||
            ax_yaml_parse(ax_str_from(rows[i].yaml), "model.yaml", &n.arena, &n.root, &err)) {
            assert_true(ax_torture_struck());
        } else {
            enum ax_code code = ax_version_yaml_apply(n.root, &n.version, &err);
            assert_true(code == rows[i].code || ax_torture_struck());
        }
        done(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_is_enough), cmocka_unit_test(model_yaml_completes),
        cmocka_unit_test(bad_folders),        cmocka_unit_test(strange_folders),
        cmocka_unit_test(bad_model_yaml),     cmocka_unit_test(names_of_the_nameless),
        cmocka_unit_test(labels_and_classes), cmocka_unit_test(categories_of_the_file_stay),
    };
    return cmocka_run_group_tests_name("engine/version", tests, make_folder, remove_folder);
}
