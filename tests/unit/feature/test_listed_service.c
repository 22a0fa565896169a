/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a list of features becomes a service that gives them, and a wrong one is refused by name.
 * Method: tables of lists, with the service's roles, inputs and call as a text, or the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feature/listed_service.h"

static const char text[] =
    "auspex: 1\n"
    "entities:\n"
    "  user: {keys: {id: int64}}\n"
    "  shop: {keys: {town: string, id: int64}}\n"
    "  other: {keys: {id: string}}\n"
    "sources:\n"
    "  users: {files: u.csv, time: t, columns: {id: int64, t: timestamp, a: float64, b: bool}}\n"
    "  shops: {files: s.csv, time: t, columns: {town: string, id: int64, t: timestamp, c: int64}}\n"
    "  others: {files: o.csv, time: t, columns: {id: string, t: timestamp, d: int64}}\n"
    "views:\n"
    "  user: {entity: user, source: users, fields: {a: {expr: a, type: float32}, b: b}}\n"
    "  shop: {entity: shop, source: shops, fields: {c: c}}\n"
    "  other: {entity: other, source: others, fields: {d: d}}\n";

#define LIST_MAX 4

static const struct {
    const char *features[LIST_MAX];
    const char *service; /* "call | role(keys) … | inputs" */
    enum ax_code code;
    const char *message;
} cases[] = {
    { { "user:b" }, "id:int64 | user(0) | b:bool@0", AX_OK, NULL },
    { { "user:b", "shop:c", "user:a", "user:b" },
      "id:int64 town:string | user(0) shop(1,0) | b:bool@0 a:float32@0 c:int64@1",
      AX_OK,
      NULL },
    { { "shop@latest:c" }, "town:string id:int64 | shop(0,1) | c:int64@0", AX_OK, NULL },
    { { "shop@v2:c" },
      NULL,
      AX_E_UNSUPPORTED,
      "'shop@v2:c' names a version of a view; only the one in force is kept online" },
    { { NULL }, NULL, AX_E_INVALID, "no feature is asked for" },
    { { "user" }, NULL, AX_E_INVALID, "'user' is no feature; write 'view:field'" },
    { { "usr:a" }, NULL, AX_E_NOT_FOUND, "view 'usr' is not there; nearest is 'user'" },
    { { "nobody_knows:a" }, NULL, AX_E_NOT_FOUND, "view 'nobody_knows' is not there" },
    { { "user:A" }, NULL, AX_E_NOT_FOUND, "field 'A' is not there in view user" },
    { { ":" }, NULL, AX_E_NOT_FOUND, "view '' is not there" },
    { { "user:a", "other:d" },
      NULL,
      AX_E_INVALID,
      "'id' is a join key of two types, string for view 'other' and int64; ask for them one by "
      "one" },
};

static struct ax_definitions definitions;

static int read_text(void **state)
{
    const struct ax_file_text file = { .path = AX_STR("f.yaml"), .text = AX_STR(text) };
    struct ax_err err = AX_ERR_INIT;
    (void)state;
    if (ax_definitions_read_texts("features", &file, 1, &definitions, &err))
        fail_msg("%s", err.msg);
    return 0;
}

static int forget_text(void **state)
{
    (void)state;
    ax_definitions_done(&definitions);
    return 0;
}

static void put_service(struct ax_buf *out, const struct ax_service *service)
{
    for (size_t i = 0; i < service->call_count; i++)
        ax_buf_printf(out, "%.*s:%s ", AX_STR_ARG(service->call[i].name),
                      ax_storage_name(service->call[i].storage));
    (void)ax_buf_append_str(out, AX_STR("| "));
    for (size_t i = 0; i < service->role_count; i++) {
        const struct ax_role *role = &service->roles[i];
        ax_buf_printf(out, "%.*s(", AX_STR_ARG(role->view->name));
        for (size_t k = 0; k < role->view->entity->key_count; k++)
            ax_buf_printf(out, "%s%zu", k ? "," : "", role->call_keys[k]);
        (void)ax_buf_append_str(out, AX_STR(") "));
    }
    (void)ax_buf_append_char(out, '|');
    for (size_t i = 0; i < service->input_count; i++) {
        const struct ax_service_input *input = &service->inputs[i];
        const struct ax_view *view = service->roles[input->role].view;
        assert_int_equal(input->kind, AX_INPUT_FIELD);
        assert_true(ax_str_equals(view->fields[input->field].name, input->name));
        ax_buf_printf(out, " %.*s:%s@%zu", AX_STR_ARG(input->name), ax_storage_name(input->storage),
                      input->role);
    }
    (void)ax_buf_append_char(out, '\0');
}

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        const struct ax_service *service = NULL;
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        struct ax_buf found;
        struct ax_str features[LIST_MAX];
        size_t count = 0;
        for (; count < LIST_MAX && cases[i].features[count]; count++)
            features[count] = ax_str_from(cases[i].features[count]);
        ax_arena_init(&arena, 1024, 1 << 20);
        ax_buf_init(&found, 1 << 16);
        enum ax_code code =
            ax_listed_service_new(&definitions, features, count, &arena, &service, &err);
        if (code != cases[i].code || (code && strcmp(err.msg, cases[i].message) != 0))
            fail_msg("%zu: %s", i, err.msg);
        if (!code) {
            put_service(&found, service);
            assert_string_equal(found.ptr, cases[i].service);
        }
        ax_buf_done(&found);
        ax_arena_done(&arena);
    }
}

static void test_memory(void **state)
{
    (void)state;
    const struct ax_str features[] = { AX_STR("user:a"), AX_STR("shop:c") };
    const struct ax_service *service = NULL;
    enum ax_code code = AX_E_TOO_LARGE;
    for (size_t max = 16; code; max += 16) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        ax_arena_init(&arena, 64, max);
        code = ax_listed_service_new(&definitions, features, 2, &arena, &service, &err);
        assert_true(!code || code == AX_E_TOO_LARGE);
        ax_arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, read_text, forget_text);
}
