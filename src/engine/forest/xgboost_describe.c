/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an XGBoost file says about its inputs and outputs: feature names, dictionaries of
 * categories, quantile levels.
 *
 * Since 3.1 a model trained on a data frame carries its categories: model.cats.enc has one entry a
 * feature, empty for a feature without. Texts are one run of bytes and the offsets that cut it
 * (entries without "type"); numbers are a list with a type code. A category's place in the list is
 * what the trees split on. Numeric categories become names in decimal, so that every dictionary is
 * a dictionary of texts.
 */
#include "engine/forest/xgboost_reader.h"

#include "base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CATS_PATH      "learner.gradient_booster.model.cats.enc"
#define CATEGORIES_MAX ((size_t)1 << 24)
#define NUMBER_TEXT    24 /* bytes of a 64-bit integer in decimal, with its sign */

static enum ax_code describe_names(const struct ax_value *learner, struct ax_signature *signature,
                                   struct ax_err *err)
{
    const struct ax_value *names = ax_value_get(learner, "feature_names");
    bool is_listed = names && names->kind == AX_VALUE_LIST;
    if (names && !is_listed && (names->kind != AX_VALUE_NUMBERS || names->count))
        return ax_fail(err, AX_E_INVALID, "learner.feature_names is no list of texts");
    if (is_listed && names->count != signature->input_count)
        return ax_fail(err, AX_E_INVALID, "learner.feature_names: %zu names for %zu features",
                       names->count, signature->input_count);
    const struct ax_value *name = is_listed ? ax_value_first(names) : NULL;
    for (size_t i = 0; i < signature->input_count; i++) {
        char numbered[NUMBER_TEXT];
        (void)snprintf(numbered, sizeof(numbered), "f%zu", i);
        struct ax_str text = ax_str_from(numbered);
        if (is_listed) {
            if (name->kind != AX_VALUE_TEXT)
                return ax_fail(err, AX_E_INVALID, "learner.feature_names[%zu] is no text", i);
            text = name->raw;
            name = ax_value_next(name);
        }
        if (ax_signature_name_input(signature, i, text, err))
            return ax_err_context(err, "learner.feature_names[%zu]", i);
    }
    return AX_OK;
}

/* The byte run of a text dictionary: signed in UBJSON and JSON alike, unsigned tolerated. */
static enum ax_code read_bytes(const struct ax_value *values, size_t feature, char **ret,
                               struct ax_err *err)
{
    int32_t *numbers = ax_try_alloc(values->count + 1, sizeof(*numbers));
    char *bytes = ax_try_alloc(values->count + 1, 1);
    if (!numbers || !bytes)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu bytes of categories", values->count);
    else if (!ax_value_read_i32(values, numbers, values->count))
        (void)ax_fail(err, AX_E_INVALID, CATS_PATH "[%zu].values holds no integer", feature);
    for (size_t i = 0; i < values->count && err->code == AX_OK; i++) {
        if (numbers[i] < INT8_MIN || numbers[i] > UINT8_MAX)
            (void)ax_fail(err, AX_E_INVALID, CATS_PATH "[%zu].values[%zu] is no byte", feature, i);
        else
            bytes[i] = (char)(unsigned char)numbers[i];
    }
    free(numbers);
    if (err->code) {
        free(bytes);
        return err->code;
    }
    *ret = bytes;
    return AX_OK;
}

static enum ax_code cut_texts(const struct ax_value *offsets, size_t feature, const char *bytes,
                              size_t byte_count, struct ax_str *names, struct ax_err *err)
{
    int32_t *cuts = ax_try_alloc(offsets->count, sizeof(*cuts));
    if (!cuts)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu categories", offsets->count);
    if (!ax_value_read_i32(offsets, cuts, offsets->count))
        (void)ax_fail(err, AX_E_INVALID, CATS_PATH "[%zu].offsets holds no integer", feature);
    for (size_t i = 0; i + 1 < offsets->count && err->code == AX_OK; i++) {
        if (cuts[i] < 0 || cuts[i + 1] < cuts[i] || (size_t)cuts[i + 1] > byte_count) {
            (void)ax_fail(err, AX_E_INVALID, CATS_PATH "[%zu].offsets[%zu] is out of range",
                          feature, i + 1);
            break;
        }
        names[i] = (struct ax_str){ bytes + cuts[i], (size_t)(cuts[i + 1] - cuts[i]) };
        if (!ax_str_is_utf8(names[i]))
            (void)ax_fail(err, AX_E_INVALID, CATS_PATH "[%zu]: category %zu is not UTF-8", feature,
                          i);
    }
    free(cuts);
    return err->code;
}

static enum ax_code describe_texts(const struct ax_value *offsets, const struct ax_value *values,
                                   size_t feature, struct ax_signature *signature,
                                   struct ax_err *err)
{
    if (offsets->kind != AX_VALUE_NUMBERS || values->kind != AX_VALUE_NUMBERS)
        return ax_fail(err, AX_E_INVALID, CATS_PATH "[%zu]: offsets or values are no numbers",
                       feature);
    if (offsets->count < 2)
        return AX_OK;
    size_t count = offsets->count - 1;
    char *bytes = NULL;
    struct ax_str *names = ax_try_alloc(count, sizeof(*names));
    if (!names)
        return ax_fail(err, AX_E_LIMIT, "no memory for %zu categories", count);
    if (!read_bytes(values, feature, &bytes, err) &&
        !cut_texts(offsets, feature, bytes, values->count, names, err) &&
        ax_signature_add_dictionary(signature, feature, names, count, err))
        (void)ax_err_context(err, CATS_PATH "[%zu]", feature);
    free(bytes);
    free(names);
    return err->code;
}

