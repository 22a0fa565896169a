/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training by XGBoost's C API; the only file that knows it.
 *
 * The library is opened at run time by full path, with local symbols: installed beside the binary,
 * or where the build unpacked it. Its wheel carries no header, so the functions are declared here
 * as its own Python package declares them. Errors are -1 and a text of the calling thread, read at
 * once. This runs in the child process only: the library may allocate, start threads and abort.
 *
 * Data reaches it through the array interface (a JSON text that holds the address), over files
 * mapped into memory, so the values are never copied on our side. Early stopping is the usual rule:
 * the last metric on the set "stop", stop after N rounds without a strictly better value. The model
 * that is written is sliced to the best round, so that "all trees" and "best" are the same.
 */
#include "pipeline/trainer/trainer.h"

#include "auspex_config.h"
#include "base/alloc.h"
#include "base/library.h"

#include <assert.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef void *xgb_handle;

/* The functions that are used: name, and declaration as a pointer. */
#define XGB_FUNCTIONS(X)                                                                         \
    X(XGDMatrixCreateFromDense,                                                                  \
      int (*XGDMatrixCreateFromDense)(const char *, const char *, xgb_handle *))                 \
    X(XGDMatrixSetInfoFromInterface,                                                             \
      int (*XGDMatrixSetInfoFromInterface)(xgb_handle, const char *, const char *))              \
    X(XGDMatrixSetStrFeatureInfo,                                                                \
      int (*XGDMatrixSetStrFeatureInfo)(xgb_handle, const char *, const char **, uint64_t))      \
    X(XGDMatrixFree, int (*XGDMatrixFree)(xgb_handle))                                           \
    X(XGBRegisterLogCallback, int (*XGBRegisterLogCallback)(void (*)(const char *)))             \
    X(XGBoosterCreate, int (*XGBoosterCreate)(const xgb_handle *, uint64_t, xgb_handle *))       \
    X(XGBoosterSetParam, int (*XGBoosterSetParam)(xgb_handle, const char *, const char *))       \
    X(XGBoosterSetStrFeatureInfo,                                                                \
      int (*XGBoosterSetStrFeatureInfo)(xgb_handle, const char *, const char **, uint64_t))      \
    X(XGBoosterUpdateOneIter, int (*XGBoosterUpdateOneIter)(xgb_handle, int, xgb_handle))        \
    X(XGBoosterEvalOneIter, int (*XGBoosterEvalOneIter)(xgb_handle, int, xgb_handle *,           \
                                                        const char **, uint64_t, const char **)) \
    X(XGBoosterSlice, int (*XGBoosterSlice)(xgb_handle, int, int, int, xgb_handle *))            \
    X(XGBoosterSaveModel, int (*XGBoosterSaveModel)(xgb_handle, const char *))                   \
    X(XGBoosterFeatureScore,                                                                     \
      int (*XGBoosterFeatureScore)(xgb_handle, const char *, uint64_t *, const char ***,         \
                                   uint64_t *, const uint64_t **, const float **))               \
    X(XGBoosterFree, int (*XGBoosterFree)(xgb_handle))

struct xgb {
    void *library;
    const char *(*XGBGetLastError)(void);
    void (*XGBoostVersion)(int *, int *, int *);
#define X(name, declaration) declaration;
    XGB_FUNCTIONS(X)
#undef X
};

/* The one translation of the library's errors. */
static enum ax_code xgboost_fail(const struct xgb *xgb, struct ax_err *err)
{
    const char *text = xgb->XGBGetLastError();
    /* "[12:00:00] /src/file.cc:10: Check failed: …" : the place inside the library helps nobody. */
    const char *start = text;
    const char *marks[] = { "Check failed: ", "] " };
    for (size_t i = 0; i < AX_COUNT(marks) && start == text; i++) {
        const char *at = strstr(text, marks[i]);
        if (at)
            start = at + strlen(marks[i]);
    }
    size_t len = strcspn(start, "\n");
    return ax_fail(err, AX_E_INVALID, "XGBoost: %.*s", (int)AX_MIN(len, (size_t)200), start);
}

#define CALL(xgb, function, ...) \
    ((xgb)->function(__VA_ARGS__) == 0 ? AX_OK : xgboost_fail((xgb), err))

