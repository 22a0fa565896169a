/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: JSON and UBJSON become the same tree, numbers keep every bit, and no malformed or hostile
 *   file gets further than an error.
 * Method: small documents written out here in both formats; every proper prefix of each must be
 *   refused; lengths and counts that promise more than there is; nesting beyond the limit; then
 *   real files with bytes changed, where any answer will do but a crash (sanitizers watch).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/forest/document.h"

#include "forest_data.h"
#include "torture.h"

#include <math.h>
#include <stdlib.h>

/* A document and the memory it points into. */
struct reading {
    struct ax_document document;
    char *bytes;
    struct ax_err err;
};

static enum ax_code start(struct reading *r, struct ax_str bytes)
{
    r->err = (struct ax_err)AX_ERR_INIT;
    r->bytes = forest_copy(bytes);
    return ax_document_init(&r->document, (struct ax_str){ r->bytes, bytes.len }, &r->err);
}

static void finish(struct reading *r)
{
    ax_document_done(&r->document);
    free(r->bytes);
}

/* True, and all cleaned up, when this run is a torture run that was just struck. */
static bool struck(struct reading *r)
{
    if (!ax_torture_struck())
        return false;
    assert_int_equal(r->err.code, AX_E_LIMIT);
    finish(r);
    return true;
}

static const char json_text[] =
    "{\"a\" : {\"name\":\"x\\u00e9y\", \"on\":true,\"none\":null,\"n\":-12},"
    " \"ints\":[1, -2,300,-70000 ,5000000000],\"reals\":[1.5,-0E0,1e-45,NaN,-Infinity,3],"
    "\"flags\":[true,false,1],\"texts\":[\"p\",\"\"],\"empty\":[],\"maps\":[{\"k\":1},{}],"
    "\"mixed\":[1,\"a\",[2]]}";

#define L(n) "L\0\0\0\0\0\0\0" n
static const char ubjson_text[] =
    "{" L("\1") "a{" L("\4") "nameS" L("\4") "x\xc3\xa9y" L("\2") "onT" L("\4") "noneZ" L(
        "\1") "ni\xf4}" L("\4") "ints[i\1i\xfeI\1\x2cl\xff\xfe\xee\x90L\0\0\0\1\x2a\5\xf2\0]"
                                "i\5reals[$d#"
                                "i\6\x3f\xc0\0\0\x80\0\0\0\0\0\0\1\x7f\xc0\0\0\xff\x80\0\0\x40\x40"
                                "\0\0"
                                "U\5flags[#i\3TFi\1i\5texts[#L\0\0\0\0\0\0\0\2Si\1pSi\0i\5empty[]"
                                "i\4maps[{i\1ki\1}{}]"
                                "i\5mixed[#i\3i\1Si\1a[#i\1i\2}";

static const struct ax_value *at(const struct ax_document *document, const char *key)
{
    return ax_value_get(&document->values[0], key);
}

