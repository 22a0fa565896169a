/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kernel is fastest for this forest on this CPU, by trying.
 *
 * For each class of batch sizes one batch of that class is scored by each kernel in turns, in
 * slices of some 50 us, in an order that turns round each time, until the class's share of the time
 * is over. The least time of a kernel counts: what else the machine does only ever adds to it; and
 * the class's share is of the thread's own time, so that it cannot be used up by others. Rows
 * are made of what the forest compares with, so that walks go everywhere and no branch is always
 * the same: thresholds, their neighbours, missing values, categories. The order of the random
 * numbers is fixed.
 *
 * What was found is kept as lines of JSON, one a CPU model:
 *
 *   {"cpu":"…","kernels":"portable avx2","version":"0.1.0","classes":[{"rows":1,"kernel":"avx2",
 *    "row_ns":{"portable":912.5,"avx2":930.25}}, …]}
 *
 * An entry counts when its first three members are those of now. Whatever else stands there is
 * left alone, and what cannot be read is as good as not there: nothing can go wrong but time.
 */
#include "engine/forest/forest_model.h"

#include "auspex_config.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS        ((size_t)64)                    /* that are made */
#define CLASS_NS    (2200 * (uint64_t)AX_NS_PER_US) /* of one class; four of them are under 10 ms */
#define SLICE_NS    (50 * (uint64_t)AX_NS_PER_US)
#define BETTER_BY   0.97 /* of the default kernel's time, to take its place */
#define ENTRIES_MAX 16
#define VALUES_MAX  ((size_t)1 << 22) /* that are made; larger forests are not tuned */

/* Rows of the batch that stands for a class. */
static const size_t class_rows[AX_KERNEL_CLASSES] = { 1, 6, 16, ROWS };

struct tuning {
    struct ax_forest_plan *plan;
    struct ax_column *columns;
    char *values; /* row by row */
    char *sums;
    char *scratch;
    void *scratch_memory;
    uint64_t random;
    const struct ax_forest_kernel
        *kernels[AX_KERNELS_MAX]; /* by place in the table; NULL: not here */
    size_t next_row;
};

/* ---- rows ---- */

static uint64_t next_random(struct tuning *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

static void put_value(const struct tuning *t, size_t row, size_t feature, double value)
{
    const struct ax_compiled *c = &t->plan->compiled;
    size_t at = row * c->feature_count + feature;
    if (c->input_type == AX_FP64)
        ((double *)(void *)t->values)[at] = value;
    else
        ((float *)(void *)t->values)[at] = (float)value;
}

/* A value at a threshold, next to one, or missing. */
static double near_threshold(struct tuning *t, const struct ax_rank_source *rank)
{
    uint64_t random = next_random(t);
    if (rank->threshold_count == 0 || random % 16 == 0)
        return (double)NAN;
    double threshold =
        t->plan->compiled.thresholds[rank->thresholds_from + (random >> 8) % rank->threshold_count];
    double to = random >> 4 & 1 ? INFINITY : -INFINITY;
    return t->plan->compiled.input_type == AX_FP64
               ? nextafter(threshold, to)
               : (double)nextafterf((float)threshold, (float)to);
}

static void make_rows(struct tuning *t)
{
    const struct ax_compiled *c = &t->plan->compiled;
    memset(t->values, 0, ROWS * c->feature_count * ax_datatype_size(c->input_type));
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < c->rank_count; i++)
            put_value(t, r, c->ranks[i].feature, near_threshold(t, &c->ranks[i]));
        for (size_t s = c->number_end; s < c->slot_count; s++) {
            uint32_t code = (uint32_t)(next_random(t) >> 8) % (c->sources[s].category_limit + 2);
            bool is_missing = code > c->sources[s].category_limit;
            put_value(t, r, c->sources[s].feature, is_missing ? (double)NAN : (double)code);
        }
    }
    size_t size = ax_datatype_size(c->input_type);
    for (size_t i = 0; i < c->feature_count; i++)
        t->columns[i] = (struct ax_column){ .datatype = c->input_type,
                                            .width = 1,
                                            .values = t->values + i * size,
                                            .stride = c->feature_count * size };
}

