/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a training, in order, in one working folder DIR/<model>/.train-XXXXXX that holds the
 * history of a service, the sets, the child's files and, in version/, what will be the version. The
 * new version is loaded as the server would load it and scored by the same engine, so the metrics
 * are of what will be served, and a version that cannot be served is never written.
 */
#include "pipeline/training.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folder_lock.h"
#include "base/json.h"
#include "engine/version.h"
#include "pipeline/dataset_rows.h"
#include "pipeline/evaluate.h"
#include "pipeline/history_work.h"
#include "pipeline/table.h"
#include "pipeline/training_set.h"
#include "pipeline/training_snapshot.h"
#include "pipeline/version_writer.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define YAML_BYTES_MAX ((size_t)8 << 20)
#define BLOCK_ROWS     4096
#define WORK_PREFIX    ".train-"
#define HISTORY_NAME   "history.parquet"
#define HISTORY_WORK   ".history"
#define ROWS_NAME      "rows.parquet"
#define PARAMS_EXTRA   2
#define CLASSES_MAX    4096
#define PATH_SIZE      4096

struct training {
    const struct ax_train_file *file;
    const struct ax_train_spec *spec;
    const struct ax_training_options *options;
    struct ax_training_report *report;
    size_t threads;
    char name[256];
    char model_folder[PATH_SIZE];
    char work[PATH_SIZE];    /* "" until it was made */
    int lock;                /* on it; -1: none */
    char parquet[PATH_SIZE]; /* Parquet: the rows of a spec without a query, then the history; or ""
                              */
    struct ax_training_set set;
    struct ax_trainer_result result;
    struct ax_err *err;
};

static void stage(const struct training *t, const char *what)
{
    if (t->options->stage)
        t->options->stage(t->options->arg, what);
}

static double seconds_since(uint64_t began_ns)
{
    return (double)(ax_clock_ns() - began_ns) / 1e9;
}

static enum ax_code join(char path[PATH_SIZE], struct ax_err *err, const char *folder,
                         const char *name)
{
    int len = snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    return len >= 0 && len < PATH_SIZE ? AX_OK : ax_fail(err, AX_E_INVALID, "the path is too long");
}

/* ---- folders ---- */

/* The highest version in the model's folder. */
static enum ax_code survey(struct training *t, uint64_t *ret_highest)
{
    DIR *folder = opendir(t->model_folder);
    struct dirent *entry;
    *ret_highest = 0;
    if (!folder)
        return ax_fail_errno(t->err, errno, "read '%s'", t->model_folder);
    while ((entry = readdir(folder))) {
        uint64_t number;
        struct ax_str name = ax_str_from(entry->d_name);
        if (ax_str_to_u64(name, &number) && name.ptr[0] != '0')
            *ret_highest = AX_MAX(*ret_highest, number);
    }
    (void)closedir(folder);
    return AX_OK;
}

/* A working folder belongs to a living training as long as its lock is held; others are removed. */
static enum ax_code remove_abandoned(struct training *t)
{
    DIR *folder = opendir(t->model_folder);
    struct dirent *entry;
    while (folder && !t->err->code && (entry = readdir(folder))) {
        char path[PATH_SIZE];
        if (strncmp(entry->d_name, WORK_PREFIX, strlen(WORK_PREFIX)) != 0 ||
            join(path, t->err, t->model_folder, entry->d_name))
            continue;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool is_abandoned = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (is_abandoned && ax_file_remove_tree(path, t->err))
            (void)ax_err_context(t->err, "an earlier training's folder");
        if (fd >= 0)
            (void)close(fd);
    }
    if (folder)
        (void)closedir(folder);
    return t->err->code;
}

/* A number that is taken is told before the work, not behind it. */
static enum ax_code check_version(struct training *t)
{
    char path[PATH_SIZE];
    char text[24];
    struct stat info;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)t->options->version);
    if (!t->options->version || join(path, t->err, t->model_folder, text))
        return t->err->code;
    return lstat(path, &info) ? AX_OK : ax_fail(t->err, AX_E_EXISTS, "'%s' is already there", path);
}

