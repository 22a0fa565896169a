/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Infer requests made up for a model from what any server of the Open Inference Protocol says of
 * it: names, datatypes and shapes of its inputs (GET /v2/models/NAME).
 *
 * Values are drawn from a seeded sequence: numbers of the standard normal distribution, integers
 * from 0 to 99, both truth values; or from a list that is given for an input, which texts need,
 * since the metadata do not tell which of them a model knows.
 */
#ifndef AX_CMD_BENCH_MODEL_H
#define AX_CMD_BENCH_MODEL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/random.h"
#include "base/str.h"

#define AX_BENCH_ROWS_MAX 65536

enum ax_bench_format { AX_BENCH_JSON, AX_BENCH_BINARY };

struct ax_bench_model;

/* Read the metadata of a model. Expected: INVALID (not what the protocol has, or no inputs),
 * UNSUPPORTED (a datatype), TOO_LARGE, LIMIT. */
AX_MUST_USE enum ax_code ax_bench_model_parse(struct ax_str metadata,
                                              struct ax_bench_model **ret_model,
                                              struct ax_err *err);
void ax_bench_model_free(struct ax_bench_model *model);

/* Draw an input's values from a list: "NAME=VALUE,VALUE…". Copied. Expected: INVALID, NOT_FOUND (no
 * such input), UNSUPPORTED (FP16, BF16). */
AX_MUST_USE enum ax_code ax_bench_model_set_values(struct ax_bench_model *model, struct ax_str text,
                                                   struct ax_err *err);

/* Check that requests of `rows` rows in `format` can be made. Expected: INVALID (the shape says
 * otherwise; texts without values), UNSUPPORTED (FP16 or BF16 in JSON), TOO_LARGE. */
AX_MUST_USE enum ax_code ax_bench_model_check(const struct ax_bench_model *model, size_t rows,
                                              enum ax_bench_format format, struct ax_err *err);

/* Append the body of a request that passes the check; a failure of `out` sticks there. Returns the
 * length of its JSON: all of it, or what is in front of the tensors. */
size_t ax_bench_model_print(const struct ax_bench_model *model, size_t rows,
                            enum ax_bench_format format, struct ax_random *random,
                            struct ax_buf *out);

#endif