/* ---- time ---- */

/* Score the next batch of `rows` rows as forest_predict would, with one kernel. */
static void score(struct tuning *t, const struct ax_forest_kernel *kernel, size_t rows)
{
    struct ax_batch batch = { ROWS, t->plan->compiled.feature_count, t->columns };
    struct ax_forest_input in = { &batch,
                                  ax_batch_is_matrix(&batch, t->plan->compiled.input_type) };
    if (t->next_row + rows > ROWS)
        t->next_row = 0;
    size_t end = t->next_row + rows;
    while (t->next_row < end) {
        size_t some = AX_MIN(end - t->next_row, kernel->rows_max);
        kernel->score(t->plan, &in, t->next_row, some, t->sums, t->scratch);
        t->next_row += some;
    }
}

/* One slice; nanoseconds a row. */
static float time_slice(struct tuning *t, const struct ax_forest_kernel *kernel, size_t rows)
{
    uint64_t began_ns = ax_clock_ns(), now_ns;
    size_t count = 0;
    do {
        score(t, kernel, rows);
        count += rows;
        now_ns = ax_clock_ns();
    } while (now_ns - began_ns < SLICE_NS);
    return (float)(now_ns - began_ns) / (float)count;
}

/* Fill in the times of a class. False when there was not time for all. */
static bool time_class(struct tuning *t, size_t class)
{
    uint64_t began_ns = ax_clock_thread_ns();
    float *least = t->plan->row_ns[class];
    for (size_t turn = 0; turn == 0 || ax_clock_thread_ns() - began_ns < CLASS_NS; turn++) {
        for (size_t i = 0; i < AX_KERNELS_MAX; i++) {
            size_t k = turn % 2 ? AX_KERNELS_MAX - 1 - i : i;
            if (!t->kernels[k])
                continue;
            if (turn == 0 && ax_clock_thread_ns() - began_ns > CLASS_NS) {
                memset(least, 0, sizeof(t->plan->row_ns[class]));
                return false;
            }
            float ns = time_slice(t, t->kernels[k], class_rows[class]);
            least[k] = least[k] > 0 ? AX_MIN(least[k], ns) : ns;
        }
    }
    return true;
}

static enum ax_code choose_by_time(struct tuning *t, size_t class, struct ax_err *err)
{
    const float *least = t->plan->row_ns[class];
    float own = 0;
    size_t best = AX_KERNELS_MAX;
    for (size_t k = 0; k < AX_KERNELS_MAX; k++) {
        if (t->kernels[k] == t->plan->kernel)
            own = least[k];
        if (t->kernels[k] && (best == AX_KERNELS_MAX || least[k] < least[best]))
            best = k;
    }
    if (best == AX_KERNELS_MAX || (double)least[best] > BETTER_BY * (double)own)
        return AX_OK;
    return ax_forest_plan_choose(t->plan, class, t->kernels[best], err);
}

static enum ax_code measure(struct tuning *t, struct ax_err *err)
{
    make_rows(t);
    for (size_t class = 0; class < AX_KERNEL_CLASSES; class ++) {
        /* What one batch will take at most, as the class before has it: when that is too long, so
         * are all larger ones. */
        float ns = class ? t->plan->row_ns[class - 1][0] * (float)class_rows[class] : 0;
        if (ns > (float)CLASS_NS || !time_class(t, class))
            return AX_OK;
        if (choose_by_time(t, class, err))
            return err->code;
    }
    return AX_OK;
}

/* ---- memory ---- */

static void tuning_done(struct tuning *t)
{
    free(t->columns);
    free(t->values);
    free(t->sums);
    free(t->scratch_memory);
}

/* The kernels that run here. Returns how many. */
static size_t find_kernels(struct tuning *t)
{
    size_t count = 0;
    for (size_t k = 0; ax_forest_kernels[k]; k++) {
        assert(k < AX_KERNELS_MAX);
        if (!ax_forest_kernels[k]->runs_here())
            continue;
        t->kernels[k] = ax_forest_kernels[k];
        count++;
    }
    return count;
}