static enum ax_code make_work_folder(struct training *t)
{
    char path[PATH_SIZE];
    if (join(path, t->err, t->options->models_folder, t->name) || ax_file_make_folder(path, t->err))
        return t->err->code;
    memcpy(t->model_folder, path, sizeof(path));
    if (check_version(t) || remove_abandoned(t) ||
        join(path, t->err, t->model_folder, WORK_PREFIX "XXXXXX"))
        return t->err->code;
    if (!mkdtemp(path))
        return ax_fail_errno(t->err, errno, "make a folder in '%s'", t->model_folder);
    /* Absolute, for while the query runs the working folder is another one. */
    if (!realpath(path, t->work)) {
        int errnum = errno;
        (void)rmdir(path);
        return ax_fail_errno(t->err, errnum, "find '%s'", path);
    }
    return ax_folder_lock(path, &t->lock, t->err) || join(path, t->err, t->work, "version") ||
                   ax_file_make_folder(path, t->err)
               ? t->err->code
               : AX_OK;
}

/* ---- the steps ---- */

static const char *data_folder(const struct training *t)
{
    return t->options->data_folder ? t->options->data_folder : t->file->folder;
}

static enum ax_code open_sql(const struct training *t, const char *spill, struct ax_sql **ret_sql)
{
    struct ax_sql_config config = {
        .threads = t->threads,
        .memory_bytes_max = t->options->memory_bytes_max,
        .temp_folder = spill,
        .cancelled = t->options->cancelled,
    };
    return ax_sql_open(&config, ret_sql, t->err);
}

/* What is no Parquet becomes it, in the working folder. What the service declares as texts stays
 * texts, whatever it looks like. */
static enum ax_code copy_rows(struct training *t, const char *path)
{
    const struct ax_service *service = t->spec->service;
    size_t calls = service ? service->call_count : 0;
    struct ax_str *texts = ax_xalloc((calls + 1) * sizeof(*texts));
    struct ax_sql *sql = NULL;
    size_t count = 0;
    for (size_t i = 0; i < calls; i++)
        if (service->call[i].storage.kind == AX_STORAGE_STRING && !service->call[i].storage.is_list)
            texts[count++] = service->call[i].name;
    if (!join(t->parquet, t->err, t->work, ROWS_NAME) && !open_sql(t, NULL, &sql))
        (void)(ax_dataset_rows_copy(sql, t->threads, path, texts, count, t->parquet, t->err) !=
               AX_OK);
    ax_sql_close(sql);
    free(texts);
    return t->err->code;
}

/* Of a model whose rows are those of a file: find it, or make it. */
static enum ax_code open_rows(struct training *t)
{
    char path[PATH_SIZE];
    enum ax_table_format format;
    struct ax_str name = t->spec->rows_file;
    if (!name.len)
        return AX_OK;
    bool is_whole = name.ptr[0] == '/';
    int len = snprintf(path, sizeof(path), "%s%s%.*s", is_whole ? "" : data_folder(t),
                       is_whole ? "" : "/", AX_STR_ARG(name));
    if (len < 0 || len >= PATH_SIZE)
        (void)ax_fail(t->err, AX_E_INVALID, "the path is too long");
    else if (!ax_table_format_of(path, &format) || format != AX_TABLE_PARQUET)
        (void)(copy_rows(t, path) != AX_OK);
    else if (!realpath(path, t->parquet))
        (void)ax_fail_errno(t->err, errno, "open '%s'", path);
    return t->err->code ? ax_train_spec_context(t->spec, "rows", SIZE_MAX, t->err) : AX_OK;
}

