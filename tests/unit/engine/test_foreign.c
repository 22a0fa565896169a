/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what people take for model files is told by name and with the way out, and our own files
 *   and ordinary reports are not.
 * Method: the first bytes of such files as their programs write them, whole and cut off after each
 *   byte, in memory of exactly that size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "engine/foreign.h"

#include <stdlib.h>

#define HEAD(bytes) { bytes, sizeof(bytes) - 1 }

/* The 136 bytes of parameters that precede the objective: base score 0.5, three features. */
#define PARAMETERS                                                                   \
    "\0\0\0\x3f\x03\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x07\0\0\0\x01\0\0\0"   \
    "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct {
    struct ax_str head;
    const char *words; /* NULL: not foreign */
} rows[] = {
    /* XGBoost, when it is no JSON */
    { HEAD("binf" PARAMETERS "\x0f\0\0\0\0\0\0\0binary:logistic\x06\0\0\0\0\0\0\0gbtree"),
      "an XGBoost model in the binary format, which newer releases do not read either; load it "
      "with "
      "XGBoost 3.0 or older and call booster.save_model('model.json')" },
    { HEAD(PARAMETERS "\x0f\0\0\0\0\0\0\0binary:logistic\x06\0\0\0\0\0\0\0gbtree"),
      "an XGBoost model in the binary format" },
    { HEAD("bs64\tYmluZg"), "text format of before 1.0" },
    { HEAD("booster[0]:\n0:[f0<0.5] yes=1"), "a dump of XGBoost's trees" },
    { HEAD("[\n  { \"nodeid\": 0, \"depth\": 0, \"split\": \"f0\""), "a dump of XGBoost's trees" },
    /* pickles: protocols 4, 2 and 0, joblib the same */
    { HEAD("\x80\x04\x95\xbf\x16\0\0\0\0\0\0\x8c\x0cxgboost.core\x94\x8c\x07"
           "Booster\x94"),
      "a Python pickle of an XGBoost model; load it with Python and call "
      "model.save_model('model.json')" },
    { HEAD("\x80\x02"
           "cxgboost.sklearn\nXGBClassifier\nq\0)\x81q\x01"),
      "of an XGBoost model" },
    { HEAD("ccopy_reg\n_reconstructor\np0\n(cxgboost.sklearn\n"), "of an XGBoost model" },
    { HEAD("\x80\x04\x95\0\0\0\0\0\0\0\0\x8c\x10sklearn.pipeline\x94\x8c\x08Pipeline xgboost"),
      "of a scikit-learn pipeline" },
    { HEAD("\x80\x03"
           "clightgbm.sklearn\nLGBMClassifier\n"),
      "save_model('model.txt')" },
    { HEAD("\x80\x05\x95\0\0\0\0\0\0\0\0\x8c\x0d"
           "catboost.core\x94"),
      "save_model('model.cbm')" },
    { HEAD("\x80\x04\x95\0\0\0\0\0\0\0\0\x8c\x18sklearn.ensemble._forest\x94"),
      "of a scikit-learn object" },
    { HEAD("\x80\x04\x95\x05\0\0\0\0\0\0\0]\x94.\0\0\0"),
      "a Python pickle, which is never loaded" },
    { HEAD("\x78\x5e\xed\x58\xcd\x6f"), "zlib compressed, as joblib does" },
    /* others */
    { HEAD("\x1f\x8b\x08\0"), "a gzip file" },
    { HEAD("PK\x03\x04\x14"), "a zip archive" },
    { HEAD("\x89HDF\r\n\x1a\n\0"), "an HDF5 file" },
    { HEAD("\x08\x08\x12\x08skl2onnx\x1a\x06"
           "1.17.0"),
      "an ONNX model" },
    { HEAD("{\"name\":\"tree\",\"version\":\"v4\",\"num_class\":1,\"num_tree_per_iteration\":1,"
           "\"label_index\":0"),
      "a dump of a LightGBM model; call booster.save_model('model.txt')" },
    { HEAD("version https://git-lfs.github.com/spec/v1\noid sha256:"), "'git lfs pull'" },
    { HEAD("<!DOCTYPE html><html>"), "a web page" },
    { HEAD("\x7f"
           "ELF\x02"),
      "a compiled library" },
    /* not foreign: our own, reports, nothing */
    { HEAD("{\"learner\":{\"attributes\":{}"), NULL },
    { HEAD("{L\0\0\0\0\0\0\0\x07learner{"), NULL },
    { HEAD("tree\nversion=v4\nnum_class=1\n"), NULL },
    { HEAD("CBM1\x30\0\0\0"), NULL },
    { HEAD("rules: 1\ninputs:"), NULL },
    { HEAD("{\"log_loss\": 0.31}"), NULL },
    { HEAD("\x80\x01xgboost"), NULL },
    { HEAD("\x08\x08\x12\x08sklearn\0"), NULL },
    { HEAD(""), NULL },
};

static const char *describe(struct ax_str head)
{
    char *exact = ax_xalloc(head.len);
    if (head.len)
        memcpy(exact, head.ptr, head.len);
    const char *what = ax_foreign_describe((struct ax_str){ exact, head.len });
    free(exact);
    return what;
}

static void foreign_files_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        const char *what = describe(rows[i].head);
        if (rows[i].words ? !what || !strstr(what, rows[i].words) : what != NULL)
            fail_msg("row %zu: '%s'", i, what ? what : "(nothing)");
        assert_true(!what || strlen(what) < 180); /* there must be room for the file's name */
    }
}

static void any_beginning_is_safe(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        for (size_t len = 0; len < rows[i].head.len; len++)
            (void)describe((struct ax_str){ rows[i].head.ptr, len });
    }
    assert_null(describe((struct ax_str){ NULL, 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_files_are_told),
        cmocka_unit_test(any_beginning_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
