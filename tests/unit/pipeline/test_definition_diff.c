/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the words that differ between two canonical texts are told, each once, and nothing else.
 * Method: a table of pairs with the words printed as lines "path: from -> to", '-' for what is not
 * there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/definition_diff.h"

#include "base/buf.h"
#include "torture.h"

#define ARENA_BYTES_MAX ((size_t)64 << 20)

static void put_side(struct ax_buf *out, struct ax_str text, bool is_there)
{
    (void)ax_buf_append_str(out, is_there ? text : AX_STR("-"));
}

/* False when an allocation was refused. */
static bool print_diff(const char *before, const char *after, struct ax_buf *out)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    const struct ax_definition_word *words = NULL;
    size_t count = 0;
    ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
    if (ax_definition_diff(ax_str_from(before), ax_str_from(after), &arena, &words, &count, &err)) {
        assert_true(ax_torture_struck() && err.code == AX_E_LIMIT);
        ax_arena_done(&arena);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        (void)ax_buf_printf(out, "%.*s: ", AX_STR_ARG(words[i].path));
        put_side(out, words[i].from, words[i].was_there);
        (void)ax_buf_append_str(out, AX_STR(" -> "));
        put_side(out, words[i].to, words[i].is_there);
        (void)ax_buf_append_char(out, '\n');
    }
    ax_arena_done(&arena);
    return true;
}

static void tells_what_differs(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *words;
    } cases[] = {
        { "{}", "{}", "" },
        { "{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}", "" },
        { "{\"ttl\":\"3h\"}", "{\"ttl\":\"4h\"}", "ttl: 3h -> 4h\n" },
        { "{\"ttl\":\"3h\"}", "{\"online\":true}", "online: - -> true\nttl: 3h -> -\n" },
        { "{\"n\":1}", "{\"n\":1.0}", "" },
        { "{\"n\":1}", "{\"n\":\"1\"}", "" },
        { "{\"n\":9223372036854775807}", "{\"n\":-0.5}", "n: 9223372036854775807 -> -0.5\n" },
        { "{\"n\":null}", "{\"n\":false}", "n: null -> false\n" },
        { "{\"f\":{\"seats\":{\"type\":\"float32\"}}}", "{\"f\":{\"seats\":{\"type\":\"int64\"}}}",
          "f.seats.type: float32 -> int64\n" },
        /* What is new is one word, whatever is in it. */
        { "{\"f\":{}}", "{\"f\":{\"a\":{\"type\":\"int64\",\"x\":[1,2]},\"b\":{}}}",
          "f.a: - -> \nf.b: - -> \n" },
        { "{\"f\":{\"a\":{\"b\":{\"c\":1}},\"z\":1}}", "{\"f\":{\"z\":2}}",
          "f.z: 1 -> 2\nf.a:  -> -\n" },
        { "{\"a\":1}", "{\"a\":{\"b\":1}}", "a: 1 -> {\"b\":1}\n" },
        { "{\"a\":{\"b\":1},\"c\":1}", "{\"a\":1,\"c\":2}", "a: {\"b\":1} -> 1\nc: 1 -> 2\n" },
        { "{\"a\":[1,\"x\"]}", "{\"a\":null}", "a: [1,\"x\"] -> null\n" },
        /* But each note is told. */
        { "{\"notes\":{}}", "{\"notes\":{\"f\":{\"a\":{\"d\":\"x\"},\"b\":{}}}}",
          "notes.f.a.d: - -> x\nnotes.f.b: - -> \n" },
        { "{\"notes\":{\"f\":{\"a\":{\"d\":\"x\"}}}}", "{\"n\":1}",
          "n: - -> 1\nnotes.f.a.d: x -> -\n" },
        /* Elements by their names, or by their places. */
        { "{\"i\":[{\"name\":\"x\",\"t\":1},{\"name\":\"y\",\"t\":1}]}",
          "{\"i\":[{\"name\":\"y\",\"t\":2},{\"name\":\"z\",\"t\":1}]}",
          "i.y.t: 1 -> 2\ni.z: - -> \ni.x:  -> -\n" },
        { "{\"i\":[1,[2,3]]}", "{\"i\":[1,[2,4],5]}", "i[1][1]: 3 -> 4\ni[2]: - -> 5\n" },
        { "{\"i\":[{\"name\":\"x\"},{\"name\":\"y\"}]}",
          "{\"i\":[{\"name\":\"y\"},{\"name\":\"x\"}]}", "i: x, y -> y, x\n" },
        { "{\"i\":[{\"name\":\"x\"},{\"name\":\"x\"}]}", "{\"i\":[{\"name\":\"x\"}]}",
          "i: x, x -> x\n" },
        { "1", "2", ": 1 -> 2\n" },
    };
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_buf out;
        ax_buf_init(&out, (size_t)1 << 16);
        if (print_diff(cases[i].before, cases[i].after, &out) &&
            !ax_str_is(ax_buf_str(&out), cases[i].words) && !out.failed)
            fail_msg("%s to %s gave:\n%.*s", cases[i].before, cases[i].after,
                     AX_STR_ARG(ax_buf_str(&out)));
        ax_buf_done(&out);
    }
}

static void refuses_what_is_no_json(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "{", "{\"a\":}", "nonsense", "{}x" };
    for (size_t i = 0; i < 2 * AX_COUNT(texts); i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_arena arena;
        const struct ax_definition_word *words = NULL;
        size_t count = 0;
        const char *text = texts[i / 2];
        ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
        enum ax_code code =
            ax_definition_diff(ax_str_from(i % 2 ? "{}" : text), ax_str_from(i % 2 ? text : "{}"),
                               &arena, &words, &count, &err);
        assert_true(code == AX_E_INVALID || ax_torture_struck());
        assert_null(words);
        ax_arena_done(&arena);
    }
}

/* As deep as the reader of JSON lets a text be. */
static void walks_deep_texts(void **state)
{
    (void)state;
    char before[512] = "", after[512] = "";
    for (size_t i = 0; i < 100; i++)
        before[i] = after[i] = '[';
    before[100] = '1';
    after[100] = '2';
    for (size_t i = 101; i < 201; i++)
        before[i] = after[i] = ']';
    struct ax_buf out;
    ax_buf_init(&out, (size_t)1 << 16);
    if (print_diff(before, after, &out) && !out.failed) {
        struct ax_str text = ax_buf_str(&out);
        assert_int_equal(text.len, 300 + strlen(": 1 -> 2\n"));
        assert_memory_equal(text.ptr + 297, "[0]: 1 -> 2\n", 12);
    }
    ax_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_differs),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(walks_deep_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