/* libgomp reads its environment when it is loaded. Its threads spin between two loops by default,
 * which on cores that others use too costs ten times the work itself: measured, 2 threads on 2 busy
 * cores took 10 s to train sleeping and over 200 s spinning. */
static void openmp_sleep_while_waiting(void)
{
    (void)setenv("OMP_WAIT_POLICY", "PASSIVE", /* overwrite= */ 0);
}

/* The names that the library did not use, as it lists them; "" when it used all. A callback gets no
 * context, and the child trains once, on one thread. */
static char xgboost_unused[160];

/* What the library logs. That it passes a parameter over is only a warning of its, but whoever
 * mistyped one must know. */
static void xgboost_log(const char *text)
{
    static const char before[] = "Parameters: { ";
    const char *names = strstr(text, before);
    const char *end = names ? strstr(names, " } are not used") : NULL;
    if (end) {
        names += sizeof(before) - 1;
        (void)snprintf(xgboost_unused, sizeof(xgboost_unused), "%.*s", (int)(end - names), names);
    }
    (void)fprintf(stderr, "%s\n", text);
}

static enum ax_code library_open(void **ret_library, bool *ret_changed_fp, struct ax_err *err)
{
    char path[4096];
    openmp_sleep_while_waiting();
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(AX_XGBOOST_INSTALLED) - 2);
    if (len > 0) {
        path[len] = '\0';
        char *slash = strrchr(path, '/');
        assert(slash);
        memcpy(slash + 1, AX_XGBOOST_INSTALLED, sizeof(AX_XGBOOST_INSTALLED));
        struct ax_err ignored = AX_ERR_INIT;
        if (!ax_library_open(path, ret_library, ret_changed_fp, &ignored))
            return AX_OK;
    }
    return ax_library_open(AX_XGBOOST_BUILT, ret_library, ret_changed_fp, err);
}

static enum ax_code xgb_open(struct xgb *xgb, struct ax_err *err)
{
    bool changed_fp = false;
    struct ax_err ignored = AX_ERR_INIT;
    *xgb = (struct xgb){ .library = NULL };
    if (library_open(&xgb->library, &changed_fp, &ignored))
        return ax_fail(err, AX_E_UNSUPPORTED,
                       "training needs libxgboost.so, which is neither beside the program "
                       "(%s) nor where it was built",
                       AX_XGBOOST_INSTALLED);
    if (changed_fp)
        (void)fprintf(stderr, "libxgboost.so changed the floating-point mode; it was put back\n");
    const char *missing = NULL;
    /* POSIX lets an object pointer become a function pointer by way of memory. */
#define LOAD(name)                                   \
    do {                                             \
        void *symbol = dlsym(xgb->library, #name);   \
        if (!symbol)                                 \
            missing = #name;                         \
        memcpy(&xgb->name, &symbol, sizeof(symbol)); \
    } while (0);
#define X(name, declaration) LOAD(name)
    LOAD(XGBGetLastError)
    LOAD(XGBoostVersion)
    XGB_FUNCTIONS(X)
#undef X
#undef LOAD
    return missing ? ax_fail(err, AX_E_UNSUPPORTED, "libxgboost.so has no '%s'", missing) : AX_OK;
}

/* A file of `count` float32 mapped for reading. */
static enum ax_code map_floats(const char *folder, const char *name, size_t count,
                               const float **ret_values, struct ax_err *err)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    size_t bytes = count * sizeof(float);
    if (fd < 0 || fstat(fd, &info) || (size_t)info.st_size != bytes) {
        if (fd >= 0)
            (void)close(fd);
        return ax_fail(err, AX_E_INTERNAL, "'%s' does not hold %zu numbers", path, count);
    }
    void *values = bytes ? mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    (void)close(fd);
    if (values == MAP_FAILED)
        return ax_fail(err, AX_E_LIMIT, "cannot map '%s'", path);
    *ret_values = values;
    return AX_OK;
}

/* The array interface: NumPy's description of memory, as JSON. */
static void describe(char text[160], const float *values, size_t rows, size_t columns)
{
    if (columns)
        (void)snprintf(
            text, 160,
            "{\"data\":[%zu,true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
            (size_t)(uintptr_t)values, rows, columns);
    else
        (void)snprintf(text, 160,
                       "{\"data\":[%zu,true],\"shape\":[%zu],\"typestr\":\"<f4\",\"version\":3}",
                       (size_t)(uintptr_t)values, rows);
}

