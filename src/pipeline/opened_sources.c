/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line a source: its digest, a blank, its name.
 */
#include "pipeline/opened_sources.h"

#include "auspex_config.h"
#include "base/alloc.h"
#include "base/file.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)64 << 20)
#define DIGEST_LEN     (AX_SHA256_TEXT_SIZE - 1)

struct opened {
    char digest[AX_SHA256_TEXT_SIZE];
};

static void put(struct ax_opened_sources *sources, struct ax_str name, const char *digest)
{
    struct opened *opened = ax_xalloc(sizeof(*opened));
    memcpy(opened->digest, digest, DIGEST_LEN);
    opened->digest[DIGEST_LEN] = '\0';
    free(ax_map_put(&sources->digests, name, opened));
}

static bool is_path(char path[PATH_MAX], const char *state)
{
    int len = snprintf(path, PATH_MAX, "%s/opened-sources", state);
    return len > 0 && len < PATH_MAX;
}

void ax_opened_sources_init(struct ax_opened_sources *sources, const char *state)
{
    assert(sources && state);
    char path[PATH_MAX];
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_buf text;
    *sources = (struct ax_opened_sources){ 0 };
    ax_map_init(&sources->digests);
    ax_buf_init(&text, FILE_BYTES_MAX);
    if (is_path(path, state) && !ax_file_read(path, &text, &ignored)) {
        struct ax_str rest = ax_buf_str(&text);
        const char *end;
        while (rest.len && (end = memchr(rest.ptr, '\n', rest.len))) {
            struct ax_str line = { rest.ptr, (size_t)(end - rest.ptr) };
            rest = (struct ax_str){ end + 1, rest.len - line.len - 1 };
            if (line.len > DIGEST_LEN + 1 && line.ptr[DIGEST_LEN] == ' ')
                put(sources,
                    (struct ax_str){ line.ptr + DIGEST_LEN + 1, line.len - DIGEST_LEN - 1 },
                    line.ptr);
        }
    }
    ax_buf_done(&text);
}

void ax_opened_sources_done(struct ax_opened_sources *sources)
{
    assert(sources);
    struct ax_str name;
    void *opened;
    for (size_t at = 0; ax_map_next(&sources->digests, &at, &name, &opened);)
        free(opened);
    ax_map_done(&sources->digests);
}

/* False when there is nothing to go by. */
static bool make_digest(const struct ax_source *source, const char *stamp,
                        char ret_digest[AX_SHA256_TEXT_SIZE])
{
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_sha256 sha;
    char meaning[AX_SHA256_TEXT_SIZE];
    if (!stamp[0] || ax_definition_digest(AX_DEFINITION_SOURCE, source, meaning, &ignored))
        return false;
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, AX_VERSION, sizeof(AX_VERSION));
    ax_sha256_add(&sha, meaning, sizeof(meaning));
    ax_sha256_add(&sha, stamp, strlen(stamp));
    ax_sha256_text(&sha, ret_digest);
    return true;
}

bool ax_opened_sources_has(const struct ax_opened_sources *sources, const struct ax_source *source,
                           const char *stamp)
{
    assert(sources && source && stamp);
    char digest[AX_SHA256_TEXT_SIZE];
    const struct opened *opened = ax_map_get(&sources->digests, source->name);
    return opened && make_digest(source, stamp, digest) && strcmp(opened->digest, digest) == 0;
}

void ax_opened_sources_put(struct ax_opened_sources *sources, const struct ax_source *source,
                           const char *stamp)
{
    assert(sources && source && stamp);
    char digest[AX_SHA256_TEXT_SIZE];
    if (!make_digest(source, stamp, digest))
        return;
    put(sources, source->name, digest);
    sources->is_changed = true;
}

enum ax_code ax_opened_sources_keep(const struct ax_opened_sources *sources,
                                    const struct ax_definitions *definitions, const char *state,
                                    struct ax_err *err)
{
    assert(sources && definitions && state && err);
    char path[PATH_MAX];
    struct ax_buf text;
    if (!sources->is_changed)
        return AX_OK;
    if (!is_path(path, state))
        return ax_fail(err, AX_E_INVALID, "the path of the state directory is too long");
    ax_buf_init(&text, FILE_BYTES_MAX);
    for (size_t i = 0; i < definitions->source_count; i++) {
        const struct opened *opened = ax_map_get(&sources->digests, definitions->sources[i].name);
        if (opened)
            ax_buf_printf(&text, "%s %s\n", opened->digest, definitions->sources[i].name.ptr);
    }
    if (!ax_buf_check(&text, "what was opened", err))
        (void)(ax_file_replace(path, ax_buf_str(&text), err) != AX_OK);
    ax_buf_done(&text);
    return err->code;
}
