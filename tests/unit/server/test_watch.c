/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever is done to a folder of models, the model that it was done to is told of, once it
 * has settled and not while a file of it is being written; and what the kernel does not tell is
 * found by looking.
 * Method: real inotify on a folder of the test's own, with a short time to settle. The listener
 * counts calls by name; the test waits for a call (at most seconds, which is a failure) and, where
 * none may come, does something else to another model and waits for that one's. Files that are open
 * before they are watched come into the folder by a rename, so that no event tells of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/watch.h"

#include "base/clock.h"

#include "test_folder.h"
#include "test_lease.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_NS  ((uint64_t)60 * AX_NS_PER_MS)
#define WAIT_S     10
#define MODELS_MAX 16

struct listener {
    struct ax_watch_listener base;
    pthread_mutex_t mutex;
    pthread_cond_t told;
    /* By mutex: */
    char names[MODELS_MAX][64];
    size_t counts[MODELS_MAX];
    size_t rescan_count;
};

static struct listener listener;
static const struct ax_watch_config config = { .settle_ns = SETTLE_NS,
                                               .poll_ns = (uint64_t)100 * AX_NS_PER_MS };

/* With the mutex held. */
static size_t *count_of(const char *name)
{
    size_t i = 0;
    while (listener.names[i][0] && strcmp(listener.names[i], name) != 0)
        i++;
    assert_true(i < MODELS_MAX);
    (void)snprintf(listener.names[i], sizeof(listener.names[i]), "%s", name);
    return &listener.counts[i];
}

static void on_changed(struct ax_watch_listener *base, struct ax_str model)
{
    struct listener *to = container_of(base, struct listener, base);
    char name[64];
    (void)snprintf(name, sizeof(name), "%.*s", AX_STR_ARG(model));
    (void)pthread_mutex_lock(&to->mutex);
    ++*count_of(name);
    (void)pthread_cond_broadcast(&to->told);
    (void)pthread_mutex_unlock(&to->mutex);
}

static void on_rescan(struct ax_watch_listener *base)
{
    struct listener *to = container_of(base, struct listener, base);
    (void)pthread_mutex_lock(&to->mutex);
    to->rescan_count++;
    (void)pthread_cond_broadcast(&to->told);
    (void)pthread_mutex_unlock(&to->mutex);
}

static size_t count_now(const char *name)
{
    (void)pthread_mutex_lock(&listener.mutex);
    size_t count = name ? *count_of(name) : listener.rescan_count;
    (void)pthread_mutex_unlock(&listener.mutex);
    return count;
}

/* Whether `name` (NULL: everything) was told of more often than `before` times, within some
 * seconds. */
static bool is_told(const char *name, size_t before, time_t seconds)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    (void)pthread_mutex_lock(&listener.mutex);
    int failed = 0;
    while (!failed && (name ? *count_of(name) : listener.rescan_count) <= before)
        failed = pthread_cond_timedwait(&listener.told, &listener.mutex, &until);
    (void)pthread_mutex_unlock(&listener.mutex);
    return !failed;
}

static void wait_for(const char *name, size_t before)
{
    if (!is_told(name, before, WAIT_S))
        fail_msg("'%s' was not told of", name ? name : "everything");
}

/* `within` in the folder of models; good until the call after the next. */
static const char *path_of(const char *within)
{
    static char paths[2][512];
    static size_t turn;
    turn = !turn;
    (void)snprintf(paths[turn], sizeof(paths[turn]), "%s/models/%s", folder, within);
    return paths[turn];
}

static void make(const char *within)
{
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_file_make_folder(path_of(within), &err), AX_OK);
}

static void write_file(const char *within, const char *text)
{
    FILE *file = fopen(path_of(within), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void remove_all(const char *within)
{
    struct ax_err err = AX_ERR_INIT;
    assert_int_equal(ax_file_remove_tree(path_of(within), &err), AX_OK);
}

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(path_of(from), path_of(to)), 0);
}

/* Do something to `name` and wait until it is told of. */
#define TOLD(name, ...)                        \
    do {                                       \
        size_t before_count = count_now(name); \
        __VA_ARGS__;                           \
        wait_for(name, before_count);          \
    } while (0)

/* Time passes in which something would be told that must not be: two other models settle, one after
 * the other. */
static void let_others_settle(void)
{
    TOLD("other", write_file("other/1/a", "x"));
    TOLD("other", write_file("other/1/a", "y"));
}

