/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists of one length: what the manifest tells of a source, and what tells that its file is
 * still the same.
 */
#include "pipeline/dataset_origin.h"

#include <assert.h>

#define ARENA_INIT ((size_t)64 << 10)
#define ARENA_MAX  ((size_t)256 << 20)

void ax_dataset_origins_init(struct ax_dataset_origins *origins)
{
    *origins = (struct ax_dataset_origins){ 0 };
    ax_arena_init(&origins->arena, ARENA_INIT, ARENA_MAX);
}

void ax_dataset_origins_done(struct ax_dataset_origins *origins)
{
    ax_arena_done(&origins->arena);
}

enum ax_code ax_dataset_origins_copy(struct ax_dataset_origins *origins, struct ax_str text,
                                     struct ax_str *ret, struct ax_err *err)
{
    assert(origins && (text.ptr || !text.len) && ret && err);
    char *copied = ax_arena_strdup(&origins->arena, text);
    if (!copied)
        return ax_arena_fail(&origins->arena, "where the rows come from", err);
    *ret = (struct ax_str){ copied, text.len };
    return AX_OK;
}

static enum ax_code grow(struct ax_dataset_origins *o, struct ax_err *err)
{
    size_t cap = AX_MAX(o->cap * 2, (size_t)16);
    struct ax_dataset_source *sources = ax_arena_alloc(&o->arena, cap, sizeof(*sources));
    struct ax_dataset_file *files = ax_arena_alloc(&o->arena, cap, sizeof(*files));
    if (!sources || !files)
        return ax_arena_fail(&o->arena, "the sources", err);
    if (o->count) {
        memcpy(sources, o->sources, o->count * sizeof(*sources));
        memcpy(files, o->files, o->count * sizeof(*files));
    }
    o->sources = sources;
    o->files = files;
    o->cap = cap;
    return AX_OK;
}

static enum ax_code add(struct ax_dataset_origins *o, struct ax_str whose, struct ax_str path,
                        const struct ax_dataset_file *file, struct ax_err *err)
{
    struct ax_dataset_source source = { .bytes = file->bytes };
    if (ax_dataset_origins_copy(o, whose, &source.whose, err) ||
        ax_dataset_origins_copy(o, path, &source.path, err) || (o->count == o->cap && grow(o, err)))
        return err->code;
    memcpy(source.digest, file->digest, sizeof(source.digest));
    o->sources[o->count] = source;
    o->files[o->count++] = *file;
    o->origin.sources = o->sources;
    o->origin.source_count = o->count;
    return AX_OK;
}

enum ax_code ax_dataset_origins_add_file(struct ax_dataset_origins *origins, struct ax_str whose,
                                         struct ax_str path, atomic_bool *cancelled,
                                         struct ax_err *err)
{
    assert(origins && err);
    struct ax_dataset_file file = { 0 };
    struct ax_str copied;
    if (ax_dataset_origins_copy(origins, path, &copied, err) ||
        ax_dataset_file_read(copied.ptr, cancelled, &file, err))
        return err->code;
    return add(origins, whose, copied, &file, err);
}

enum ax_code ax_dataset_origins_add_text(struct ax_dataset_origins *origins, struct ax_str whose,
                                         struct ax_str path, struct ax_str text, struct ax_err *err)
{
    assert(origins && (text.ptr || !text.len) && err);
    struct ax_dataset_file file = { .bytes = text.len, .is_text = true };
    struct ax_sha256 sha;
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, text.ptr, text.len);
    ax_sha256_text(&sha, file.digest);
    return add(origins, whose, path, &file, err);
}

enum ax_code ax_dataset_origins_check(const struct ax_dataset_origins *origins, struct ax_err *err)
{
    assert(origins && err);
    for (size_t i = 0; i < origins->count; i++)
        if (!origins->files[i].is_text &&
            ax_dataset_file_check(origins->sources[i].path.ptr, &origins->files[i], err))
            return err->code;
    return AX_OK;
}