static enum ax_code set_info(const struct xgb *xgb, xgb_handle matrix, const char *field,
                             const char *folder, const char *file, size_t rows, struct ax_err *err)
{
    const float *values = NULL;
    char interface[160];
    if (map_floats(folder, file, rows, &values, err))
        return err->code;
    describe(interface, values, rows, 0);
    return CALL(xgb, XGDMatrixSetInfoFromInterface, matrix, field, interface);
}

/* Make the matrix of one set; the mappings last as long as the process. */
static enum ax_code load_set(const struct xgb *xgb, const struct ax_trainer_work *work,
                             const char *name, size_t rows, xgb_handle *ret_matrix,
                             struct ax_err *err)
{
    char file[64];
    char interface[160];
    char config[64];
    const float *values = NULL;
    xgb_handle matrix = NULL;
    (void)snprintf(file, sizeof(file), "%s.values", name);
    if (map_floats(work->folder, file, rows * work->column_count, &values, err))
        return err->code;
    describe(interface, values, rows, work->column_count);
    (void)snprintf(config, sizeof(config), "{\"missing\":NaN,\"nthread\":%zu}", work->threads);
    if (CALL(xgb, XGDMatrixCreateFromDense, interface, config, &matrix))
        return err->code;
    (void)snprintf(file, sizeof(file), "%s.labels", name);
    if (CALL(xgb, XGDMatrixSetStrFeatureInfo, matrix, "feature_name", work->names,
             work->column_count) ||
        CALL(xgb, XGDMatrixSetStrFeatureInfo, matrix, "feature_type", work->types,
             work->column_count) ||
        set_info(xgb, matrix, "label", work->folder, file, rows, err))
        return err->code;
    (void)snprintf(file, sizeof(file), "%s.weights", name);
    if (work->weighted && set_info(xgb, matrix, "weight", work->folder, file, rows, err))
        return err->code;
    *ret_matrix = matrix;
    return AX_OK;
}

/* The last "set-metric:value" of "[3]\ttrain-auc:0.8\tstop-auc:0.7". */
static bool parse_evaluation(const char *text, char metric[64], double *ret_value)
{
    const char *last = strrchr(text, '\t');
    const char *dash = last ? strchr(last, '-') : NULL;
    const char *colon = last ? strrchr(last, ':') : NULL;
    if (!dash || !colon || dash > colon)
        return false;
    size_t len = AX_MIN((size_t)(colon - dash - 1), (size_t)63);
    memcpy(metric, dash + 1, len);
    metric[len] = '\0';
    *ret_value = strtod(colon + 1, NULL);
    return true;
}

/* XGBoost's own rule for which metrics grow as the model gets better. */
static bool is_better_when_larger(const char *metric)
{
    static const char *const names[] = { "auc", "aucpr", "map", "ndcg", "pre" };
    for (size_t i = 0; i < AX_COUNT(names); i++) {
        size_t len = strlen(names[i]);
        if (strncmp(metric, names[i], len) == 0 && (metric[len] == '\0' || metric[len] == '@'))
            return true;
    }
    return false;
}

static enum ax_code train_rounds(const struct xgb *xgb, const struct ax_trainer_work *work,
                                 xgb_handle booster, xgb_handle *sets, size_t set_count,
                                 struct ax_trainer_result *result, ax_trainer_progress_fn report,
                                 struct ax_err *err)
{
    const char *set_names[] = { "train", "stop" };
    for (size_t round = 0; round < work->rounds; round++) {
        const char *text = NULL;
        double value = NAN;
        if (CALL(xgb, XGBoosterUpdateOneIter, booster, (int)round, sets[0]) ||
            CALL(xgb, XGBoosterEvalOneIter, booster, (int)round, sets, set_names, set_count, &text))
            return err->code;
        if (xgboost_unused[0])
            return ax_fail(err, AX_E_INVALID,
                           "XGBoost has no use for %s; correct the name or take it out",
                           xgboost_unused);
        result->rounds_run = round + 1;
        if (!parse_evaluation(text, result->metric, &value))
            return ax_fail(err, AX_E_INTERNAL, "no metric in '%s'", text);
        report(NULL, round + 1, work->rounds, result->metric, value);
        if (!isfinite(value))
            return ax_fail(
                err, AX_E_INVALID,
                "the metric '%s' is no number on the rows that it is taken over (has the "
                "part 'stop' one class only?); choose another eval_metric or split",
                result->metric);
        bool larger = is_better_when_larger(result->metric);
        bool better = larger ? value > result->best_value : value < result->best_value;
        if (round == 0 || better || set_count < 2) {
            result->best_value = value;
            result->rounds_kept = round + 1;
        }
        if (set_count > 1 && round + 1 - result->rounds_kept >= work->early_stopping_rounds)
            break;
    }
    return AX_OK;
}