static struct ax_watch *begin(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_watch *watch = NULL;
    static char models[512];
    (void)snprintf(models, sizeof(models), "%s/models", folder);
    if (ax_watch_new(models, &config, &watch, &err))
        fail_msg("%s", err.msg);
    return watch;
}

static struct ax_watch *start(void)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_watch *watch = begin();
    if (ax_watch_start(watch, &listener.base, &err))
        fail_msg("%s", err.msg);
    return watch;
}

static int make_models(void **state)
{
    (void)state;
    memset(listener.names, 0, sizeof(listener.names));
    memset(listener.counts, 0, sizeof(listener.counts));
    make("m/1");
    write_file("m/1/model", "one");
    make("other/1");
    return 0;
}

static int remove_models(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    return ax_file_remove_tree(path_of(""), &err) ? -1 : 0;
}

static void test_changes(void **state)
{
    (void)state;
    struct ax_watch *watch = start();
    assert_int_equal(count_now("m"), 0);
    TOLD("m", write_file("m/1/model", "replaced in place"));
    TOLD("m", make("m/2"));
    TOLD("m", write_file("m/2/model", "in a version that came later"));
    TOLD("m", write_file("m/2/.new", "x"));
    TOLD("m", move("m/2/.new", "m/2/model"));
    TOLD("m", write_file("m/serving.yaml", "pinned: true\n"));
    TOLD("m", assert_int_equal(chmod(path_of("m/2/model"), 0600), 0));
    TOLD("m", move("m/2", "m/3"));
    TOLD("m", write_file("m/3/model", "in a version that was renamed"));
    TOLD("m", remove_all("m/3"));
    TOLD("m", assert_int_equal(unlink(path_of("m/1/model")), 0));
    TOLD("new", make("new/1"));
    TOLD("new", write_file("new/1/model", "in a model that came later"));
    TOLD("new", move("new", "../moved out"));
    TOLD("new", move("../moved out", "new"));
    TOLD("new", write_file("new/1/model", "again"));
    TOLD("new", remove_all("new"));
    TOLD("renamed", move("m", "renamed"));
    TOLD("renamed", write_file("renamed/1/model", "x"));
    ax_watch_stop_free(watch);
}

/* One call for what happened together. */
static void test_settles_once(void **state)
{
    (void)state;
    struct ax_watch *watch = start();
    size_t before = count_now("m");
    for (size_t i = 0; i < 50; i++)
        write_file("m/1/model", "again and again");
    wait_for("m", before);
    let_others_settle();
    assert_int_equal(count_now("m"), before + 1);
    ax_watch_stop_free(watch);
}

static void test_half_written(void **state)
{
    (void)state;
    struct ax_watch *watch = start();
    size_t before = count_now("m");
    /* Written in place, in pieces, with longer pauses than it takes to settle. */
    int fd = open(path_of("m/1/model"), O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(write(fd, "piece", 5), 5);
        let_others_settle();
        assert_int_equal(count_now("m"), before);
    }
    assert_int_equal(close(fd), 0);
    wait_for("m", before);
    /* Made, and nothing written yet. */
    before = count_now("m");
    fd = open(path_of("m/1/more"), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    let_others_settle();
    assert_int_equal(count_now("m"), before);
    assert_int_equal(close(fd), 0);
    wait_for("m", before);
    /* Given up: removed while it is open. */
    before = count_now("m");
    fd = open(path_of("m/1/more"), O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "piece", 5), 5);
    assert_int_equal(unlink(path_of("m/1/more")), 0);
    wait_for("m", before);
    assert_int_equal(close(fd), 0);
    /* Hard and symbolic links are whole when they are made. */
    TOLD("m", assert_int_equal(link(path_of("m/1/model"), path_of("m/1/hard")), 0));
    TOLD("m", assert_int_equal(symlink("model", path_of("m/1/soft")), 0));
    ax_watch_stop_free(watch);
}

/* What happens between the first look and the start of telling is told as what comes later is: when
 * it has settled, by name, and not before a file that is open since then is closed. */
static void test_before_it_tells(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    ax_watch_stop_free(begin()); /* It may never tell. */
    make("gone/1");
    size_t rescan_count = count_now(NULL);
    struct ax_watch *watch = begin();
    int fd = open(path_of("m/1/model"), O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    make("new/1");
    remove_all("gone");
    assert_int_equal(ax_watch_start(watch, &listener.base, &err), AX_OK);
    wait_for("new", 0);
    wait_for("gone", 0);
    let_others_settle();
    assert_int_equal(count_now("m"), 0);
    assert_int_equal(count_now(NULL), rescan_count);
    assert_int_equal(close(fd), 0);
    wait_for("m", 0);
    ax_watch_stop_free(watch);
}

/* Begin a file and leave it open. */
static int write_half(const char *within)
{
    int fd = open(path_of(within), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "half", 4), 4);
    return fd;
}

