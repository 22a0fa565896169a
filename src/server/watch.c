/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model is what is told of; under it stand the folders that are watched for it, its own and its
 * versions'. inotify names a watch by a number, which is the same for two links to one folder, so
 * a number leads to a chain of folders. Events only mark models and mend the table of folders; once
 * all events that are there were read, the models that have settled are told of.
 *
 * Whenever it is not certain what happened (the queue overflowed, links share a watch) everything
 * is watched anew and each model counts as touched: slow is fine, wrong is not.
 */
#include "server/watch.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "server/write_probe.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENT_BYTES ((size_t)64 << 10)
/* Nobody waits longer for the closing of a file than this after it was last touched. */
#define OPEN_NS ((uint64_t)60 * AX_NS_PER_S)
/* Between two looks at a model of which a file is open; its closing is mostly told sooner. */
#define LOOK_NS ((uint64_t)AX_NS_PER_S)
/* Of one model, in one look; a version that can be loaded has some hundred at most. */
#define PROBES_MAX ((size_t)4096)

/* One mask for all folders: a second watch of the same folder would replace the first one's. */
#define NAMES_CHANGE  (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define FOLDER_LEAVES (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)
#define FILES_CHANGE  (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)
#define WATCHED       (NAMES_CHANGE | FOLDER_LEAVES | FILES_CHANGE | IN_ONLYDIR)

const struct ax_option ax_watch_options[] = {
    { AX_OPTION_TIME, "watch_settle_ms", "300", offsetof(struct ax_watch_config, settle_ns), 1,
      60000, "ms",
      "With --model-control watch: how long a model's files must have stayed as they are, before "
      "it is loaded anew." },
    { AX_OPTION_TIME, "watch_poll_s", "15", offsetof(struct ax_watch_config, poll_ns), 1, 86400,
      "s",
      "With --model-control watch: how often the folder is looked through, where the kernel does "
      "not tell what changes." },
    { 0 },
};

struct watch_model;

/* A folder that is watched. */
struct watch_folder {
    int number; /* inotify's; -1: it is not watched */
    struct watch_folder *same;
    struct watch_model *model; /* NULL: the folder of models */
    char *version;             /* its name; NULL: the model's own folder */
    struct ax_map open;        /* names of files that are open for writing, as far as is known */
};

struct watch_model {
    char *name;
    struct watch_folder own;
    struct ax_map versions; /* name -> struct watch_folder */
    size_t open_count;      /* in all of its folders */
    bool is_dirty;
    uint64_t changed_ns; /* when it was last touched */
    uint64_t look_at_ns; /* when it is looked whether it has settled */
};

struct ax_watch {
    const char *folder; /* borrowed */
    const struct ax_watch_config *config;
    struct ax_watch_listener *listener; /* NULL: it has not started */
    struct ax_thread thread;
    int inotify;
    int stop; /* eventfd */
    struct watch_folder root;
    struct ax_map models;  /* name -> struct watch_model */
    struct ax_map numbers; /* bytes of a number -> first struct watch_folder */
    bool is_short;         /* something could not be watched since the last look at everything */
    bool has_warned;       /* about that, since all was well */
    uint64_t poll_at_ns;
    uint64_t now_ns;
};

/* ---- folders and numbers ---- */

static struct ax_str number_key(const int *number)
{
    return (struct ax_str){ (const char *)number, sizeof(*number) };
}

static void warn_once(struct ax_watch *watch, const char *path, int errnum)
{
    watch->is_short = true;
    if (watch->has_warned)
        return;
    watch->has_warned = true;
    struct ax_err err = AX_ERR_INIT;
    const char *fix = errnum == ENOSPC ? " (fs.inotify.max_user_watches is too small)" : "";
    (void)ax_fail_errno(&err, errnum, "watch '%s'%s", path, fix);
    ax_log(AX_LOG_WARN, "the folder of models is looked through now and then instead of watched",
           AX_LOG_U64("seconds", watch->config->poll_ns / AX_NS_PER_S), AX_LOG_ERR(&err));
}