static void check_tree(struct ax_str bytes)
{
    struct reading r;
    if (start(&r, bytes) && struck(&r))
        return;
    assert_string_equal(r.err.msg, "");
    struct ax_document d = r.document;
    const struct ax_value *a = at(&d, "a");
    assert_int_equal(a->kind, AX_VALUE_MAP);
    assert_int_equal(a->count, 4);
    assert_true(ax_str_is(ax_value_get(a, "name")->raw, "x\xc3\xa9y"));
    assert_int_equal(ax_value_get(a, "on")->kind, AX_VALUE_BOOL);
    assert_true(ax_value_get(a, "on")->is_true);
    assert_int_equal(ax_value_get(a, "none")->kind, AX_VALUE_NULL);
    int64_t n = 0;
    assert_true(ax_value_to_i64(ax_value_get(a, "n"), &n));
    assert_int_equal(n, -12);
    assert_false(ax_value_to_i64(ax_value_get(a, "name"), &n));
    assert_null(ax_value_get(a, "other"));
    assert_null(ax_value_get(at(&d, "ints"), "n"));

    int64_t ints[5];
    int32_t narrow[5];
    assert_int_equal(at(&d, "ints")->kind, AX_VALUE_NUMBERS);
    assert_int_equal(at(&d, "ints")->count, 5);
    assert_true(ax_value_read_i64(at(&d, "ints"), ints, 5));
    assert_int_equal(ints[1], -2);
    assert_int_equal(ints[3], -70000);
    assert_int_equal(ints[4], 5000000000);
    assert_true(ax_value_read_i32(at(&d, "ints"), narrow, 4));
    assert_int_equal(narrow[2], 300);
    assert_false(ax_value_read_i32(at(&d, "ints"), narrow, 5));

    float reals[6];
    assert_int_equal(at(&d, "reals")->count, 6);
    assert_true(ax_value_read_f32(at(&d, "reals"), reals, 6));
    assert_true(reals[0] == 1.5f && reals[1] == 0.0f && signbit(reals[1]));
    assert_true(reals[2] == 1e-45f && isnan(reals[3]) && reals[4] == -INFINITY);
    assert_true(reals[5] == 3.0f);
    assert_false(ax_value_read_i64(at(&d, "reals"), ints, 1));
    assert_true(ax_value_read_f32(at(&d, "ints"), reals, 5));
    assert_true(reals[4] == 5e9f);

    assert_true(ax_value_read_i64(at(&d, "flags"), ints, 3));
    assert_true(ints[0] == 1 && ints[1] == 0 && ints[2] == 1);
    const struct ax_value *text = ax_value_first(at(&d, "texts"));
    assert_int_equal(at(&d, "texts")->kind, AX_VALUE_LIST);
    assert_true(ax_str_is(text->raw, "p"));
    assert_true(ax_str_is(ax_value_next(text)->raw, ""));
    assert_null(ax_value_next(ax_value_next(text)));
    assert_int_equal(at(&d, "empty")->kind, AX_VALUE_NUMBERS);
    assert_int_equal(at(&d, "empty")->count, 0);
    const struct ax_value *map = ax_value_first(at(&d, "maps"));
    assert_true(ax_value_to_i64(ax_value_get(map, "k"), &n) && n == 1);
    assert_int_equal(ax_value_next(map)->kind, AX_VALUE_MAP);
    assert_int_equal(at(&d, "mixed")->kind, AX_VALUE_MIXED);
    finish(&r);
}

static void both_formats_give_the_same_tree(void **state)
{
    (void)state;
    check_tree(AX_STR(json_text));
    check_tree(AX_STR(ubjson_text));
}

/* Of UBJSON's integers only U has no sign. */
static void signs_of_ubjson_integers(void **state)
{
    (void)state;
    struct reading r;
    int64_t found[6];
    static const int64_t wanted[6] = { 254, -2, -2, -2, -2, 200 };
    if (start(
            &r,
            AX_STR(
                "{i\1a[U\xfei\xfeI\xff\xfel\xff\xff\xff\xfeL\xff\xff\xff\xff\xff\xff\xff\xfeU\xc8]"
                "i\1b[$U#i\2\x80\xff}")) &&
        struck(&r))
        return;
    assert_string_equal(r.err.msg, "");
    assert_true(ax_value_read_i64(at(&r.document, "a"), found, 6));
    assert_memory_equal(found, wanted, sizeof(wanted));
    assert_true(ax_value_read_i64(at(&r.document, "b"), found, 2));
    assert_true(found[0] == 128 && found[1] == 255);
    finish(&r);
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    struct ax_str whole[] = { AX_STR(json_text), AX_STR(ubjson_text) };
    for (size_t w = 0; w < AX_COUNT(whole); w++) {
        for (size_t len = 0; len < whole[w].len; len += forest_is_torture() ? 50 : 1) {
            struct reading r;
            enum ax_code code = start(&r, (struct ax_str){ whole[w].ptr, len });
            if (code && struck(&r))
                return;
            assert_int_equal(code, AX_E_INVALID);
            assert_null(r.document.values);
            finish(&r);
        }
    }
}

