/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a model file, with images (docs/internals/image.md).
 *
 * With a store the file is first read for its digest alone. When an image of it is there and sound,
 * that is all: the version's digest is the one that the image was made with. A caller that has
 * loaded the same files before tells their digest, and nothing is read. Otherwise the file is
 * read whole and its digest taken again from what was read, since it may be another file by then;
 * so an image is always of the bytes that it was made from. As soon as it is known which image it
 * is, it is held: as long as the version is there, also when it was made and is not mapped, since
 * the next start wants it.
 *
 * Whatever goes wrong with an image or with tuning is a note, of which the first one counts.
 */
#include "engine/version_model.h"

#include "base/file.h"
#include "base/hash.h"
#include "engine/image.h"

#include <assert.h>

#define OPTIONS_BYTES_MAX ((size_t)4096)
#define TUNING_BYTES_MAX  ((size_t)1 << 16)

struct loading {
    struct ax_version *version;
    const struct ax_engine *engine;
    const char *path;
    const void *config;
    struct ax_image_store *store;     /* NULL: no images */
    const struct ax_image_key *known; /* NULL: the file is read for it */
    bool writes;
    struct ax_buf options; /* what besides the file an image depends on */
    struct ax_image_key key;
    bool has_key;
};

/* What happened is told, unless something was before. */
static void note(struct loading *l, const struct ax_err *cause, const char *what)
{
    if (!l->version->image_note.code)
        (void)ax_fail(&l->version->image_note, cause->code, "%s: %s", what, cause->msg);
}

/* A failure to write is told once a store: it will be the same for all. */
static void note_write(struct loading *l, const struct ax_err *cause, const char *what)
{
    if (ax_image_store_may_tell(l->store))
        note(l, cause, what);
}

/* Of the image that `key` names, and of no other one. */
static void hold(struct loading *l)
{
    ax_image_hold_free(l->version->image_hold);
    l->version->image_hold = ax_image_store_hold(l->store, &l->key, l->engine->images->format);
}

static void load_image(struct loading *l)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_image image;
    const struct ax_engine_images *images = l->engine->images;
    if (l->known)
        l->key = *l->known;
    else if (ax_image_key_file(l->path, ax_buf_str(&l->options), &l->key, &err))
        return; /* Reading it whole will say why. */
    l->has_key = true;
    hold(l);
    enum ax_code code =
        ax_image_store_get(l->store, &l->key, images->format, &image, l->version->digest, &err);
    if (!code) {
        code = images->read(&image, &l->version->model, &err);
        if (code)
            ax_image_done(&image);
    }
    if (!code) {
        l->version->image = AX_VERSION_IMAGE_USED;
        l->version->image_bytes = image.map_bytes;
        if (l->writes)
            ax_image_store_touch(l->store, &l->key, images->format);
    } else if (code != AX_E_NOT_FOUND)
        note(l, &err, "the image is not used");
}

static void write_image(struct loading *l)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf file;
    const struct ax_engine_images *images = l->engine->images;
    hold(l);
    ax_buf_init(&file, AX_IMAGE_BYTES_MAX);
    static const char header[AX_IMAGE_HEADER_BYTES];
    (void)ax_buf_append(&file, header, sizeof(header));
    if (!images->write(l->version->model, &file, &err) &&
        !ax_image_store_put(l->store, &l->key, images->format, l->version->digest, &file, &err))
        l->version->image = AX_VERSION_IMAGE_MADE;
    else
        note_write(l, &err, "the image is not kept");
    ax_buf_done(&file);
}

static enum ax_code load_source(struct loading *l, struct ax_err *err)
{
    struct ax_buf bytes;
    struct ax_sha256 sha;
    ax_buf_init(&bytes, AX_ENGINE_FILE_BYTES_MAX);
    enum ax_code code = ax_file_read(l->path, &bytes, err);
    if (!code) {
        struct ax_str text = ax_buf_str(&bytes);
        ax_sha256_init(&sha);
        ax_sha256_add(&sha, text.ptr, text.len);
        ax_sha256_text(&sha, l->version->digest);
        l->key = l->has_key ? ax_image_key_bytes(text, ax_buf_str(&l->options)) : l->key;
        code = ax_engine_load(l->engine, text, l->config, &l->version->model, err);
    }
    ax_buf_done(&bytes);
    return code;
}

static void tune(struct loading *l)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf kept, out;
    ax_buf_init(&kept, TUNING_BYTES_MAX);
    ax_buf_init(&out, TUNING_BYTES_MAX);
    if (l->has_key && ax_image_store_get_tuning(l->store, &l->key, &kept, &err)) {
        if (err.code != AX_E_NOT_FOUND)
            note(l, &err, "what was measured before is not used");
        ax_err_clear(&err);
    } else if (l->has_key && l->writes) {
        ax_image_store_touch(l->store, &l->key, NULL);
    }
    if (l->engine->tune(l->version->model, ax_buf_str(&kept), &out, &err))
        note(l, &err, "kernels are not measured");
    else if (out.len && l->writes &&
             ax_image_store_put_tuning(l->store, &l->key, ax_buf_str(&out), &err))
        note_write(l, &err, "what was measured is not kept");
    ax_buf_done(&kept);
    ax_buf_done(&out);
}

enum ax_code ax_version_model_load(struct ax_version *version, const struct ax_engine *engine,
                                   const char *path, const void *config,
                                   const struct ax_version_options *options, struct ax_err *err)
{
    assert(version && engine && path && err);
    struct loading l = { .version = version, .engine = engine, .path = path, .config = config };
    ax_buf_init(&l.options, OPTIONS_BYTES_MAX);
    if (options && engine->images) {
        (void)ax_buf_append_str(&l.options, ax_str_from(engine->name));
        (void)ax_buf_append_char(&l.options, '\0');
        engine->images->key(config, &l.options);
        l.store = l.options.failed ? NULL : options->images;
        l.known = options->known;
    }
    l.writes = l.store && !options->read_only;
    if (l.store)
        load_image(&l);
    l.writes = l.writes && l.has_key;
    if (!version->model && !load_source(&l, err) && l.writes)
        write_image(&l);
    if (l.has_key)
        version->image_key = l.key;
    if (version->model && options && options->tune && engine->tune)
        tune(&l);
    ax_buf_done(&l.options);
    return err->code;
}