static enum ax_code describe_numbers(const struct ax_value *values, size_t feature,
                                     struct ax_signature *signature, struct ax_err *err)
{
    if (values->kind != AX_VALUE_NUMBERS)
        return ax_fail(err, AX_E_INVALID, CATS_PATH "[%zu].values is no list of numbers", feature);
    size_t count = values->count;
    if (count == 0)
        return AX_OK;
    int64_t *numbers = ax_try_alloc(count, sizeof(*numbers));
    struct ax_str *names = ax_try_alloc(count, sizeof(*names));
    char(*texts)[NUMBER_TEXT] = ax_try_alloc(count, sizeof(*texts));
    if (!numbers || !names || !texts)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu categories", count);
    else if (!ax_value_read_i64(values, numbers, count))
        (void)ax_fail(err, AX_E_UNSUPPORTED,
                      CATS_PATH "[%zu].values: categories that are no "
                                "integers",
                      feature);
    for (size_t i = 0; i < count && err->code == AX_OK; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "%" PRId64, numbers[i]);
        names[i] = ax_str_from(texts[i]);
    }
    if (!err->code && ax_signature_add_dictionary(signature, feature, names, count, err))
        (void)ax_err_context(err, CATS_PATH "[%zu]", feature);
    free(numbers);
    free(names);
    free(texts);
    return err->code;
}

static enum ax_code describe_categories(const struct ax_value *learner,
                                        struct ax_signature *signature, struct ax_err *err)
{
    const struct ax_value *booster = ax_value_get(learner, "gradient_booster");
    const struct ax_value *cats = ax_value_get(ax_value_get(booster, "model"), "cats");
    const struct ax_value *enc = ax_value_get(cats, "enc");
    if (!enc || (enc->kind == AX_VALUE_NUMBERS && enc->count == 0))
        return AX_OK;
    if (enc->kind != AX_VALUE_LIST || enc->count != signature->input_count)
        return ax_fail(err, AX_E_INVALID, CATS_PATH ": not one dictionary for each feature");
    size_t feature = 0;
    for (const struct ax_value *one = ax_value_first(enc); one; one = ax_value_next(one)) {
        const struct ax_value *offsets = ax_value_get(one, "offsets");
        const struct ax_value *values = ax_value_get(one, "values");
        if (!values || values->count > CATEGORIES_MAX ||
            (offsets && offsets->count > CATEGORIES_MAX))
            return ax_fail(err, values ? AX_E_TOO_LARGE : AX_E_INVALID,
                           CATS_PATH "[%zu].values: %s", feature,
                           values ? "too many categories" : "missing");
        enum ax_code code = offsets ? describe_texts(offsets, values, feature, signature, err)
                                    : describe_numbers(values, feature, signature, err);
        if (code)
            return code;
        feature++;
    }
    return AX_OK;
}

static enum ax_code describe_quantiles(const struct ax_value *learner,
                                       const struct ax_forest *forest,
                                       struct ax_signature *signature, struct ax_err *err)
{
    const char *path = "learner.objective.quantile_loss_param.quantile_alpha";
    const struct ax_value *param =
        ax_value_get(ax_value_get(learner, "objective"), "quantile_loss_param");
    const struct ax_value *alpha = ax_value_get(param, "quantile_alpha");
    size_t groups = forest->group_count, count;
    float *levels = ax_try_alloc(groups, sizeof(*levels));
    double *quantiles = ax_arena_alloc(&signature->arena, groups, sizeof(*quantiles));
    if (!levels || !quantiles)
        (void)ax_fail(err, AX_E_LIMIT, "no memory for %zu quantiles", groups);
    else if (!alpha || alpha->kind != AX_VALUE_TEXT ||
             !ax_xgboost_parse_floats(alpha->raw, levels, groups, &count) || count != groups)
        (void)ax_fail(err, AX_E_INVALID, "%s: not a list of %zu levels", path, groups);
    for (size_t i = 0; i < groups && err->code == AX_OK; i++) {
        if (!(levels[i] >= 0.0f && levels[i] <= 1.0f) || (i > 0 && levels[i] < levels[i - 1]))
            (void)ax_fail(err, AX_E_INVALID, "%s: level %zu is not in order within 0 to 1", path,
                          i);
        /* The shortest decimal of the f32 is what the user wrote: 0.1, not 0.10000000149. */
        char text[32];
        (void)snprintf(text, sizeof(text), "%.7g", (double)levels[i]);
        quantiles[i] = strtod(text, NULL);
    }
    free(levels);
    if (err->code)
        return err->code;
    signature->quantiles = quantiles;
    signature->quantile_count = groups;
    return AX_OK;
}

enum ax_code ax_xgboost_describe(const struct ax_document *document, const struct ax_forest *forest,
                                 struct ax_signature *signature, struct ax_err *err)
{
    assert(document && document->count && forest && signature && err);
    assert(signature->input_count == forest->feature_count);
    const struct ax_value *learner = ax_value_get(&document->values[0], "learner");
    if (describe_names(learner, signature, err) || describe_categories(learner, signature, err))
        return err->code;
    if (forest->task == AX_TASK_QUANTILES)
        return describe_quantiles(learner, forest, signature, err);
    return AX_OK;
}