/* Few members and many are compared in two ways. */
static void a_name_twice_is_refused(void **state)
{
    (void)state;
    static const size_t counts[] = { 2, 3, 32, 33, 34, 1000 };
    for (size_t i = 0; i < AX_COUNT(counts); i++) {
        for (size_t twice = 0; twice < 2; twice++) {
            static char text[20000];
            size_t len = 0;
            for (size_t k = 0; k < counts[i]; k++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%c\"k%zu\":%zu",
                                        k ? ',' : '{', twice && k + 1 == counts[i] ? 0 : k, k);
            text[len++] = '}';
            struct reading r;
            enum ax_code code = start(&r, (struct ax_str){ text, len });
            if (code && struck(&r))
                return;
            assert_int_equal(code, twice ? AX_E_INVALID : AX_OK);
            if (twice)
                assert_string_equal(r.err.msg, "the field 'k0' is there twice");
            finish(&r);
        }
    }
}

static void bad_ubjson_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *what;
        struct ax_str bytes;
        enum ax_code code;
    } rows[] = {
        { "trailing bytes", AX_STR("{i\1aZ}x"), AX_E_INVALID },
        { "unknown marker", AX_STR("{i\1aQ}"), AX_E_INVALID },
        { "high-precision number",
          AX_STR("{i\1aHi\1"
                 "1}"),
          AX_E_INVALID },
        { "no-op", AX_STR("{i\1aN}"), AX_E_INVALID },
        { "key longer than the file",
          AX_STR("{i\x7f"
                 "aZ}"),
          AX_E_INVALID },
        { "negative key length",
          AX_STR("{i\xff"
                 "aZ}"),
          AX_E_INVALID },
        { "key length that is no integer", AX_STR("{d\0\0\0\0aZ}"), AX_E_INVALID },
        { "text of 2^63-1 bytes", AX_STR("{i\1aSL\x7f\xff\xff\xff\xff\xff\xff\xff}"),
          AX_E_INVALID },
        { "array of 2^62 floats", AX_STR("{i\1a[$d#L\x40\0\0\0\0\0\0\0}"), AX_E_INVALID },
        { "array of 2^62 anything", AX_STR("{i\1a[#L\x40\0\0\0\0\0\0\0}"), AX_E_INVALID },
        { "array of one more than there are", AX_STR("{i\1a[$d#i\2\0\0\0\0}"), AX_E_INVALID },
        { "negative count", AX_STR("{i\1a[$d#i\xff}"), AX_E_INVALID },
        { "type without count", AX_STR("{i\1a[$di\1}"), AX_E_INVALID },
        { "array of texts only", AX_STR("{i\1a[$S#i\1i\1x}"), AX_E_INVALID },
        { "array of nulls only", AX_STR("{i\1a[$Z#l\x7f\xff\xff\xff}"), AX_E_INVALID },
        { "map of one type", AX_STR("{i\1a{$i#i\1i\1xi\1}"), AX_E_INVALID },
        { "wrong closing", AX_STR("{i\1a[i\1}"), AX_E_INVALID },
        { "a name twice", AX_STR("{i\1aZi\1aZ}"), AX_E_INVALID },
        { "a name twice in a counted map", AX_STR("{#i\2i\1aZi\1aZ"), AX_E_INVALID },
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct reading r;
        enum ax_code code = start(&r, rows[i].bytes);
        if (code && struck(&r))
            return;
        if (code != rows[i].code)
            fail_msg("%s: code %d (%s)", rows[i].what, (int)code, r.err.msg);
        finish(&r);
    }
}

/* `open` n times; the limits hold before anything recurses or grows. */
static void depth_is_limited(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        char open;
        size_t times;
        enum ax_code code;
    } rows[] = {
        { "{\"a\":", '[', 250000, AX_E_TOO_LARGE },
        { "{\"a\":", '[', 80, AX_E_TOO_LARGE },
        { "{i\1a", '[', 250000, AX_E_TOO_LARGE },
        { "{i\1a", '[', 40, AX_E_INVALID }, /* not too deep, but never closed */
    };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        size_t head = strlen(rows[i].head);
        char *bytes = ax_xalloc(head + rows[i].times);
        memcpy(bytes, rows[i].head, head);
        memset(bytes + head, rows[i].open, rows[i].times);
        struct reading r;
        enum ax_code code = start(&r, (struct ax_str){ bytes, head + rows[i].times });
        free(bytes);
        if (code && struck(&r))
            return;
        assert_int_equal(code, rows[i].code);
        finish(&r);
    }
}

