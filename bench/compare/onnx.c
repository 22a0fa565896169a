/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX Runtime through its C API, one thread.
 *
 *   onnx LIBONNXRUNTIME MODEL
 *
 * The model has one input "rows", f32 [n, features], and one output "margin", f32 [n, 1]. The
 * fastest way there is: input and output tensors are views of memory of ours, made once for a batch
 * size, and rows are copied in, so that a call is Run and nothing else.
 *
 * The interface is a table of functions that only grows at its end, so a function's place is its
 * ABI and no header is needed; the places below are those of version 1 of the table, which every
 * release has.
 */
#include "contestant.h"

#include <stdlib.h>

enum place {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    SET_INTRA_OP_NUM_THREADS = 24,
    SET_INTER_OP_NUM_THREADS = 25,
    CREATE_TENSOR_WITH_DATA = 49,
    CREATE_CPU_MEMORY_INFO = 69,
};

#define API_VERSION    1
#define LOG_ERRORS     3
#define ARENA          1
#define DEFAULT_MEMORY 0
#define ELEMENT_FLOAT  1

struct api_base {
    const void *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

struct onnx {
    struct contestant base;
    const void *const *api;
    void *(*run)(void *session, const void *options, const char *const *input_names,
                 const void *const *inputs, size_t input_count, const char *const *output_names,
                 size_t output_count, void **outputs);
    void *session;
    void *memory;
    size_t batch; /* that the tensors are for; 0: none yet */
    float *values;
    float *margins;
    void *input;
    void *output;
};

static void onnx_find(const struct onnx *o, enum place place, void *ret_function)
{
    memcpy(ret_function, &o->api[place], sizeof(void *));
}

/* Every function returns NULL or what went wrong. */
static void onnx_check(const struct onnx *o, const void *status)
{
    const char *(*message)(const void *status);
    onnx_find(o, GET_ERROR_MESSAGE, &message);
    if (status)
        compare_die("%s", message(status));
}

static void onnx_open_session(struct onnx *o, const char *path)
{
    void *(*create_env)(int log_level, const char *name, void **ret);
    void *(*create_options)(void **ret);
    void *(*set_intra)(void *options, int threads);
    void *(*set_inter)(void *options, int threads);
    void *(*create_session)(const void *env, const char *path, const void *options, void **ret);
    void *(*create_memory)(int allocator, int kind, void **ret);
    onnx_find(o, CREATE_ENV, &create_env);
    onnx_find(o, CREATE_SESSION_OPTIONS, &create_options);
    onnx_find(o, SET_INTRA_OP_NUM_THREADS, &set_intra);
    onnx_find(o, SET_INTER_OP_NUM_THREADS, &set_inter);
    onnx_find(o, CREATE_SESSION, &create_session);
    onnx_find(o, CREATE_CPU_MEMORY_INFO, &create_memory);
    onnx_find(o, RUN, &o->run);
    void *env, *options;
    onnx_check(o, create_env(LOG_ERRORS, "compare", &env));
    onnx_check(o, create_options(&options));
    onnx_check(o, set_intra(options, 1));
    onnx_check(o, set_inter(options, 1));
    onnx_check(o, create_session(env, path, options, &o->session));
    onnx_check(o, create_memory(ARENA, DEFAULT_MEMORY, &o->memory));
}

static struct contestant *onnx_open(char **words, const struct compare_rows *rows)
{
    struct onnx *o = ax_xalloc(sizeof(*o));
    *o = (struct onnx){ .base = { .kind = &contestant_onnx,
                                  .rows = rows,
                                  .row_type = AX_FP32,
                                  .margin_type = AX_FP32 } };
    const struct api_base *(*get_base)(void);
    compare_find(compare_open_library(words[0]), "OrtGetApiBase", &get_base);
    o->api = get_base()->get_api(API_VERSION);
    if (!o->api)
        compare_die("ONNX Runtime %s has no version %d of its interface", get_base()->get_version(),
                    API_VERSION);
    onnx_open_session(o, words[1]);
    o->values = ax_xalloc(COMPARE_BATCH_MAX * rows->features * sizeof(float));
    o->margins = ax_xalloc(COMPARE_BATCH_MAX * sizeof(float));
    return &o->base;
}

/* A new batch size gets new tensors; there are a handful of sizes, so the old ones are left. */
static void onnx_make_tensors(struct onnx *o, size_t batch)
{
    void *(*create)(const void *memory, void *values, size_t size, const int64_t *shape,
                    size_t dimensions, int type, void **ret);
    onnx_find(o, CREATE_TENSOR_WITH_DATA, &create);
    size_t features = o->base.rows->features;
    int64_t in[2] = { (int64_t)batch, (int64_t)features }, out[2] = { (int64_t)batch, 1 };
    onnx_check(o, create(o->memory, o->values, batch * features * sizeof(float), in, 2,
                         ELEMENT_FLOAT, &o->input));
    onnx_check(
        o, create(o->memory, o->margins, batch * sizeof(float), out, 2, ELEMENT_FLOAT, &o->output));
    o->batch = batch;
}

static void onnx_predict(struct contestant *contestant, const void *values, size_t count,
                         void *margins)
{
    struct onnx *o = container_of(contestant, struct onnx, base);
    if (count != o->batch)
        onnx_make_tensors(o, count);
    memcpy(o->values, values, count * contestant->rows->features * sizeof(float));
    static const char *const input_name = "rows", *const output_name = "margin";
    const void *inputs[] = { o->input };
    void *outputs[] = { o->output };
    onnx_check(o, o->run(o->session, NULL, &input_name, inputs, 1, &output_name, 1, outputs));
    memcpy(margins, o->margins, count * sizeof(float));
}

const struct contestant_kind contestant_onnx = {
    .name = "onnx",
    .open = onnx_open,
    .predict = onnx_predict,
};