/* Make what all of them need; where it is known which ones answer, only theirs is made. */
static enum ax_code prepare_kernels(const struct tuning *t, struct ax_err *err)
{
    for (size_t k = 0; k < AX_KERNELS_MAX; k++)
        if (t->kernels[k] && t->kernels[k]->prepare && t->kernels[k]->prepare(t->plan, err))
            return err->code;
    return AX_OK;
}

static enum ax_code allocate(struct tuning *t, struct ax_err *err)
{
    const struct ax_compiled *c = &t->plan->compiled;
    size_t scratch = 0;
    for (size_t k = 0; k < AX_KERNELS_MAX; k++) {
        for (size_t class = 0; t->kernels[k] && class < AX_KERNEL_CLASSES; class ++)
            scratch =
                AX_MAX(scratch, t->kernels[k]->scratch_size(
                                    t->plan, AX_MIN(class_rows[class], t->kernels[k]->rows_max)));
    }
    t->columns = ax_try_alloc(c->feature_count, sizeof(*t->columns));
    t->values = ax_try_alloc(ROWS * c->feature_count, ax_datatype_size(c->input_type));
    t->sums = ax_try_alloc(ROWS * c->group_count, ax_datatype_size(c->sum_type));
    t->scratch_memory = ax_try_alloc(scratch + AX_CACHE_LINE, 1);
    if (!t->columns || !t->values || !t->sums || !t->scratch_memory)
        return ax_fail(err, AX_E_LIMIT, "no memory to measure kernels");
    size_t over = (uintptr_t)t->scratch_memory % AX_CACHE_LINE;
    t->scratch = (char *)t->scratch_memory + (over ? AX_CACHE_LINE - over : 0);
    return AX_OK;
}

/* ---- what is kept ---- */

/* What an entry must have to count. */
struct entry_name {
    char cpu[AX_CPU_NAME_BYTES];
    char kernels[128];
};

static struct entry_name name_now(const struct tuning *t)
{
    struct entry_name name = { .kernels = "" };
    size_t len = 0;
    ax_cpu_name(name.cpu);
    for (size_t k = 0; k < AX_KERNELS_MAX; k++) {
        if (t->kernels[k] && len < sizeof(name.kernels))
            len += (size_t)snprintf(name.kernels + len, sizeof(name.kernels) - len, "%s%s",
                                    len ? " " : "", t->kernels[k]->name);
    }
    return name;
}

static void put_entry(const struct tuning *t, const struct entry_name *name, struct ax_buf *out)
{
    (void)ax_buf_append_str(out, AX_STR("{\"cpu\":"));
    ax_json_put_str(out, ax_str_from(name->cpu));
    (void)ax_buf_printf(out, ",\"kernels\":\"%s\",\"version\":\"%s\",\"classes\":[", name->kernels,
                        AX_VERSION);
    for (size_t class = 0; class < AX_KERNEL_CLASSES; class ++) {
        const char *separator = "";
        (void)ax_buf_printf(out, "%s{\"rows\":%zu,\"kernel\":\"%s\",\"row_ns\":{", class ? "," : "",
                            ax_kernel_class_from(class), t->plan->by_class[class]->name);
        for (size_t k = 0; k < AX_KERNELS_MAX; k++) {
            if (!t->kernels[k])
                continue;
            (void)ax_buf_printf(out, "%s\"%s\":", separator, t->kernels[k]->name);
            ax_json_put_f32(out, t->plan->row_ns[class][k]);
            separator = ",";
        }
        (void)ax_buf_append_str(out, AX_STR("}}"));
    }
    (void)ax_buf_append_str(out, AX_STR("]}\n"));
}

/* As if nothing had been measured. */
static void forget(struct tuning *t)
{
    memset(t->plan->row_ns, 0, sizeof(t->plan->row_ns));
    for (size_t class = 0; class < AX_KERNEL_CLASSES; class ++)
        t->plan->by_class[class] = t->plan->kernel;
}

