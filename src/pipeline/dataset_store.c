/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot is made in a work folder, snapshots/.work/NAME, and renamed to its digest; one that is
 * deleted is renamed into a work folder first. So what is outside of .work is whole at any time.
 *
 * Who has a work folder holds an flock(2) of it, so those that killed processes left can be told:
 * they can be locked. rename(2) decides between two that make one snapshot: a folder with something
 * in it is never replaced.
 */
#include "pipeline/dataset_store.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/folder_lock.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_BYTES_MAX ((size_t)256 << 20)
#define SNAPSHOTS_MAX      1000000
#define START_LEN_MIN      4
#define SHOWN_MAX          3
#define TRIES_MAX          100

struct ax_dataset_store {
    char *state;  /* absolute */
    char *folder; /* STATE/snapshots */
    char *works;  /* STATE/snapshots/.work */
    char *work;   /* .work/NAME */
    char *out;    /* .work/NAME/out, which becomes a snapshot */
    char *rows;   /* .work/NAME/out/data.parquet */
    int lock;     /* the work folder, locked; -1: there is none */
};

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = ax_xalloc(size);
    (void)snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* "STATE/snapshots/DIGEST/NAME" */
static char *path_of(const char *state, const char *digest, const char *name)
{
    size_t size = strlen(state) + strlen(digest) + strlen(name) + sizeof("/snapshots//");
    char *path = ax_xalloc(size);
    (void)snprintf(path, size, "%s/snapshots/%s%s%s", state, digest, name[0] ? "/" : "", name);
    return path;
}

char *ax_dataset_rows_path(const char *state, const char *digest)
{
    assert(state && digest);
    return path_of(state, digest, "data.parquet");
}

/* ---- life cycle ---- */

/* -1 when another process has it, or it is no folder. */
static int lock_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB))
        return fd;
    (void)close(fd);
    return -1;
}

/* Remove the work folders that nobody has. */
static void remove_dead(const char *works)
{
    struct ax_err ignored = AX_ERR_INIT;
    DIR *listing = opendir(works);
    for (const struct dirent *entry; listing && (entry = readdir(listing));) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = join(works, entry->d_name);
        int lock = lock_folder(path);
        if (lock >= 0) {
            (void)(ax_file_remove_tree(path, &ignored) != AX_OK);
            (void)close(lock);
        }
        free(path);
    }
    if (listing)
        (void)closedir(listing);
}

/* False without a failure: another process removes it, or the folder that it is made in, before it
 * is locked. */
static bool try_work(struct ax_dataset_store *store, struct ax_err *err)
{
    if (ax_file_make_folder(store->works, err))
        return false;
    char *work = join(store->works, "XXXXXX");
    if (!mkdtemp(work)) {
        if (errno != ENOENT)
            (void)ax_fail_errno(err, errno, "make a folder in '%s'", store->works);
    } else if (!ax_folder_lock(work, &store->lock, err)) {
        store->work = work;
        return true;
    } else if (err->code == AX_E_LIMIT || err->code == AX_E_NOT_FOUND) {
        ax_err_clear(err);
    }
    free(work);
    return false;
}

static enum ax_code make_work(struct ax_dataset_store *store, struct ax_err *err)
{
    for (int tries = 0; !try_work(store, err); tries++) {
        if (!err->code && tries == TRIES_MAX)
            (void)ax_fail(err, AX_E_UNAVAILABLE, "no folder in '%s' can be locked", store->works);
        if (err->code)
            return err->code;
    }
    store->out = join(store->work, "out");
    store->rows = join(store->out, "data.parquet");
    return ax_file_make_folder(store->out, err);
}

static enum ax_code make_folders(struct ax_dataset_store *store, const char *state,
                                 struct ax_err *err)
{
    char real[PATH_MAX];
    if (ax_file_make_private_folder(state, err))
        return err->code;
    if (!realpath(state, real))
        return ax_fail_errno(err, errno, "find '%s'", state);
    store->state = ax_xstrdup(real);
    store->folder = join(real, "snapshots");
    store->works = join(store->folder, ".work");
    if (ax_file_make_private_folder(store->folder, err))
        return err->code;
    remove_dead(store->works);
    return make_work(store, err);
}