/* `name` changed and has a file that is open: it is told of when that is closed, and not before. */
static void close_told(const char *name, size_t before, int fd)
{
    let_others_settle();
    assert_int_equal(count_now(name), before);
    assert_int_equal(write(fd, "rest", 4), 4);
    assert_int_equal(close(fd), 0);
    wait_for(name, before);
}

/* What was opened and half written before its folder was watched. */
static void test_open_before_it_is_watched(void **state)
{
    (void)state;
    struct ax_watch *watch = start();
    /* A new model, then a new version, which come with what is half written. */
    make("../aside/1");
    int fd = write_half("../aside/1/model");
    move("../aside", "new");
    close_told("new", 0, fd);
    make("../aside");
    fd = write_half("../aside/model");
    size_t before = count_now("m");
    move("../aside", "m/2");
    close_told("m", before, fd);
    /* As people do it. */
    before = count_now("m");
    make("m/3");
    fd = write_half("m/3/model");
    close_told("m", before, fd);
    make("straight/1");
    fd = write_half("straight/1/model");
    close_told("straight", 0, fd);
    ax_watch_stop_free(watch);
}

/* What makes watches anew, or looks like the end of writing. */
static void change_mode_of_version(void)
{
    assert_int_equal(chmod(path_of("m/1"), 0700), 0);
}

static void change_mode_of_model(void)
{
    assert_int_equal(chmod(path_of("m"), 0700), 0);
}

static void move_model_away_and_back(void)
{
    move("m", ".m");
    move(".m", "m");
}

static void move_version_away_and_back(void)
{
    move("m/1", "../aside");
    move("../aside", "m/1");
}

static void watch_all_anew(void)
{
    make("..x");
    remove_all("..x");
}