static void folder_init(struct watch_folder *folder, struct watch_model *model, const char *version)
{
    *folder = (struct watch_folder){ .number = -1, .model = model };
    folder->version = version ? ax_xstrdup(version) : NULL;
    ax_map_init(&folder->open);
}

/* False when it is no folder that can be read, or when watching is refused, which is told. */
static bool folder_watch(struct ax_watch *watch, struct watch_folder *folder, const char *path)
{
    assert(folder->number < 0);
    int number = inotify_add_watch(watch->inotify, path, WATCHED);
    if (number < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES))
        return false;
    if (number < 0) {
        warn_once(watch, path, errno);
        return false;
    }
    folder->number = number;
    struct watch_folder *same = ax_map_get(&watch->numbers, number_key(&number));
    folder->same = same;
    (void)ax_map_put(&watch->numbers, number_key(&number), folder);
    return true;
}

/* Take a folder out of the chain of its number. */
static void folder_unlink(struct ax_watch *watch, struct watch_folder *folder)
{
    struct watch_folder *first = ax_map_get(&watch->numbers, number_key(&folder->number));
    if (first == folder && !folder->same) {
        (void)ax_map_remove(&watch->numbers, number_key(&folder->number));
        /* It may be gone by itself, with the folder. */
        (void)inotify_rm_watch(watch->inotify, folder->number);
    } else if (first == folder) {
        (void)ax_map_put(&watch->numbers, number_key(&folder->number), folder->same);
    } else {
        while (first->same != folder)
            first = first->same;
        first->same = folder->same;
    }
}

static void folder_close(struct watch_folder *folder, struct ax_str name)
{
    if (ax_map_remove(&folder->open, name))
        folder->model->open_count--;
}

static void folder_open(struct watch_folder *folder, struct ax_str name)
{
    if (!ax_map_put(&folder->open, name, folder))
        folder->model->open_count++;
}

/* Forget the watch; the folder may be watched again. */
static void folder_unwatch(struct ax_watch *watch, struct watch_folder *folder)
{
    if (folder->number >= 0)
        folder_unlink(watch, folder);
    folder->number = -1;
    folder->same = NULL;
    if (folder->model)
        folder->model->open_count -= folder->open.count;
    ax_map_done(&folder->open);
    ax_map_init(&folder->open);
}

static void folder_done(struct ax_watch *watch, struct watch_folder *folder)
{
    folder_unwatch(watch, folder);
    ax_map_done(&folder->open);
    free(folder->version);
}

/* ---- models ---- */

/* A path below the folder of models, or false when it is too long for one. */
static bool print_path(const struct ax_watch *watch, const char *model, const char *version,
                       const char *file, char path[PATH_MAX])
{
    int len = snprintf(path, PATH_MAX, "%s/%s%s%s%s%s", watch->folder, model, version ? "/" : "",
                       version ? version : "", file ? "/" : "", file ? file : "");
    return len > 0 && len < PATH_MAX;
}

static void model_remove_version(struct ax_watch *watch, struct watch_model *model,
                                 const char *name)
{
    struct watch_folder *version = ax_map_remove(&model->versions, ax_str_from(name));
    if (version)
        folder_done(watch, version);
    free(version);
}

/* The entry `name` of a model's folder came, or is another now. */
static void model_add_version(struct ax_watch *watch, struct watch_model *model, const char *name)
{
    char path[PATH_MAX];
    model_remove_version(watch, model, name);
    if (name[0] == '.' || !print_path(watch, model->name, name, NULL, path))
        return;
    struct watch_folder *version = ax_xalloc(sizeof(*version));
    folder_init(version, model, name);
    if (folder_watch(watch, version, path)) {
        (void)ax_map_put(&model->versions, ax_str_from(name), version);
    } else {
        folder_done(watch, version);
        free(version);
    }
}

static void model_unwatch(struct ax_watch *watch, struct watch_model *model)
{
    size_t at = 0;
    struct ax_str name;
    void *version;
    while (ax_map_next(&model->versions, &at, &name, &version)) {
        folder_done(watch, version);
        free(version);
    }
    ax_map_done(&model->versions);
    ax_map_init(&model->versions);
    folder_unwatch(watch, &model->own);
}