enum ax_code ax_dataset_store_open(const char *state, struct ax_dataset_store **ret_store,
                                   struct ax_err *err)
{
    assert(state && ret_store && err);
    struct ax_dataset_store *store = ax_xalloc(sizeof(*store));
    store->lock = -1;
    if (make_folders(store, state, err)) {
        ax_dataset_store_close(store);
        return err->code;
    }
    *ret_store = store;
    return AX_OK;
}

void ax_dataset_store_close(struct ax_dataset_store *store)
{
    struct ax_err ignored = AX_ERR_INIT;
    if (!store)
        return;
    if (store->work) {
        (void)(ax_file_remove_tree(store->work, &ignored) != AX_OK);
        (void)close(store->lock);
        (void)rmdir(store->works); /* when nobody else has a folder in it */
    }
    free(store->state);
    free(store->folder);
    free(store->works);
    free(store->work);
    free(store->out);
    free(store->rows);
    free(store);
}

const char *ax_dataset_store_work(const struct ax_dataset_store *store)
{
    assert(store);
    return store->work;
}

const char *ax_dataset_store_rows(const struct ax_dataset_store *store)
{
    assert(store);
    return store->rows;
}

/* ---- keeping ---- */

static enum ax_code sync_file(const char *path, struct ax_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        (void)ax_fail_errno(err, errno, "write '%s'", path);
    if (fd >= 0)
        (void)close(fd);
    return err->code;
}

static enum ax_code write_manifest(const struct ax_dataset_store *store, struct ax_str text,
                                   struct ax_err *err)
{
    char *path = join(store->out, "manifest.json");
    enum ax_code code = ax_file_replace(path, text, err);
    free(path);
    return code;
}

/* The folder that was made becomes the snapshot, unless another process was first. */
static enum ax_code publish(const struct ax_dataset_store *store, const char *digest,
                            bool *ret_was_there, struct ax_err *err)
{
    if (sync_file(store->rows, err) || ax_file_sync_folder(store->out, err))
        return err->code;
    char *path = join(store->folder, digest);
    bool was_there = rename(store->out, path) != 0;
    if (was_there && errno != ENOTEMPTY && errno != EEXIST)
        (void)ax_fail_errno(err, errno, "make '%s'", path);
    free(path);
    if (err->code || ax_file_sync_folder(store->folder, err))
        return err->code;
    *ret_was_there = was_there;
    return AX_OK;
}

/* Whether a snapshot of the digest is there, and is one. */
static enum ax_code look(const struct ax_dataset_store *store, const char *digest, bool *ret_there,
                         struct ax_err *err)
{
    struct ax_dataset_manifest manifest = { 0 };
    struct stat info;
    char *path = join(store->folder, digest);
    bool is_there = lstat(path, &info) == 0;
    free(path);
    if (!is_there) {
        *ret_there = false;
        return AX_OK;
    }
    if (ax_dataset_read(store->state, digest, &manifest, err))
        return ax_err_context(err, "the snapshot that is there (auspex data delete %.12s)", digest);
    ax_dataset_manifest_done(&manifest);
    *ret_there = true;
    return AX_OK;
}

static enum ax_code keep(struct ax_dataset_store *store, const struct ax_dataset_content *content,
                         const struct ax_dataset_origin *origin, atomic_bool *cancelled,
                         struct ax_dataset_kept *kept, struct ax_err *err)
{
    struct ax_dataset_file file;
    struct ax_buf text;
    if (look(store, content->digest, &kept->was_there, err) ||
        ax_dataset_file_read(store->rows, cancelled, &file, err))
        return err->code;
    kept->bytes = file.bytes;
    if (kept->was_there)
        return AX_OK;
    ax_buf_init(&text, MANIFEST_BYTES_MAX);
    ax_dataset_manifest_put(content, &file, origin, ax_clock_wall_us(), &text);
    if (!ax_buf_check(&text, "the manifest", err) && !write_manifest(store, ax_buf_str(&text), err))
        (void)(publish(store, content->digest, &kept->was_there, err) != AX_OK);
    ax_buf_done(&text);
    return err->code;
}

enum ax_code ax_dataset_store_keep(struct ax_dataset_store *store, struct ax_sql *sql,
                                   const struct ax_dataset_origin *origin, atomic_bool *cancelled,
                                   struct ax_dataset_kept *ret_kept, struct ax_err *err)
{
    assert(store && sql && origin && ret_kept && err);
    struct ax_dataset_content content;
    struct ax_dataset_kept kept = { 0 };
    if (ax_dataset_content_read(sql, store->rows, &content, err))
        return err->code;
    memcpy(kept.digest, content.digest, sizeof(kept.digest));
    memcpy(kept.content, content.content, sizeof(kept.content));
    kept.rows = content.rows;
    kept.columns = content.column_count;
    if (!keep(store, &content, origin, cancelled, &kept, err))
        *ret_kept = kept;
    ax_dataset_content_done(&content);
    return err->code;
}