/* In a work folder that the next training of the model finds again; two at once do without. */
static enum ax_code make_history(struct training *t, struct ax_training_history_job *job)
{
    char path[PATH_SIZE];
    char line[PATH_SIZE + 64];
    struct ax_history_work work = { NULL, -1 };
    struct ax_err ignored = AX_ERR_INIT;
    const int folder = (int)(strrchr(t->work, '/') - t->work);
    int len = snprintf(path, sizeof(path), "%.*s/%s", folder, t->work, HISTORY_WORK);
    job->keep_parts = len < PATH_SIZE && !ax_history_work_open(path, &work, &ignored);
    job->work_folder = job->keep_parts ? path : t->work;
    (void)(ax_training_history_make(job, &t->report->history, t->err) != AX_OK);
    (void)snprintf(line, sizeof(line), "'%s' keeps what is done; the same command goes on", path);
    if (ax_history_work_close(&work, t->err->code) && t->options->warn)
        t->options->warn(t->options->arg, line);
    return t->err->code;
}

/* And keep it as a dataset. */
static enum ax_code keep_history(struct training *t, struct ax_training_history_job *job)
{
    struct ax_training_snapshot *snapshot = NULL;
    struct ax_dataset_kept kept;
    if (ax_training_snapshot_open(job, t->options->state_folder, &snapshot, t->err))
        return t->err->code;
    if (!make_history(t, job) &&
        !ax_training_snapshot_keep(snapshot, t->report->service.digest, &kept, t->err))
        memcpy(t->report->history.snapshot, kept.digest, sizeof(kept.digest));
    ax_training_snapshot_close(snapshot);
    return t->err->code;
}

/* Of a model with a service: which version of it is in force, and the rows with its inputs. */
static enum ax_code run_history(struct training *t)
{
    uint64_t began_ns = ax_clock_ns();
    const struct ax_training_options *options = t->options;
    char out[PATH_SIZE];
    if (join(out, t->err, t->work, HISTORY_NAME))
        return t->err->code;
    struct ax_training_history_job job = {
        .file = t->file,
        .spec = t->spec,
        .rows = t->parquet[0] ? t->parquet : NULL,
        .data_folder = data_folder(t),
        .out = out,
        .threads = t->threads,
        .memory_bytes_max = options->memory_bytes_max,
        .cancelled = options->cancelled,
        .progress = options->history,
        .warn = options->warn,
        .arg = options->arg,
    };
    stage(t, "making the history");
    struct ax_source_journals *journals = NULL;
    if (!ax_training_service_find(t->file->definitions, t->spec->service, options->state_folder,
                                  &t->report->service, t->err) &&
        !ax_source_journals_open(options->state_folder, t->file->definitions, &journals, t->err)) {
        job.journals = journals;
        (void)(options->snapshot ? keep_history(t, &job) : make_history(t, &job));
        ax_source_journals_close(journals);
    }
    if (t->err->code)
        return t->err->code;
    memcpy(t->parquet, out, sizeof(out));
    t->report->has_service = true;
    t->report->seconds_history = seconds_since(began_ns);
    return AX_OK;
}

/*
 * Relative paths of the query start in the folder of the data, and nowhere else: so that is the
 * working folder as long as the query runs. DuckDB's own setting for it (file_search_path) looks in
 * the working folder first, and would take a file of the same name that happens to lie there.
 */
static enum ax_code query_in_folder(struct training *t, struct ax_sql *sql)
{
    const char *folder = data_folder(t);
    int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (back < 0)
        return ax_fail_errno(t->err, errno, "open the working folder");
    if (chdir(folder))
        (void)ax_fail_errno(t->err, errno, "go to the data's folder '%s'", folder);
    else
        (void)(ax_training_set_make(sql, t->spec, t->parquet[0] ? t->parquet : NULL, t->work,
                                    &t->set, t->err) != AX_OK);
    if (fchdir(back))
        (void)ax_fail_errno(t->err, errno, "go back from the data's folder");
    (void)close(back);
    return t->err->code;
}