/* Watch a model's folder and those of its versions, in this order, as they are now. */
static void model_watch(struct ax_watch *watch, struct watch_model *model)
{
    char path[PATH_MAX];
    model_unwatch(watch, model);
    if (!print_path(watch, model->name, NULL, NULL, path) ||
        !folder_watch(watch, &model->own, path))
        return;
    DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_type != DT_REG)
            model_add_version(watch, model, entry->d_name);
    if (dir)
        (void)closedir(dir);
}

static struct watch_model *model_get(struct ax_watch *watch, const char *name)
{
    struct watch_model *model = ax_map_get(&watch->models, ax_str_from(name));
    if (model)
        return model;
    model = ax_xalloc(sizeof(*model));
    model->name = ax_xstrdup(name);
    folder_init(&model->own, model, NULL);
    ax_map_init(&model->versions);
    (void)ax_map_put(&watch->models, ax_str_from(name), model);
    return model;
}

/* The caller takes it out of the table. */
static void model_free(struct ax_watch *watch, struct watch_model *model)
{
    model_unwatch(watch, model);
    ax_map_done(&model->versions);
    folder_done(watch, &model->own);
    free(model->name);
    free(model);
}

static void model_mark(const struct ax_watch *watch, struct watch_model *model)
{
    model->is_dirty = true;
    model->changed_ns = watch->now_ns;
    model->look_at_ns = watch->now_ns + watch->config->settle_ns;
}

/* ---- everything ---- */

static void list_models(struct ax_watch *watch)
{
    DIR *dir = opendir(watch->folder);
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && entry->d_type != DT_REG)
            (void)model_get(watch, entry->d_name);
    if (dir)
        (void)closedir(dir);
}

/* Watch all that is there as if nothing had been watched before. With `mark` each model counts as
 * touched; else the listener is going to look through all of them at once. Without the folder
 * itself nothing is watched: whether its models are gone is for the listener to say. */
static void watch_everything(struct ax_watch *watch, bool mark)
{
    size_t at = 0;
    struct ax_str name;
    void *model;
    folder_unwatch(watch, &watch->root);
    watch->is_short = false;
    bool is_there = folder_watch(watch, &watch->root, watch->folder);
    if (is_there)
        list_models(watch);
    else if (!watch->is_short)
        warn_once(watch, watch->folder, ENOENT);
    while (ax_map_next(&watch->models, &at, &name, &model)) {
        model_unwatch(watch, model);
        if (is_there)
            model_watch(watch, model);
        if (is_there && mark)
            model_mark(watch, model);
    }
    if (!watch->is_short && watch->has_warned) {
        watch->has_warned = false;
        ax_log(AX_LOG_INFO, "the folder of models is watched again",
               AX_LOG_TEXT("folder", watch->folder));
    }
    watch->poll_at_ns = watch->now_ns + watch->config->poll_ns;
}

/* ---- events ---- */

/* Something happened in the folder of models. Returns whether the tables changed. */
static bool root_event(struct ax_watch *watch, const struct inotify_event *event)
{
    if (event->mask & FOLDER_LEAVES || (event->len && strncmp(event->name, "..", 2) == 0)) {
        watch_everything(watch, true);
        return true;
    }
    if (!event->len || event->name[0] == '.' || !(event->mask & (NAMES_CHANGE | IN_ATTRIB)))
        return false;
    bool is_known = ax_map_get(&watch->models, ax_str_from(event->name)) != NULL;
    struct watch_model *model = model_get(watch, event->name);
    model_watch(watch, model);
    model_mark(watch, model);
    /* A plain file, or a folder that went again at once. */
    if (!is_known && model->own.number < 0 && !watch->is_short) {
        (void)ax_map_remove(&watch->models, ax_str_from(event->name));
        model_free(watch, model);
    }
    return true;
}

/* A file that was made is taken to be written until it is closed, unless it came as a link. */
static bool is_being_made(const struct ax_watch *watch, const struct watch_folder *folder,
                          const char *name)
{
    char path[PATH_MAX];
    struct stat info;
    return print_path(watch, folder->model->name, folder->version, name, path) &&
           lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1;
}

