/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is least recently used is found by listing the folder, which holds some thousand files, and
 * not kept in memory: other processes write and use the same folder. Looking costs a stat a file,
 * so it is done when an opened store may write, at the first file written, and then each time that
 * a sixteenth of the limit was written. A look leaves a sixteenth free; so one process alone stays
 * within the limit, and each of several is over it by a sixteenth at most.
 *
 * Removing is by unlink, one file at a time: a kill leaves whole files, and a process that has
 * mapped one keeps it. Whoever comes to hold an image while it is being removed waits for that;
 * whoever frees a hold, which the thread that controls the fleet does, waits for no disk.
 */
#include "engine/image_keeper.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LEFT_BEHIND_S 3600 /* no file takes as long to be written */
#define SLACK_SHARE   16
#define BLOCK_BYTES   4096 /* a file takes whole ones */
#define DIGEST_CHARS  32
#define FILES_MAX     ((size_t)1 << 20) /* seen in one look */

struct ax_image_hold {
    struct ax_image_keeper *keeper; /* one reference */
    struct ax_hash128 digest;
    const char *format;
    size_t count; /* of versions that share it; guarded by the keeper's `lock` */
};

struct ax_image_keeper {
    atomic_uint refs;
    int folder;
    uint64_t bytes_max;
    pthread_mutex_t lock;    /* of the next four */
    struct ax_map holds;     /* a digest's bytes -> struct ax_image_hold, owned */
    struct ax_hash128 going; /* files of that digest are being removed, while is_going */
    bool is_going;
    pthread_cond_t is_gone;
    pthread_mutex_t look; /* held by whoever looks; before `lock` */
    atomic_bool has_looked;
    _Atomic uint64_t written_bytes; /* since the last look */
    _Atomic uint64_t bytes, file_count, removed_count;
};

/* A file of the folder that is an image, or tuning. */
struct file {
    struct ax_hash128 digest;
    char format[AX_IMAGE_FORMAT_BYTES]; /* empty: tuning */
    struct timespec used;
    uint64_t bytes;
};

/* What one look found. */
struct look {
    struct file *files;
    size_t count, cap;
    uint64_t bytes;
};

/* ---- names ---- */

void ax_image_name(char ret_name[AX_IMAGE_NAME_BYTES], struct ax_hash128 digest, const char *format)
{
    assert(!format || strlen(format) < AX_IMAGE_FORMAT_BYTES);
    (void)snprintf(ret_name, AX_IMAGE_NAME_BYTES, "%016" PRIx64 "%016" PRIx64 "%s%s%s", digest.high,
                   digest.low, format ? "-" : "", format ? format : "", format ? ".img" : ".tune");
}

static uint64_t read_hex(const char *digits)
{
    char text[DIGEST_CHARS / 2 + 1] = { 0 };
    memcpy(text, digits, DIGEST_CHARS / 2);
    return strtoull(text, NULL, 16);
}

/* Whether that is the name of an image or of tuning: the other direction of ax_image_name. */
static bool file_parse(const char *name, struct file *file)
{
    if (strspn(name, "0123456789abcdef") != DIGEST_CHARS)
        return false;
    const char *rest = name + DIGEST_CHARS;
    file->digest =
        (struct ax_hash128){ .high = read_hex(name), .low = read_hex(name + DIGEST_CHARS / 2) };
    if (strcmp(rest, ".tune") == 0)
        return true;
    size_t len = rest[0] == '-' ? strspn(rest + 1, "abcdefghijklmnopqrstuvwxyz0123456789") : 0;
    if (len == 0 || len >= AX_IMAGE_FORMAT_BYTES || strcmp(rest + 1 + len, ".img") != 0)
        return false;
    memcpy(file->format, rest + 1, len);
    return true;
}

/* Whether that is the name of a file that was to be renamed; see `put` in image.c. */
static bool is_unfinished(const char *name)
{
    size_t len = strlen(name);
    return len == sizeof("..new") - 1 + AX_UUID_TEXT_SIZE - 1 && name[0] == '.' &&
           strspn(name + 1, "0123456789abcdef-") == AX_UUID_TEXT_SIZE - 1 &&
           strcmp(name + AX_UUID_TEXT_SIZE, ".new") == 0;
}

/* ---- life ---- */