enum ax_code ax_dataset_store_delete(struct ax_dataset_store *store, const char *digest,
                                     struct ax_err *err)
{
    assert(store && digest && ax_dataset_is_digest(ax_str_from(digest)) && err);
    char *path = join(store->folder, digest);
    char *gone = join(store->work, digest);
    if (rename(path, gone))
        (void)ax_fail_errno(err, errno, "delete '%s'", path);
    else
        (void)(ax_file_sync_folder(store->folder, err) || ax_file_remove_tree(gone, err));
    free(path);
    free(gone);
    return err->code;
}

/* ---- reading ---- */

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, AX_SHA256_TEXT_SIZE);
}

static enum ax_code take_names(DIR *listing, struct ax_dataset_digests *digests, struct ax_err *err)
{
    size_t cap = 0;
    for (const struct dirent *entry; (entry = readdir(listing));) {
        if (!ax_dataset_is_digest(ax_str_from(entry->d_name)))
            continue;
        if (digests->count == SNAPSHOTS_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "more than %d snapshots", SNAPSHOTS_MAX);
        if (digests->count == cap) {
            cap = AX_MAX(cap * 2, (size_t)64);
            digests->items = ax_xrealloc(digests->items, cap, sizeof(*digests->items));
        }
        memcpy(digests->items[digests->count++], entry->d_name, AX_SHA256_TEXT_SIZE);
    }
    return AX_OK;
}

enum ax_code ax_dataset_digests_read(const char *state, struct ax_dataset_digests *ret_digests,
                                     struct ax_err *err)
{
    assert(state && ret_digests && err);
    struct ax_dataset_digests digests = { 0 };
    char *path = join(state, "snapshots");
    DIR *listing = opendir(path);
    if (!listing && errno != ENOENT)
        (void)ax_fail_errno(err, errno, "list '%s'", path);
    if (listing) {
        (void)(take_names(listing, &digests, err) != AX_OK);
        (void)closedir(listing);
    }
    free(path);
    if (err->code) {
        ax_dataset_digests_done(&digests);
        return err->code;
    }
    if (digests.count)
        qsort(digests.items, digests.count, sizeof(*digests.items), compare_digests);
    *ret_digests = digests;
    return AX_OK;
}

void ax_dataset_digests_done(struct ax_dataset_digests *digests)
{
    if (!digests)
        return;
    free(digests->items);
    *digests = (struct ax_dataset_digests){ 0 };
}

static size_t common_len(const char *digest, struct ax_str start)
{
    size_t len = 0;
    while (len < start.len && digest[len] == start.ptr[len])
        len++;
    return len;
}

static enum ax_code several_fail(const struct ax_dataset_digests *digests, size_t first,
                                 size_t count, struct ax_str start, struct ax_err *err)
{
    char names[SHOWN_MAX * (16 + 2) + 1] = "";
    size_t len = 0;
    for (size_t i = 0; i < AX_MIN(count, (size_t)SHOWN_MAX); i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.16s", i ? ", " : "",
                                digests->items[first + i]);
    return ax_fail(err, AX_E_INVALID, "%zu snapshots begin with '%.*s': %s%s; write more digits",
                   count, AX_STR_ARG(start), names, count > SHOWN_MAX ? ", ..." : "");
}

static enum ax_code none_fail(const struct ax_dataset_digests *digests, const char *state,
                              struct ax_str start, struct ax_err *err)
{
    size_t nearest = 0;
    if (!digests->count)
        return ax_fail(err, AX_E_NOT_FOUND, "there are no snapshots in '%s'", state);
    for (size_t i = 1; i < digests->count; i++)
        if (common_len(digests->items[i], start) > common_len(digests->items[nearest], start))
            nearest = i;
    return ax_fail(err, AX_E_NOT_FOUND, "no snapshot begins with '%.*s'; nearest is '%.16s'",
                   AX_STR_ARG(start), digests->items[nearest]);
}