/* Which files are open for writing. */
static void note_open_files(const struct ax_watch *watch, struct watch_folder *folder,
                            const struct inotify_event *event)
{
    if (!event->len || event->mask & IN_ISDIR)
        return;
    if (event->mask & (IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
        folder_close(folder, ax_str_from(event->name));
    else if (event->mask & IN_MODIFY ||
             (event->mask & IN_CREATE && is_being_made(watch, folder, event->name)))
        folder_open(folder, ax_str_from(event->name));
}

/* Something happened in a model's folder or in one of its versions'. Returns whether the tables
 * changed. */
static bool folder_event(struct ax_watch *watch, struct watch_folder *folder,
                         const struct inotify_event *event)
{
    struct watch_model *model = folder->model;
    model_mark(watch, model);
    if (event->mask & (FOLDER_LEAVES | IN_IGNORED)) {
        model_watch(watch, model);
        return true;
    }
    note_open_files(watch, folder, event);
    if (folder->version || !event->len)
        return false;
    if (event->mask & (IN_DELETE | IN_MOVED_FROM))
        model_remove_version(watch, model, event->name);
    else if (event->mask & NAMES_CHANGE || (event->mask & IN_ATTRIB && event->mask & IN_ISDIR))
        model_add_version(watch, model, event->name);
    else
        return false;
    return true;
}

static void handle_event(struct ax_watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        watch_everything(watch, true);
        return;
    }
    struct watch_folder *folder = ax_map_get(&watch->numbers, number_key(&event->wd));
    bool is_shared = folder && folder->same;
    bool is_changed = false;
    while (folder && !is_changed) {
        struct watch_folder *next = folder->same;
        is_changed = folder->model ? folder_event(watch, folder, event) : root_event(watch, event);
        folder = next;
    }
    /* The rest of the chain may not be what it was. */
    if (is_changed && is_shared)
        watch_everything(watch, true);
}

static void read_events(struct ax_watch *watch, char *bytes)
{
    for (;;) {
        ssize_t len = read(watch->inotify, bytes, EVENT_BYTES);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return;
        for (ssize_t at = 0; at < len;) {
            struct inotify_event *event = (struct inotify_event *)(void *)(bytes + at);
            at += (ssize_t)(sizeof(*event) + event->len);
            handle_event(watch, event);
        }
    }
}

/* ---- telling ---- */

/* Ask which files of a folder are open for writing. Where there is no answer, what the events said
 * holds. */
static void folder_probe(const struct ax_watch *watch, struct watch_folder *folder, size_t *left)
{
    char path[PATH_MAX];
    DIR *dir = NULL;
    if (folder->number >= 0 && print_path(watch, folder->model->name, folder->version, NULL, path))
        dir = opendir(path);
    for (const struct dirent *entry; dir && *left && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
            continue;
        --*left;
        enum ax_write_probe found = ax_write_probe_file(dirfd(dir), entry->d_name);
        if (found == AX_WRITE_PROBE_OPEN)
            folder_open(folder, ax_str_from(entry->d_name));
        else if (found == AX_WRITE_PROBE_CLOSED)
            folder_close(folder, ax_str_from(entry->d_name));
    }
    if (dir)
        (void)closedir(dir);
}

static void model_probe(const struct ax_watch *watch, struct watch_model *model)
{
    size_t left = PROBES_MAX, at = 0;
    struct ax_str name;
    void *version;
    folder_probe(watch, &model->own, &left);
    while (ax_map_next(&model->versions, &at, &name, &version))
        folder_probe(watch, version, &left);
}

/* Nothing has happened to it for long enough: whether it may be told of. If not, when to look
 * again is noted. */
static bool model_has_settled(const struct ax_watch *watch, struct watch_model *model)
{
    uint64_t settle_ns = watch->config->settle_ns;
    uint64_t last_ns = model->changed_ns + AX_MAX(OPEN_NS, settle_ns);
    if (watch->now_ns >= last_ns)
        return true;
    model_probe(watch, model);
    model->look_at_ns = AX_MIN(watch->now_ns + AX_MAX(LOOK_NS, settle_ns), last_ns);
    return !model->open_count;
}

/* Tell what has settled. Returns when the next one will have. */
static uint64_t tell(struct ax_watch *watch)
{
    uint64_t next_ns = watch->is_short ? watch->poll_at_ns : UINT64_MAX;
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&watch->models, &at, &name, &value)) {
        struct watch_model *model = value;
        if (!model->is_dirty)
            continue;
        if (model->look_at_ns > watch->now_ns || !model_has_settled(watch, model)) {
            next_ns = AX_MIN(next_ns, model->look_at_ns);
            continue;
        }
        model->is_dirty = false;
        watch->listener->changed(watch->listener, name);
        if (model->own.number < 0) {
            (void)ax_map_remove(&watch->models, name);
            model_free(watch, model);
        }
    }
    return next_ns;
}

