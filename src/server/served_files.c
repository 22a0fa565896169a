/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All files are listed whenever one was written, some thousands at most: no other record is kept of
 * them, so whoever removes some by hand is right.
 */
#include "server/served_files.h"

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGEST_SHOWN 16

void ax_served_files_init(struct ax_served_files *files, const char *state, size_t bytes_max,
                          size_t days_max)
{
    *files =
        (struct ax_served_files){ .state = state, .bytes_max = bytes_max, .days_max = days_max };
}

/* ---- writing ---- */

/* "20261127T120455.123456Z": the order of such texts is that of the times. */
static void put_name(char *out, size_t size, int64_t us)
{
    char text[AX_CLOCK_TEXT_SIZE];
    size_t len = 0;
    ax_clock_text(us, text);
    for (const char *at = text; *at && len + 1 < size; at++)
        if (*at != '-' && *at != ':')
            out[len++] = *at;
    out[len] = '\0';
}

enum ax_code ax_served_files_write(struct ax_served_files *files, const struct ax_served_form *form,
                                   struct ax_str rows, struct ax_err *err)
{
    assert(files && form && err);
    char folder[PATH_MAX], path[PATH_MAX], name[AX_CLOCK_TEXT_SIZE];
    files->last_us = AX_MAX(ax_clock_wall_us(), files->last_us + 1);
    put_name(name, sizeof(name), files->last_us);
    (void)snprintf(folder, sizeof(folder), "%s/served/%.*s", files->state,
                   AX_STR_ARG(form->service));
    int len = snprintf(path, sizeof(path), "%s/%s_%.*s.parquet", folder, name, DIGEST_SHOWN,
                       form->digest);
    if (len < 0 || (size_t)len >= sizeof(path))
        return ax_fail(err, AX_E_INVALID, "the path of the state directory is too long");
    return ax_file_make_private_folder(folder, err) || ax_served_file_write(path, form, rows, err)
               ? err->code
               : AX_OK;
}

/* ---- trimming ---- */

struct file {
    char *path;
    const char *name; /* in the path */
    uint64_t bytes;
    int64_t changed_s;
};

struct listing {
    struct file *files;
    size_t count, room;
    uint64_t bytes;
};

static void add_file(struct listing *listing, const char *path)
{
    struct stat info;
    if (stat(path, &info) || !S_ISREG(info.st_mode))
        return;
    if (listing->count == listing->room) {
        listing->room = AX_MAX(2 * listing->room, (size_t)64);
        listing->files = ax_xrealloc(listing->files, listing->room, sizeof(*listing->files));
    }
    struct file *file = &listing->files[listing->count++];
    file->path = ax_xstrdup(path);
    file->name = strrchr(file->path, '/') + 1;
    file->bytes = (uint64_t)info.st_size;
    file->changed_s = info.st_mtime;
    listing->bytes += file->bytes;
}

static bool is_vectors(const char *name)
{
    size_t len = strlen(name);
    return len > strlen(".parquet") && strcmp(name + len - strlen(".parquet"), ".parquet") == 0;
}

/* Call `visit` with what is in a folder, but for "." and "..". */
static void visit_folder(const char *path, void (*visit)(void *arg, const char *path), void *arg)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char inner[PATH_MAX];
    while (dir && (entry = readdir(dir))) {
        int len = snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && len > 0 &&
            (size_t)len < sizeof(inner))
            visit(arg, inner);
    }
    if (dir)
        (void)closedir(dir);
}

static void visit_file(void *arg, const char *path)
{
    if (is_vectors(path))
        add_file(arg, path);
}

static void visit_service(void *arg, const char *path)
{
    visit_folder(path, visit_file, arg);
}

static int by_name(const void *a, const void *b)
{
    const struct file *x = a;
    const struct file *y = b;
    return strcmp(x->name, y->name);
}

void ax_served_files_trim(struct ax_served_files *files)
{
    assert(files);
    struct listing listing = { 0 };
    char folder[PATH_MAX];
    int64_t oldest_s =
        ax_clock_wall_us() / AX_US_PER_S - (int64_t)files->days_max * (AX_US_PER_DAY / AX_US_PER_S);
    (void)snprintf(folder, sizeof(folder), "%s/served", files->state);
    visit_folder(folder, visit_service, &listing);
    if (listing.count)
        qsort(listing.files, listing.count, sizeof(*listing.files), by_name);
    for (size_t i = 0; i < listing.count; i++) {
        const struct file *file = &listing.files[i];
        bool is_left = file->name[0] == '.' && !files->is_swept;
        if ((is_left || listing.bytes > files->bytes_max || file->changed_s < oldest_s) &&
            unlink(file->path) == 0)
            listing.bytes -= file->bytes;
        free(file->path);
    }
    free(listing.files);
    files->is_swept = true;
}