struct ax_image_keeper *ax_image_keeper_new(int folder, uint64_t bytes_max)
{
    assert(folder >= 0);
    struct ax_image_keeper *keeper = ax_xalloc(sizeof(*keeper));
    atomic_init(&keeper->refs, 1);
    keeper->folder = folder;
    keeper->bytes_max = bytes_max;
    (void)pthread_mutex_init(&keeper->lock, NULL);
    (void)pthread_mutex_init(&keeper->look, NULL);
    (void)pthread_cond_init(&keeper->is_gone, NULL);
    ax_map_init(&keeper->holds);
    return keeper;
}

void ax_image_keeper_unref(struct ax_image_keeper *keeper)
{
    if (!keeper || atomic_fetch_sub(&keeper->refs, 1) != 1)
        return;
    assert(keeper->holds.count == 0);
    ax_map_done(&keeper->holds);
    (void)pthread_cond_destroy(&keeper->is_gone);
    (void)pthread_mutex_destroy(&keeper->look);
    (void)pthread_mutex_destroy(&keeper->lock);
    (void)close(keeper->folder);
    free(keeper);
}

void ax_image_keeper_usage(const struct ax_image_keeper *keeper, struct ax_image_usage *ret_usage)
{
    assert(keeper && ret_usage);
    *ret_usage = (struct ax_image_usage){ .bytes = atomic_load(&keeper->bytes),
                                          .file_count = atomic_load(&keeper->file_count),
                                          .removed_count = atomic_load(&keeper->removed_count) };
}

/* ---- what is held ---- */

static struct ax_str digest_key(const struct ax_hash128 *digest)
{
    return (struct ax_str){ (const char *)digest, sizeof(*digest) };
}

struct ax_image_hold *ax_image_keeper_hold(struct ax_image_keeper *keeper, struct ax_hash128 digest,
                                           const char *format)
{
    assert(keeper && format);
    (void)pthread_mutex_lock(&keeper->lock);
    while (keeper->is_going && ax_str_equals(digest_key(&keeper->going), digest_key(&digest)))
        (void)pthread_cond_wait(&keeper->is_gone, &keeper->lock);
    struct ax_image_hold *hold = ax_map_get(&keeper->holds, digest_key(&digest));
    if (!hold) {
        hold = ax_xalloc(sizeof(*hold));
        hold->keeper = keeper;
        hold->digest = digest;
        hold->format = format;
        atomic_fetch_add(&keeper->refs, 1);
        (void)ax_map_put(&keeper->holds, digest_key(&digest), hold);
    }
    hold->count++;
    (void)pthread_mutex_unlock(&keeper->lock);
    return hold;
}

void ax_image_hold_free(struct ax_image_hold *hold)
{
    if (!hold)
        return;
    struct ax_image_keeper *keeper = hold->keeper;
    (void)pthread_mutex_lock(&keeper->lock);
    bool is_last = --hold->count == 0;
    if (is_last)
        (void)ax_map_remove(&keeper->holds, digest_key(&hold->digest));
    (void)pthread_mutex_unlock(&keeper->lock);
    if (is_last) {
        free(hold);
        ax_image_keeper_unref(keeper);
    }
}

/* Nobody comes to hold it from here on until keeper_end_going; false: somebody does. An image of
 * another format is one that another version of the program made. */
static bool keeper_begin_going(struct ax_image_keeper *keeper, const struct file *file)
{
    (void)pthread_mutex_lock(&keeper->lock);
    const struct ax_image_hold *hold = ax_map_get(&keeper->holds, digest_key(&file->digest));
    bool is_held = hold && (!file->format[0] || strcmp(file->format, hold->format) == 0);
    keeper->is_going = !is_held;
    keeper->going = file->digest;
    (void)pthread_mutex_unlock(&keeper->lock);
    return !is_held;
}

static void keeper_end_going(struct ax_image_keeper *keeper)
{
    (void)pthread_mutex_lock(&keeper->lock);
    keeper->is_going = false;
    (void)pthread_cond_broadcast(&keeper->is_gone);
    (void)pthread_mutex_unlock(&keeper->lock);
}

/* ---- looking ---- */

