/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling foreign files apart by their first bytes.
 *
 * Most have a magic number at their beginning. Of a Python pickle we look for the names of
 * libraries among its first bytes and never unpickle: reading one runs code of whoever wrote it.
 * The binary format of XGBoost before 1.0 has no magic; it has the name of the objective at a fixed
 * place. ONNX is a protobuf message that begins with its small version number and then a name.
 */
#include "engine/foreign.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

/* What all libraries' own formats have in common: their user calls save_model. */
#define SAVE_XGBOOST  "save_model('model.json')"
#define SAVE_LIGHTGBM "booster_.save_model('model.txt')"
#define SAVE_CATBOOST "save_model('model.cbm')"
#define UNPACK        "; unpack it, and save the model in its library's own format"

struct magic {
    const char *bytes;
    size_t len;
    const char *what;
};

#define MAGIC(bytes, what) { bytes, sizeof(bytes) - 1, what }

static const struct magic magics[] = {
    MAGIC("binf", "an XGBoost model in the binary format, which newer releases do not read either; "
                  "load it with XGBoost 3.0 or older and call booster." SAVE_XGBOOST),
    MAGIC("bs64\t",
          "an XGBoost model in the text format of before 1.0; load it with the release that "
          "wrote it and call booster." SAVE_XGBOOST),
    MAGIC("booster[0]:",
          "a dump of XGBoost's trees, which is not the whole model; call booster." SAVE_XGBOOST
          " instead of dump_model"),
    MAGIC("version https://git-lfs.github.com/spec/", "a pointer of Git LFS in place of the file; "
                                                      "fetch the file with 'git lfs pull'"),
    MAGIC("\x1f\x8b", "a gzip file" UNPACK),
    MAGIC("BZh", "a bzip2 file" UNPACK),
    MAGIC("\xfd"
          "7zXZ",
          "an xz file" UNPACK),
    MAGIC("\x28\xb5\x2f\xfd", "a Zstandard file" UNPACK),
    MAGIC("\x04\x22\x4d\x18", "an LZ4 file" UNPACK),
    MAGIC("PK\x03\x04", "a zip archive (PyTorch, skops, NumPy and others save such)" UNPACK),
    MAGIC("\x89HDF\r\n\x1a\n", "an HDF5 file (Keras saves such), which no engine reads"),
    MAGIC("\x93NUMPY", "a NumPy array, which is no model"),
    MAGIC("PAR1", "a Parquet file, which is no model"),
    MAGIC("\x7f"
          "ELF",
          "a compiled library, which is never loaded as a model"),
    MAGIC("RDX", "an R workspace; load it with R and call xgb.save(model, 'model.json')"),
    MAGIC("RDA", "an R workspace; load it with R and call xgb.save(model, 'model.json')"),
    MAGIC("<?xml", "an XML file (PMML is one), which no engine reads"),
    MAGIC("<!DOCTYPE html", "a web page, perhaps in place of a download"),
};

static bool has(struct ax_str head, const char *text)
{
    return memmem(head.ptr, head.len, text, strlen(text)) != NULL;
}

static bool is_zlib(struct ax_str head)
{
    static const char levels[] = { '\x01', '\x5e', '\x9c', '\xda' };
    return head.len >= 2 && head.ptr[0] == '\x78' && memchr(levels, head.ptr[1], sizeof(levels));
}

static bool is_pickle(struct ax_str head)
{
    /* Protocols 2 to 5 say so; 0 and 1 begin with how an object is made again. */
    if (head.len >= 2 && head.ptr[0] == '\x80')
        return head.ptr[1] >= 2 && head.ptr[1] <= 5;
    return ax_str_starts_with(head, AX_STR("ccopy_reg\n")) ||
           ax_str_starts_with(head, AX_STR("ccopyreg\n"));
}

static const char *describe_pickle(struct ax_str head)
{
    if (has(head, "sklearn.pipeline"))
        return "a Python pickle of a scikit-learn pipeline, whose steps before the model are not "
               "served; save its last step alone, with save_model";
    if (has(head, "xgboost"))
        return "a Python pickle of an XGBoost model; load it with Python and call "
               "model." SAVE_XGBOOST;
    if (has(head, "lightgbm"))
        return "a Python pickle of a LightGBM model; load it with Python and call "
               "model." SAVE_LIGHTGBM;
    if (has(head, "catboost"))
        return "a Python pickle of a CatBoost model; load it with Python and call "
               "model." SAVE_CATBOOST;
    if (has(head, "sklearn"))
        return "a Python pickle of a scikit-learn object, which no engine reads";
    return "a Python pickle, which is never loaded; save the model in its library's own format";
}

/* Before 1.0 XGBoost wrote its parameters, 136 bytes, and then the objective: length and text. */
static bool is_headless_xgboost(struct ax_str head)
{
    enum { PARAMETERS = 136, LENGTH = 8 };
    static const char *const families[] = { "binary:", "count:", "multi:",
                                            "rank:",   "reg:",   "survival:" };
    if (head.len < PARAMETERS + LENGTH)
        return false;
    struct ax_str rest = { head.ptr + PARAMETERS + LENGTH, head.len - PARAMETERS - LENGTH };
    for (size_t i = 0; i < AX_COUNT(families); i++) {
        if (ax_str_starts_with(rest, ax_str_from(families[i])))
            return memcmp(head.ptr + PARAMETERS + 1, "\0\0\0\0\0\0\0", LENGTH - 1) == 0;
    }
    return false;
}

/* ModelProto: ir_version (field 1), then producer_name (field 2) or the graph. */
static bool is_onnx(struct ax_str head)
{
    return head.len > 4 && head.ptr[0] == '\x08' && head.ptr[1] > 0 && head.ptr[1] < 32 &&
           head.ptr[2] == '\x12' &&
           (has(head, "onnx") || has(head, "OnnxML") || has(head, "pytorch"));
}

const char *ax_foreign_describe(struct ax_str head)
{
    assert(head.ptr || !head.len);
    for (size_t i = 0; i < AX_COUNT(magics); i++) {
        if (ax_str_starts_with(head, (struct ax_str){ magics[i].bytes, magics[i].len }))
            return magics[i].what;
    }
    if (is_pickle(head))
        return describe_pickle(head);
    if (is_zlib(head))
        return "a file that zlib compressed, as joblib does; load it with Python and call the "
               "model's save_model";
    if (is_headless_xgboost(head))
        return magics[0].what;
    if (is_onnx(head))
        return "an ONNX model, which no engine reads yet";
    if (head.len && (head.ptr[0] == '[' || head.ptr[0] == '{')) {
        if (has(head, "\"nodeid\""))
            return "a dump of XGBoost's trees, which is not the whole model; call "
                   "booster." SAVE_XGBOOST " instead of dump_model";
        if (has(head, "\"label_index\"") && has(head, "\"num_tree_per_iteration\""))
            return "a dump of a LightGBM model; call booster.save_model('model.txt') instead of "
                   "dump_model";
    }
    return NULL;
}