static int timeout_ms(uint64_t now_ns, uint64_t at_ns)
{
    if (at_ns == UINT64_MAX)
        return -1;
    if (at_ns <= now_ns)
        return 0;
    return (int)AX_MIN((at_ns - now_ns) / AX_NS_PER_MS + 1, (uint64_t)60000);
}

static void watch_run(void *arg)
{
    struct ax_watch *watch = arg;
    char *bytes = ax_xalloc(EVENT_BYTES);
    struct pollfd pollers[] = { { .fd = watch->inotify, .events = POLLIN },
                                { .fd = watch->stop, .events = POLLIN } };
    while (!(pollers[1].revents & POLLIN)) {
        uint64_t next_ns = tell(watch);
        (void)poll(pollers, AX_COUNT(pollers), timeout_ms(watch->now_ns, next_ns));
        watch->now_ns = ax_clock_ns();
        if (pollers[0].revents & POLLIN)
            read_events(watch, bytes);
        if (watch->is_short && watch->now_ns >= watch->poll_at_ns) {
            watch_everything(watch, false);
            watch->listener->rescan(watch->listener);
        }
    }
    free(bytes);
}

/* ---- life ---- */

static void watch_free(struct ax_watch *watch)
{
    size_t at = 0;
    struct ax_str name;
    void *model;
    while (ax_map_next(&watch->models, &at, &name, &model))
        model_free(watch, model);
    folder_done(watch, &watch->root);
    ax_map_done(&watch->models);
    ax_map_done(&watch->numbers);
    if (watch->inotify >= 0)
        (void)close(watch->inotify);
    if (watch->stop >= 0)
        (void)close(watch->stop);
    free(watch);
}

enum ax_code ax_watch_new(const char *folder, const struct ax_watch_config *config,
                          struct ax_watch **ret_watch, struct ax_err *err)
{
    assert(folder && config && config->settle_ns && config->poll_ns && ret_watch && err);
    struct ax_watch *watch = ax_xalloc(sizeof(*watch));
    watch->folder = folder;
    watch->config = config;
    folder_init(&watch->root, NULL, NULL);
    ax_map_init(&watch->models);
    ax_map_init(&watch->numbers);
    watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->inotify < 0 || watch->stop < 0) {
        (void)ax_fail_errno(err, errno, "watch the folder of models");
        watch_free(watch);
        return err->code;
    }
    watch->now_ns = ax_clock_ns();
    watch_everything(watch, false);
    *ret_watch = watch;
    return AX_OK;
}

enum ax_code ax_watch_start(struct ax_watch *watch, struct ax_watch_listener *listener,
                            struct ax_err *err)
{
    assert(watch && !watch->listener && listener && err);
    watch->listener = listener;
    if (ax_thread_start(&watch->thread, "watch", watch_run, watch, err)) {
        watch->listener = NULL;
        return err->code;
    }
    return AX_OK;
}

void ax_watch_stop_free(struct ax_watch *watch)
{
    if (!watch)
        return;
    if (watch->listener) {
        uint64_t one = 1;
        ssize_t wrote = write(watch->stop, &one, sizeof(one));
        assert(wrote == sizeof(one));
        ax_thread_join(&watch->thread);
    }
    watch_free(watch);
}