static uint64_t on_disk(uint64_t bytes)
{
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* A regular file of this user's. */
static bool keeper_stat(const struct ax_image_keeper *keeper, const char *name,
                        struct stat *ret_info)
{
    return fstatat(keeper->folder, name, ret_info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(ret_info->st_mode) && ret_info->st_uid == geteuid();
}

/* What a writer that was killed has left, when it is old. */
static void keeper_remove_unfinished(const struct ax_image_keeper *keeper, const char *name)
{
    struct stat info;
    if (keeper_stat(keeper, name, &info) &&
        info.st_mtim.tv_sec < ax_clock_wall_us() / 1000000 - LEFT_BEHIND_S)
        (void)unlinkat(keeper->folder, name, 0);
}

static void look_add(struct look *look, const struct file *file)
{
    if (look->count == FILES_MAX)
        return;
    if (look->count == look->cap) {
        look->cap = AX_MAX(2 * look->cap, (size_t)64);
        look->files = ax_xrealloc(look->files, look->cap, sizeof(*look->files));
    }
    look->files[look->count++] = *file;
    look->bytes += file->bytes;
}

static void look_list(struct look *look, const struct ax_image_keeper *keeper)
{
    int fd = openat(keeper->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0)
        (void)close(fd);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        struct file file = { 0 };
        struct stat info;
        if (is_unfinished(entry->d_name)) {
            keeper_remove_unfinished(keeper, entry->d_name);
        } else if (file_parse(entry->d_name, &file) && keeper_stat(keeper, entry->d_name, &info)) {
            file.used = info.st_mtim;
            file.bytes = on_disk((uint64_t)info.st_size);
            look_add(look, &file);
        }
    }
    if (dir)
        (void)closedir(dir);
}

static int compare_used(const void *a, const void *b)
{
    const struct file *left = a;
    const struct file *right = b;
    if (left->used.tv_sec != right->used.tv_sec)
        return left->used.tv_sec < right->used.tv_sec ? -1 : 1;
    return (left->used.tv_nsec > right->used.tv_nsec) - (left->used.tv_nsec < right->used.tv_nsec);
}

/* False: it stays. */
static bool keeper_remove(struct ax_image_keeper *keeper, const struct file *file)
{
    char name[AX_IMAGE_NAME_BYTES];
    if (!keeper_begin_going(keeper, file))
        return false;
    ax_image_name(name, file->digest, file->format[0] ? file->format : NULL);
    bool is_gone = unlinkat(keeper->folder, name, 0) == 0;
    keeper_end_going(keeper);
    if (is_gone)
        atomic_fetch_add(&keeper->removed_count, 1);
    return is_gone;
}

/* Remove what was used least recently, until a sixteenth of the limit is free. */
static void keeper_collect(struct ax_image_keeper *keeper, struct look *look)
{
    uint64_t wanted = keeper->bytes_max - keeper->bytes_max / SLACK_SHARE;
    if (!keeper->bytes_max || look->bytes <= wanted)
        return;
    qsort(look->files, look->count, sizeof(*look->files), compare_used);
    size_t kept = 0;
    for (size_t i = 0; i < look->count; i++) {
        if (look->bytes > wanted && keeper_remove(keeper, &look->files[i]))
            look->bytes -= look->files[i].bytes;
        else
            kept++;
    }
    look->count = kept;
}

void ax_image_keeper_look(struct ax_image_keeper *keeper)
{
    assert(keeper);
    if (pthread_mutex_trylock(&keeper->look))
        return;
    struct look look = { 0 };
    atomic_store(&keeper->has_looked, true);
    atomic_store(&keeper->written_bytes, 0);
    look_list(&look, keeper);
    keeper_collect(keeper, &look);
    atomic_store(&keeper->bytes, look.bytes);
    atomic_store(&keeper->file_count, look.count);
    free(look.files);
    (void)pthread_mutex_unlock(&keeper->look);
}

void ax_image_keeper_wrote(struct ax_image_keeper *keeper, uint64_t bytes)
{
    assert(keeper);
    bytes = on_disk(bytes);
    atomic_fetch_add(&keeper->bytes, bytes);
    atomic_fetch_add(&keeper->file_count, 1);
    uint64_t written = atomic_fetch_add(&keeper->written_bytes, bytes) + bytes;
    if (!atomic_load(&keeper->has_looked) ||
        (keeper->bytes_max && written > keeper->bytes_max / SLACK_SHARE))
        ax_image_keeper_look(keeper);
}