static enum ax_code run_query(struct training *t)
{
    uint64_t began_ns = ax_clock_ns();
    char spill[PATH_SIZE];
    struct ax_sql *sql = NULL;
    if (join(spill, t->err, t->work, "spill"))
        return t->err->code;
    stage(t, t->spec->service ? "reading the history" : "reading the rows");
    if (open_sql(t, spill, &sql))
        return t->err->code;
    enum ax_code code = query_in_folder(t, sql);
    ax_sql_close(sql);
    t->report->seconds_query = seconds_since(began_ns);
    return code;
}

/* Objectives whose predictions are no estimate of one label, so that our metrics say nothing. */
static bool has_no_metrics(const char *objective)
{
    static const char *const families[] = { "rank:", "reg:expectileerror", "survival:" };
    for (size_t i = 0; i < AX_COUNT(families); i++) {
        if (strncmp(objective, families[i], strlen(families[i])) == 0)
            return true;
    }
    return false;
}

/* What the library has to be told besides the file's own parameters. */
static enum ax_code add_params(const struct training *t, struct ax_trainer_param *params,
                               size_t *count, char threads[24], char classes[24])
{
    const char *objective = "";
    for (size_t i = 0; i < t->spec->param_count; i++) {
        params[i] = t->spec->params[i];
        if (strcmp(params[i].name, "objective") == 0)
            objective = params[i].text;
    }
    if (has_no_metrics(objective))
        return ax_fail(t->err, AX_E_UNSUPPORTED,
                       "there is no metric here for '%s'; train with the library itself, the model "
                       "is served all the same",
                       objective);
    size_t n = t->spec->param_count;
    size_t labels = t->set.label.category_count;
    (void)snprintf(threads, 24, "%zu", t->threads);
    params[n++] = (struct ax_trainer_param){ (char *)(uintptr_t)"nthread", threads };
    if (strncmp(objective, "multi:", 6) == 0) {
        if (!t->set.label_is_index || t->set.label_max >= CLASSES_MAX || labels > CLASSES_MAX)
            return ax_fail(t->err, AX_E_INVALID,
                           "'%s' needs a text as label, or whole numbers from 0 to the number of "
                           "classes less one, at most %d classes",
                           objective, CLASSES_MAX);
        size_t found = labels ? labels : (size_t)t->set.label_max + 1;
        (void)snprintf(classes, 24, "%zu", found);
        params[n++] = (struct ax_trainer_param){ (char *)(uintptr_t)"num_class", classes };
    } else if (labels && (labels != 2 || strncmp(objective, "binary:", 7) != 0)) {
        return ax_fail(t->err, AX_E_INVALID,
                       "the label is a text of %zu values, which '%s' cannot learn; use "
                       "multi:softprob, or binary:logistic for two",
                       labels, objective);
    }
    *count = n;
    return AX_OK;
}

static enum ax_code run_trainer(struct training *t)
{
    uint64_t began_ns = ax_clock_ns();
    size_t n = t->set.column_count;
    char threads[24];
    char classes[24];
    struct ax_str *names = ax_xalloc(n * sizeof(*names));
    size_t *categories = ax_xalloc(n * sizeof(*categories));
    struct ax_trainer_param *params =
        ax_xalloc((t->spec->param_count + PARAMS_EXTRA) * sizeof(*params));
    for (size_t i = 0; i < n; i++) {
        names[i] = t->set.columns[i].name;
        categories[i] = t->set.columns[i].category_count;
    }
    struct ax_trainer_job job = {
        .folder = t->work,
        .names = names,
        .category_counts = categories,
        .column_count = n,
        .train_rows = t->set.parts[AX_PART_TRAIN].rows,
        .stop_rows = t->set.parts[AX_PART_STOP].rows,
        .weighted = t->set.weighted,
        .params = params,
        .rounds = t->spec->rounds,
        .early_stopping_rounds = t->spec->early_stopping_rounds,
        .threads = t->threads,
        .progress = t->options->progress,
        .progress_arg = t->options->arg,
        .cancelled = t->options->cancelled,
    };
    stage(t, "training");
    enum ax_code code = add_params(t, params, &job.param_count, threads, classes);
    if (!code)
        code = ax_trainer_run(&job, &t->result, t->err);
    if (code == AX_E_INVALID)
        (void)ax_train_spec_context(t->spec, "params", SIZE_MAX, t->err);
    free(names);
    free(categories);
    free(params);
    t->report->seconds_train = seconds_since(began_ns);
    return code;
}