static void write_and_close_too(void)
{
    int fd = open(path_of("m/1/model"), O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static void change_settings(void)
{
    write_file("m/serving.yaml", "pinned: true\n");
}

static void test_open_whatever_happens(void **state)
{
    (void)state;
    static void (*const happens[])(void) = {
        change_mode_of_version,   change_mode_of_model,
        move_model_away_and_back, move_version_away_and_back,
        watch_all_anew,           write_and_close_too,
        change_settings,
    };
    struct ax_watch *watch = start();
    for (size_t i = 0; i < AX_COUNT(happens); i++) {
        size_t before = count_now("m");
        int fd = write_half("m/1/model");
        let_others_settle();
        assert_int_equal(count_now("m"), before);
        happens[i]();
        close_told("m", before, fd);
        let_others_settle();
    }
    ax_watch_stop_free(watch);
}

/* Opened before the watch begins and not written since: any other change of the model waits for
 * it. */
static void test_open_since_before_the_start(void **state)
{
    (void)state;
    int fd = write_half("m/1/model");
    size_t before = count_now("m");
    struct ax_watch *watch = start();
    write_file("m/serving.yaml", "pinned: true\n");
    close_told("m", before, fd);
    ax_watch_stop_free(watch);
}

/* Closed where no event tells of it: somebody has the file open by a name outside. */
static void test_closing_is_not_told(void **state)
{
    (void)state;
    struct ax_watch *watch = start();
    write_file("../outside", "x");
    int fd = open(path_of("../outside"), O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    size_t before = count_now("m");
    assert_int_equal(symlink("../../../outside", path_of("m/1/link")), 0);
    close_told("m", before, fd);
    ax_watch_stop_free(watch);
}

/* truncate() changes a file without a closing. */
static void test_cut_off_without_opening(void **state)
{
    (void)state;
    struct ax_watch *watch = start();
    TOLD("m", assert_int_equal(truncate(path_of("m/1/model"), 1), 0));
    ax_watch_stop_free(watch);
}

/* Where the kernel does not say who writes, what the events said holds: a file is open from the
 * first write to the closing, whatever happens to others. */
static void test_without_leases(void **state)
{
    (void)state;
    int models = open(path_of(""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(models >= 0);
    bool is_possible = lease_give_up(models, "m/1/model");
    assert_int_equal(close(models), 0);
    if (!is_possible)
        skip();
    struct ax_watch *watch = start();
    size_t before = count_now("m");
    int fd = write_half("m/1/model");
    let_others_settle();
    change_settings();
    close_told("m", before, fd);
    /* And honestly: it is not known when the watch came later. */
    before = count_now("m");
    fd = write_half("m/1/model");
    let_others_settle();
    assert_int_equal(count_now("m"), before);
    move_version_away_and_back();
    wait_for("m", before);
    assert_int_equal(close(fd), 0);
    ax_watch_stop_free(watch);
    lease_take_back();
}

static void test_links(void **state)
{
    (void)state;
    make("../elsewhere/first/1");
    make("../elsewhere/second/1");
    assert_int_equal(symlink("../elsewhere/first", path_of("a")), 0);
    assert_int_equal(symlink("../elsewhere/first", path_of("b")), 0);
    struct ax_watch *watch = start();
    /* Both are told of. */
    size_t before = count_now("b");
    TOLD("a", write_file("../elsewhere/first/1/model", "x"));
    wait_for("b", before);
    /* One is switched to another folder: each follows its own. */
    TOLD("b", assert_int_equal(symlink("../elsewhere/second", path_of(".b")), 0); move(".b", "b"));
    before = count_now("a");
    TOLD("b", write_file("../elsewhere/second/1/model", "x"));
    TOLD("b", make("../elsewhere/second/2"));
    TOLD("b", write_file("../elsewhere/second/2/model", "x"));
    TOLD("a", write_file("../elsewhere/first/1/model", "y"));
    TOLD("a", assert_int_equal(unlink(path_of("a")), 0));
    ax_watch_stop_free(watch);
    remove_all("../elsewhere");
}

static void test_hidden_and_plain(void **state)
{
    (void)state;
    struct ax_watch *watch = start();
    write_file("README", "x");
    make(".hidden/1");
    let_others_settle();
    assert_int_equal(count_now("README"), 0);
    assert_int_equal(count_now(".hidden"), 0);
    /* As Kubernetes switches a volume. */
    TOLD("m", make("..2026"); move("..2026", "..data"));
    ax_watch_stop_free(watch);
}

/* The folder itself goes and comes back: it is looked through, and watched again. */
static void test_folder_leaves(void **state)
{
    (void)state;
    char models[512], gone[512];
    (void)snprintf(models, sizeof(models), "%s/models", folder);
    (void)snprintf(gone, sizeof(gone), "%s/gone", folder);
    struct ax_watch *watch = start();
    size_t before = count_now(NULL);
    assert_int_equal(rename(models, gone), 0);
    wait_for(NULL, before);
    assert_int_equal(count_now("m"), 0);
    before = count_now(NULL);
    assert_int_equal(rename(gone, models), 0);
    wait_for(NULL, before);
    /* That look may have begun before the folder was back; the next one did not. */
    size_t tries = 0;
    do
        write_file("m/1/model", "x");
    while (!is_told("m", 0, 1) && ++tries < WAIT_S);
    assert_true(tries < WAIT_S);
    TOLD("m", make("m/2"));
    ax_watch_stop_free(watch);
}

static void test_many(void **state)
{
    (void)state;
    char name[64];
    struct ax_watch *watch = start();
    TOLD(
        "many", for (size_t i = 1; i <= 300; i++) {
            (void)snprintf(name, sizeof(name), "many/%zu", i);
            make(name);
        });
    TOLD("many", write_file("many/300/model", "x"));
    TOLD("many", remove_all("many"));
    TOLD("m", write_file("m/1/model", "x"));
    ax_watch_stop_free(watch);
}

static int make_listener(void **state)
{
    listener.base = (struct ax_watch_listener){ .changed = on_changed, .rescan = on_rescan };
    (void)pthread_mutex_init(&listener.mutex, NULL);
    (void)pthread_cond_init(&listener.told, NULL);
    return make_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_settles_once, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_half_written, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_before_it_tells, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_open_before_it_is_watched, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_open_whatever_happens, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_open_since_before_the_start, make_models,
                                        remove_models),
        cmocka_unit_test_setup_teardown(test_closing_is_not_told, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_cut_off_without_opening, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_without_leases, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_links, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_hidden_and_plain, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_folder_leaves, make_models, remove_models),
        cmocka_unit_test_setup_teardown(test_many, make_models, remove_models),
    };
    return cmocka_run_group_tests(tests, make_listener, remove_folder);
}