static enum ax_code read_gains(const struct xgb *xgb, const struct ax_trainer_work *work,
                               xgb_handle booster, struct ax_trainer_result *result,
                               struct ax_err *err)
{
    uint64_t name_count = 0;
    uint64_t dimensions = 0;
    const uint64_t *shape = NULL;
    const char **names = NULL;
    const float *scores = NULL;
    if (CALL(xgb, XGBoosterFeatureScore, booster, "{\"importance_type\":\"total_gain\"}",
             &name_count, &names, &dimensions, &shape, &scores))
        return err->code;
    result->gains = ax_xalloc(AX_MAX(work->column_count, (size_t)1) * sizeof(double));
    for (size_t i = 0; i < work->column_count; i++)
        for (uint64_t k = 0; k < name_count && dimensions == 1; k++)
            if (strcmp(work->names[i], names[k]) == 0)
                result->gains[i] = (double)scores[k];
    return AX_OK;
}

/* Keep the rounds up to the best, write them, and say what the columns gained. */
static enum ax_code save(const struct xgb *xgb, const struct ax_trainer_work *work,
                         xgb_handle booster, const char *model_path,
                         struct ax_trainer_result *result, struct ax_err *err)
{
    xgb_handle best = NULL;
    if (CALL(xgb, XGBoosterSlice, booster, 0, (int)result->rounds_kept, 1, &best))
        return err->code;
    /* A booster does not take these over from its data; the scores below go by name. */
    enum ax_code code = CALL(xgb, XGBoosterSetStrFeatureInfo, best, "feature_name", work->names,
                             work->column_count);
    if (!code)
        code = CALL(xgb, XGBoosterSetStrFeatureInfo, best, "feature_type", work->types,
                    work->column_count);
    if (!code)
        code = CALL(xgb, XGBoosterSaveModel, best, model_path);
    if (!code)
        code = read_gains(xgb, work, best, result, err);
    (void)xgb->XGBoosterFree(best);
    return code;
}

enum ax_code ax_xgboost_train(const struct ax_trainer_work *work, const char *model_path,
                              struct ax_trainer_result *ret_result, ax_trainer_progress_fn report,
                              struct ax_err *err)
{
    assert(work && model_path && ret_result && report && err);
    struct xgb xgb;
    xgb_handle sets[2] = { NULL, NULL };
    xgb_handle booster = NULL;
    struct ax_trainer_result result = { 0 };
    size_t set_count = work->stop_rows ? 2 : 1;
    int version[3] = { 0 };
    if (xgb_open(&xgb, err))
        return err->code;
    xgb.XGBoostVersion(&version[0], &version[1], &version[2]);
    (void)snprintf(result.library, sizeof(result.library), "xgboost %d.%d.%d", version[0],
                   version[1], version[2]);
    if (load_set(&xgb, work, "train", work->train_rows, &sets[0], err) ||
        (set_count > 1 && load_set(&xgb, work, "stop", work->stop_rows, &sets[1], err)) ||
        CALL(&xgb, XGBoosterCreate, sets, set_count, &booster) ||
        CALL(&xgb, XGBRegisterLogCallback, xgboost_log) ||
        CALL(&xgb, XGBoosterSetParam, booster, "validate_parameters", "1"))
        goto done;
    for (size_t i = 0; i < work->param_count; i++)
        if (CALL(&xgb, XGBoosterSetParam, booster, work->param_names[i], work->param_texts[i]))
            goto done;
    if (!train_rounds(&xgb, work, booster, sets, set_count, &result, report, err) &&
        !save(&xgb, work, booster, model_path, &result, err))
        *ret_result = result;
done:
    (void)xgb.XGBoosterFree(booster);
    for (size_t i = 0; i < set_count; i++)
        (void)xgb.XGDMatrixFree(sets[i]);
    if (err->code)
        free(result.gains);
    return err->code;
}