/* What rounding a decimal text twice, to f64 and then to f32, would get wrong: just above and just
 * below the middle between 1 and the next f32, further off than f64 can tell. */
static void numbers_are_rounded_once(void **state)
{
    (void)state;
    struct reading r;
    struct ax_str text = AX_STR("{\"a\":[1.00000005960464477539062500001,"
                                "1.00000017881393432617187499999]}");
    if (start(&r, text) && struck(&r))
        return;
    float values[2];
    assert_true(ax_value_read_f32(at(&r.document, "a"), values, 2));
    assert_true(values[0] == 0x1.000002p0f);
    assert_true(values[1] == 0x1.000002p0f);
    assert_true((float)1.00000005960464477539062500001 == 1.0f); /* rounded twice */
    finish(&r);
}

static void changed_files_do_no_harm(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (size_t n = 0; n < AX_COUNT(forest_names); n++) {
        for (size_t e = 0; e < 2; e++) {
            struct ax_str file = forest_file(forest_names[n], e ? "ubj" : "json");
            for (size_t i = 0; i < (forest_is_torture() ? 1 : 100); i++) {
                char *bytes = forest_copy(file);
                for (size_t k = 0; k < 1 + i % 3; k++)
                    bytes[forest_random(&random) % file.len] = (char)forest_random(&random);
                struct reading r;
                (void)start(&r, (struct ax_str){ bytes, file.len });
                free(bytes);
                finish(&r);
            }
            free((void *)(uintptr_t)file.ptr);
        }
    }
}

/* Texts of floats, of the middles between them and of what lies next to those, each as strtof has
 * it. */
static void floats_are_as_strtof_has_them(void **state)
{
    (void)state;
    uint64_t random = 20131201;
    static const int digits[] = { 9, 17, 25, 6 };
    for (size_t i = 0; i < (forest_is_torture() ? 1000 : 200000); i++) {
        uint64_t bits = forest_random(&random);
        float x, ours;
        uint32_t narrow = (uint32_t)(bits >> 32);
        memcpy(&x, &narrow, sizeof(x));
        if (!isfinite(x) || (i % 4 == 3 && fabsf(x) > 1e9f))
            continue;
        double middle = ((double)x + (double)nextafterf(x, INFINITY)) / 2;
        const double tried[] = { (double)x, middle, nextafter(middle, INFINITY),
                                 nextafter(middle, -INFINITY), nextafter((double)x, 0) };
        char text[512];
        double number = tried[bits % AX_COUNT(tried)];
        if (i % 4 == 3)
            (void)snprintf(text, sizeof(text), "%.1f]", number);
        else
            (void)snprintf(text, sizeof(text), "%.*g,", digits[i / 8 % 4], number);
        float wanted = strtof(text, NULL);
        size_t used = ax_text_to_f32(ax_str_from(text), &ours);
        assert_int_equal(used, strlen(text) - 1);
        if (memcmp(&ours, &wanted, sizeof(ours)) != 0)
            fail_msg("%s is %.9g, not %.9g", text, (double)ours, (double)wanted);
    }
    static const char *const rows[] = { "1e400,", "-1e400,",   "1e-400,",  "-0,",
                                        "0.0]",   "1e-46,",    "1e-40]",   "3.4028236e38,",
                                        "NaN]",   "Infinity,", "16777217," };
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        float wanted = strtof(rows[i], NULL), ours;
        assert_int_equal(ax_text_to_f32(ax_str_from(rows[i]), &ours), strlen(rows[i]) - 1);
        assert_memory_equal(&ours, &wanted, sizeof(ours));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_as_strtof_has_them),
        cmocka_unit_test(both_formats_give_the_same_tree),
        cmocka_unit_test(signs_of_ubjson_integers),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(a_name_twice_is_refused),
        cmocka_unit_test(bad_ubjson_is_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(numbers_are_rounded_once),
        cmocka_unit_test(changed_files_do_no_harm),
    };
    return cmocka_run_group_tests_name("engine/forest/document", tests, NULL, NULL);
}