static enum ax_code find(const struct ax_dataset_digests *digests, const char *state,
                         struct ax_str start, char ret_digest[AX_SHA256_TEXT_SIZE],
                         struct ax_err *err)
{
    size_t first = 0;
    size_t count = 0;
    for (size_t i = 0; i < digests->count; i++) {
        if (common_len(digests->items[i], start) < start.len)
            continue;
        first = count ? first : i;
        count++;
    }
    if (!count)
        return none_fail(digests, state, start, err);
    if (count > 1)
        return several_fail(digests, first, count, start, err);
    memcpy(ret_digest, digests->items[first], AX_SHA256_TEXT_SIZE);
    return AX_OK;
}

enum ax_code ax_dataset_find(const char *state, struct ax_str start,
                             char ret_digest[AX_SHA256_TEXT_SIZE], struct ax_err *err)
{
    assert(state && (start.ptr || !start.len) && ret_digest && err);
    struct ax_dataset_digests digests = { 0 };
    char lower[AX_SHA256_TEXT_SIZE];
    if (start.len < START_LEN_MIN || start.len >= sizeof(lower))
        return ax_fail(err, AX_E_INVALID,
                       "'%.*s' is no digest: %d to 64 of its first hex digits are expected",
                       AX_STR_ARG(ax_str_cut(start, 80)), START_LEN_MIN);
    for (size_t i = 0; i < start.len; i++) {
        char c = start.ptr[i];
        lower[i] = c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
        if (!c || !strchr("0123456789abcdef", lower[i]))
            return ax_fail(err, AX_E_INVALID, "'%.*s' is no digest: it has other than hex digits",
                           AX_STR_ARG(start));
    }
    if (!ax_dataset_digests_read(state, &digests, err))
        (void)(find(&digests, state, (struct ax_str){ lower, start.len }, ret_digest, err) !=
               AX_OK);
    ax_dataset_digests_done(&digests);
    return err->code;
}

enum ax_code ax_dataset_read(const char *state, const char *digest,
                             struct ax_dataset_manifest *ret_manifest, struct ax_err *err)
{
    assert(state && digest && ret_manifest && err);
    struct ax_dataset_manifest manifest = { 0 };
    struct ax_buf text;
    char *path = path_of(state, digest, "manifest.json");
    ax_buf_init(&text, MANIFEST_BYTES_MAX);
    if (!ax_file_read(path, &text, err)) {
        if (ax_dataset_manifest_parse(ax_buf_str(&text), &manifest, err))
            (void)ax_err_context(err, "'%s' is damaged", path);
        else if (!ax_str_is(manifest.digest, digest))
            (void)ax_fail(err, AX_E_INVALID, "'%s' is damaged: it is of another digest", path);
    }
    ax_buf_done(&text);
    free(path);
    if (err->code) {
        ax_dataset_manifest_done(&manifest);
        return err->code;
    }
    *ret_manifest = manifest;
    return AX_OK;
}

static enum ax_code verify(const char *path, const struct ax_dataset_manifest *manifest,
                           struct ax_sql *sql, atomic_bool *cancelled, struct ax_err *err)
{
    struct ax_dataset_file file;
    struct ax_dataset_content content;
    if (ax_dataset_file_read(path, cancelled, &file, err))
        return err->code;
    if (file.bytes != manifest->bytes)
        return ax_fail(err, AX_E_INVALID, "'%s' has %llu bytes, the manifest says %llu", path,
                       (unsigned long long)file.bytes, (unsigned long long)manifest->bytes);
    if (!ax_str_is(manifest->file_digest, file.digest))
        return ax_fail(err, AX_E_INVALID, "'%s' has other bytes than the manifest says", path);
    if (ax_dataset_content_read(sql, path, &content, err))
        return err->code;
    (void)(ax_dataset_manifest_compare(manifest, &content, err) != AX_OK);
    ax_dataset_content_done(&content);
    return err->code;
}

enum ax_code ax_dataset_verify(const char *state, const struct ax_dataset_manifest *manifest,
                               struct ax_sql *sql, atomic_bool *cancelled, struct ax_err *err)
{
    assert(state && manifest && sql && err);
    char digest[AX_SHA256_TEXT_SIZE];
    memcpy(digest, manifest->digest.ptr, sizeof(digest) - 1);
    digest[sizeof(digest) - 1] = '\0';
    char *path = ax_dataset_rows_path(state, digest);
    (void)(verify(path, manifest, sql, cancelled, err) != AX_OK);
    free(path);
    return err->code;
}