/* One class of an entry; false when it cannot be followed. */
static bool take_class(struct tuning *t, size_t class, const struct ax_json *from,
                       struct ax_err *err)
{
    uint64_t rows;
    struct ax_str name = ax_json_str(ax_json_get(from, "kernel"));
    const struct ax_json *times = ax_json_get(from, "row_ns");
    bool is_found = false;
    if (!ax_json_to_u64(ax_json_get(from, "rows"), &rows) || rows != ax_kernel_class_from(class))
        return false;
    for (size_t k = 0; k < AX_KERNELS_MAX; k++) {
        double ns;
        if (!t->kernels[k])
            continue;
        if (ax_json_to_f64(ax_json_get(times, t->kernels[k]->name), &ns) && ns >= 0 && ns < 1e12)
            t->plan->row_ns[class][k] = (float)ns;
        if (ax_str_is(name, t->kernels[k]->name))
            is_found = ax_forest_plan_choose(t->plan, class, t->kernels[k], err) == AX_OK;
    }
    return is_found;
}

static bool take_entry(struct tuning *t, const struct ax_json *entry, struct ax_err *err)
{
    const struct ax_json *classes = ax_json_get(entry, "classes");
    struct ax_json_iter it = ax_json_iterate(classes);
    if (ax_json_count(classes) != AX_KERNEL_CLASSES)
        return false;
    for (size_t class = 0; class < AX_KERNEL_CLASSES; class ++) {
        if (!take_class(t, class, ax_json_next(&it), err)) {
            forget(t);
            return false;
        }
    }
    return true;
}

/* Follow the entry of this CPU. Else append the entries of other CPUs to `out`: false. */
static bool take_kept(struct tuning *t, const struct entry_name *name, struct ax_str kept,
                      struct ax_buf *out, struct ax_err *err)
{
    for (size_t count = 0; kept.len && count < ENTRIES_MAX; count++) {
        const char *end = memchr(kept.ptr, '\n', kept.len);
        struct ax_str line = { kept.ptr, end ? (size_t)(end - kept.ptr) : kept.len };
        size_t taken = AX_MIN(line.len + 1, kept.len);
        struct ax_err ignored = AX_ERR_INIT;
        struct ax_json_doc *doc = NULL;
        kept.ptr += taken;
        kept.len -= taken;
        if (ax_json_parse(line, &doc, &ignored))
            continue;
        const struct ax_json *entry = ax_json_root(doc);
        bool is_cpu = ax_str_is(ax_json_str(ax_json_get(entry, "cpu")), name->cpu);
        bool is_now = is_cpu &&
                      ax_str_is(ax_json_str(ax_json_get(entry, "kernels")), name->kernels) &&
                      ax_str_is(ax_json_str(ax_json_get(entry, "version")), AX_VERSION);
        bool is_taken = is_now && take_entry(t, entry, err);
        if (!is_cpu && ax_json_kind(entry) == AX_JSON_KIND_OBJECT) {
            (void)ax_buf_append_str(out, line);
            (void)ax_buf_append_char(out, '\n');
        }
        ax_json_free(doc);
        if (is_taken)
            return true;
    }
    return false;
}

static enum ax_code tune(struct tuning *t, struct ax_str kept, struct ax_buf *out,
                         struct ax_err *err)
{
    size_t before = out->len;
    struct entry_name name = name_now(t);
    if (take_kept(t, &name, kept, out, err)) {
        out->len = before;
        return err->code;
    }
    if (!err->code && !prepare_kernels(t, err) && !allocate(t, err) && !measure(t, err))
        put_entry(t, &name, out);
    return err->code;
}

enum ax_code ax_forest_tune(struct ax_model *model, struct ax_str kept, struct ax_buf *out,
                            struct ax_err *err)
{
    assert(model && (kept.ptr || !kept.len) && out && err);
    struct ax_forest_plan *plan = &container_of(model, struct ax_forest_model, base)->plan;
    struct tuning t = { .plan = plan, .random = UINT64_C(0x9E3779B97F4A7C15) };
    if (getenv(AX_KERNEL_VARIABLE) || plan->compiled.feature_count > VALUES_MAX / ROWS)
        return AX_OK;
    if (find_kernels(&t) > 1)
        (void)tune(&t, kept, out, err);
    tuning_done(&t);
    return err->code;
}