/* ---- evaluation ---- */

/* A float32 file of the working folder, mapped. */
static enum ax_code map_file(struct training *t, const char *name, size_t count,
                             const float **ret_values)
{
    char path[PATH_SIZE];
    if (join(path, t->err, t->work, name))
        return t->err->code;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *values =
        fd < 0 ? MAP_FAILED : mmap(NULL, count * sizeof(float), PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        (void)close(fd);
    if (values == MAP_FAILED)
        return ax_fail(t->err, AX_E_LIMIT, "cannot map '%s'", path);
    *ret_values = values;
    return AX_OK;
}

/* The output that is evaluated: probabilities where there are any, else the prediction. */
static size_t evaluated_output(const struct ax_signature *signature)
{
    bool classes = signature->task == AX_TASK_BINARY || signature->task == AX_TASK_MULTICLASS;
    const struct ax_output *output =
        classes ? ax_signature_output(signature, AX_STR("probability")) : NULL;
    return output ? (size_t)(output - signature->outputs) : 0;
}

/* Score `rows` rows of the matrix into `predictions`, in blocks. */
static enum ax_code score(const struct ax_model *model, const float *values, size_t rows,
                          float *predictions, struct ax_err *err)
{
    const struct ax_signature *signature = &model->signature;
    size_t n = signature->input_count;
    size_t wanted = evaluated_output(signature);
    size_t width = signature->outputs[wanted].width;
    struct ax_column *columns = ax_xalloc((n + signature->output_count) * sizeof(*columns));
    void *scratch = ax_xalloc(ax_model_scratch_size(model, BLOCK_ROWS) + 64);
    void *aligned = (void *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    struct ax_column *outs = columns + n;
    for (size_t at = 0; at < rows && !err->code; at += BLOCK_ROWS) {
        size_t count = AX_MIN(rows - at, (size_t)BLOCK_ROWS);
        for (size_t i = 0; i < n; i++)
            columns[i] = (struct ax_column){ .datatype = AX_FP32,
                                             .width = 1,
                                             .values = (float *)(uintptr_t)values + at * n + i,
                                             .stride = n * sizeof(float) };
        outs[wanted] = (struct ax_column){ .datatype = AX_FP32,
                                           .width = width,
                                           .values = predictions + at * width,
                                           .stride = width * sizeof(float) };
        struct ax_batch in = { count, n, columns };
        struct ax_batch out = { count, signature->output_count, outs };
        if (ax_model_predict(model, &in, &out, aligned, err))
            break;
    }
    free(scratch);
    free(columns);
    return err->code;
}

static enum ax_code evaluate_rows(struct training *t, const struct ax_model *model, size_t rows)
{
    const struct ax_signature *signature = &model->signature;
    size_t width = signature->outputs[evaluated_output(signature)].width;
    size_t n = t->set.column_count;
    const float *values = NULL;
    const float *labels = NULL;
    float *predictions = ax_try_alloc(rows * width, sizeof(float));
    if (!predictions)
        return ax_fail(t->err, AX_E_LIMIT, "no memory to evaluate %zu rows", rows);
    if (!map_file(t, "test.values", rows * n, &values) &&
        !map_file(t, "test.labels", rows, &labels) &&
        !score(model, values, rows, predictions, t->err))
        (void)(ax_evaluate_print(signature, predictions, width, labels, rows, &t->report->metrics,
                                 t->err) != AX_OK);
    if (values)
        (void)munmap((void *)(uintptr_t)values, rows * n * sizeof(float));
    if (labels)
        (void)munmap((void *)(uintptr_t)labels, rows * sizeof(float));
    free(predictions);
    return t->err->code;
}

static enum ax_code evaluate(struct training *t, const char *folder)
{
    uint64_t began_ns = ax_clock_ns();
    size_t rows = t->set.parts[AX_PART_TEST].rows;
    struct ax_version *version = NULL;
    stage(t, "evaluating");
    if (ax_version_load(folder, t->name, 1, NULL, &version, t->err))
        return ax_err_context(t->err, "the version that was trained cannot be served");
    if (rows)
        (void)(evaluate_rows(t, version->model, rows) != AX_OK);
    else
        (void)ax_buf_append_str(&t->report->metrics, AX_STR("{\"rows\": 0}"));
    ax_version_unref(version);
    t->report->seconds_evaluate = seconds_since(began_ns);
    return t->err->code;
}

/* ---- writing ---- */

/* model.yaml in `folder`; its text goes to `digest` too, when there is one. */
static enum ax_code write_yaml(struct training *t, const char *folder, bool whole,
                               struct ax_sha256 *digest)
{
    struct ax_buf text;
    char path[PATH_SIZE];
    struct ax_version_facts facts = {
        .spec = t->spec,
        .set = &t->set,
        .service = &t->report->service,
        .history = &t->report->history,
        .result = whole ? &t->result : NULL,
        .threads = t->threads,
        .metrics = ax_buf_str(&t->report->metrics),
    };
    ax_buf_init(&text, YAML_BYTES_MAX);
    enum ax_code code = join(path, t->err, folder, "model.yaml");
    if (!code)
        code = ax_version_print(&facts, &text, t->err);
    if (!code)
        code = ax_file_replace(path, ax_buf_str(&text), t->err);
    if (!code && digest)
        ax_sha256_add(digest, text.ptr, text.len);
    ax_buf_done(&text);
    return code;
}

static enum ax_code write_timings(struct training *t, const char *folder)
{
    char text[256];
    char path[PATH_SIZE];
    const struct ax_training_report *r = t->report;
    char history[64] = "";
    if (r->has_service)
        (void)snprintf(history, sizeof(history), "\"history\": %.3f, ", r->seconds_history);
    int len = snprintf(text, sizeof(text),
                       "{\"seconds\": {%s\"query\": %.3f, \"train\": %.3f, \"evaluate\": %.3f}}\n",
                       history, r->seconds_query, r->seconds_train, r->seconds_evaluate);
    if (join(path, t->err, folder, "timings.json"))
        return t->err->code;
    return ax_file_replace(path, (struct ax_str){ text, (size_t)len }, t->err);
}

static enum ax_code add_file_digest(struct training *t, const char *path, struct ax_sha256 *digest)
{
    struct ax_buf bytes;
    ax_buf_init(&bytes, AX_ENGINE_FILE_BYTES_MAX);
    enum ax_code code = ax_file_read(path, &bytes, t->err);
    if (!code)
        ax_sha256_add(digest, bytes.ptr, bytes.len);
    ax_buf_done(&bytes);
    return code;
}

/* Give the finished folder its number; another training may take the same one first. */
static enum ax_code publish(struct training *t, const char *folder)
{
    for (;;) {
        uint64_t number = t->options->version;
        char text[24];
        if (!number) {
            if (survey(t, &number))
                return t->err->code;
            number++;
        }
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
        if (join(t->report->path, t->err, t->model_folder, text))
            return t->err->code;
        t->report->version = number;
        if (renameat2(AT_FDCWD, folder, AT_FDCWD, t->report->path, RENAME_NOREPLACE) == 0)
            return AX_OK;
        if (errno != EEXIST)
            return ax_fail_errno(t->err, errno, "make '%s'", t->report->path);
        if (t->options->version)
            return ax_fail(t->err, AX_E_EXISTS, "'%s' is already there", t->report->path);
    }
}

static enum ax_code write_version(struct training *t)
{
    char folder[PATH_SIZE];
    char model[PATH_SIZE];
    struct ax_sha256 digest;
    ax_sha256_init(&digest);
    if (join(folder, t->err, t->work, "version") || join(model, t->err, folder, "model.ubj"))
        return t->err->code;
    if (rename(t->result.model_path, model))
        return ax_fail(t->err, AX_E_INTERNAL, "the training process left no model");
    if (write_yaml(t, folder, false, NULL) || evaluate(t, folder) ||
        add_file_digest(t, model, &digest) || write_yaml(t, folder, true, &digest) ||
        write_timings(t, folder))
        return t->err->code;
    ax_sha256_text(&digest, t->report->digest);
    stage(t, "writing");
    return publish(t, folder);
}

/* A version whose service is not in force is not recorded, and neither is one without a service. */
static enum ax_code record(struct training *t)
{
    struct ax_training_report *report = t->report;
    if (!report->has_service || !report->service.version)
        return AX_OK;
    stage(t, "recording");
    struct ax_registry_model_version version = {
        .model = t->spec->name,
        .number = report->version,
        .service = t->spec->service->name,
        .service_version = report->service.version,
        .digest = ax_str_from(report->history.digest),
        .path = ax_str_from(report->path),
        .recorded_at_us = t->options->now_us,
    };
    if (ax_training_version_record(t->options->state_folder, &version, t->err))
        return ax_err_context(t->err, "'%s' is written and not recorded (train --record does it)",
                              report->path);
    report->is_recorded = true;
    return AX_OK;
}

static void fill_report(struct training *t)
{
    memcpy(t->report->content, t->set.content, sizeof(t->report->content));
    t->report->rows_read = t->set.rows_read;
    t->report->rows_unlabelled = t->set.rows_unlabelled;
    for (size_t p = 0; p < AX_PART_COUNT; p++)
        t->report->rows[p] = t->set.parts[p].rows;
    t->report->rounds_run = t->result.rounds_run;
    t->report->rounds_kept = t->result.rounds_kept;
}

enum ax_code ax_training_run(const struct ax_train_file *file, const struct ax_train_spec *spec,
                             const struct ax_training_options *options,
                             struct ax_training_report *ret_report, struct ax_err *err)
{
    assert(file && spec && options && options->models_folder && options->threads && ret_report);
    assert(!spec->service || (file->definitions && options->state_folder));
    struct ax_training_report report = { 0 };
    struct training t = { .file = file,
                          .spec = spec,
                          .options = options,
                          .report = &report,
                          .threads = spec->threads ? spec->threads : options->threads,
                          .lock = -1,
                          .err = err };
    ax_buf_init(&report.metrics, YAML_BYTES_MAX);
    (void)snprintf(t.name, sizeof(t.name), "%.*s", AX_STR_ARG(spec->name));
    if (!make_work_folder(&t) && !open_rows(&t) && !(spec->service && run_history(&t)) &&
        !run_query(&t) && !run_trainer(&t) && !write_version(&t) && !record(&t))
        fill_report(&t);
    struct ax_err ignored = AX_ERR_INIT;
    if (t.work[0])
        (void)(ax_file_remove_tree(t.work, &ignored) != AX_OK);
    /* A model of which nothing is there was made in vain; a folder that holds something stays. */
    if (err->code && t.model_folder[0])
        (void)rmdir(t.model_folder);
    if (t.lock >= 0)
        (void)close(t.lock);
    free(t.result.gains);
    ax_training_set_done(&t.set);
    if (err->code)
        ax_training_report_done(&report);
    else
        *ret_report = report;
    return err->code;
}

void ax_training_report_done(struct ax_training_report *report)
{
    if (report)
        ax_buf_done(&report->metrics);
}
