/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is a header of 256 bytes and the payload:
 *
 *      0  magic "AUSPEXIM"                  56  bytes of the model file
 *      8  version, 4 bytes                  64  its SHA-256 as text, NUL
 *     12  0x01020304, 4 bytes              136  format, padded with NUL
 *     16  bytes of this file               160  zeros
 *     24  checksum of all from byte 32 on  256  payload
 *     40  digest of the source, 16 bytes
 *
 * Folders and files are reached by descriptors (openat), so that nothing that is renamed meanwhile
 * leads elsewhere; links are not followed at the last step. What is opened is asked who owns it and
 * who may write it, and only then looked at. New files get a name of their own and are renamed:
 * whoever has mapped the old one keeps it. There is no fsync: the checksum tells what a crash left
 * unfinished. What a writer that was killed has left, and what is over the limit, the keeper
 * removes.
 */
#include "engine/image.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC            "AUSPEXIM"
#define VERSION          1u
#define ORDER_MARK       0x01020304u
#define CHECKED_FROM     32
#define SHA_AT           64
#define FORMAT_AT        136
#define FORMAT_BYTES     AX_IMAGE_FORMAT_BYTES
#define READ_BYTES       ((size_t)1 << 18)
#define WRITABLE_BY_MORE (S_IWGRP | S_IWOTH)

const struct ax_option ax_image_options[] = {
    { AX_OPTION_TEXT, "state", "auspex-data", offsetof(struct ax_image_config, state), 0, 0, "DIR",
      "Folder for what the program keeps: compiled models in DIR/images." },
    { AX_OPTION_BOOL, "images", "true", offsetof(struct ax_image_config, images), 0, 0, NULL,
      "Keep compiled models and what was measured about them, for the next load." },
    { AX_OPTION_SIZE, "images_bytes_max", "10g", offsetof(struct ax_image_config, images_bytes_max),
      0, (int64_t)1 << 48, "bytes",
      "Disk that they may take: what was used least recently is removed; 0: no limit." },
    { 0 },
};

struct image_header {
    char magic[8];
    uint32_t version;
    uint32_t order_mark;
    uint64_t file_bytes;
    uint64_t checksum;
    uint64_t reserved;
    uint64_t digest[2]; /* low, high */
    uint64_t source_bytes;
};
static_assert(sizeof(struct image_header) == SHA_AT, "the header's fields have fixed places");

struct ax_image_store {
    struct ax_image_keeper *keeper; /* one reference */
    int folder;                     /* the keeper's */
    atomic_bool has_told;
};

void ax_image_done(struct ax_image *image)
{
    if (!image)
        return;
    if (image->map)
        (void)munmap(image->map, image->map_bytes);
    *image = (struct ax_image){ 0 };
}

/* ---- keys ---- */

static struct ax_image_key key_end(struct ax_hasher *hasher, uint64_t bytes, struct ax_str options)
{
    uint64_t lens[2] = { bytes, options.len };
    ax_hasher_add(hasher, options.ptr, options.len);
    ax_hasher_add(hasher, lens, sizeof(lens));
    return (struct ax_image_key){ .digest = ax_hasher_result(hasher), .source_bytes = bytes };
}

struct ax_image_key ax_image_key_bytes(struct ax_str bytes, struct ax_str options)
{
    struct ax_hasher *hasher = ax_hasher_new();
    ax_hasher_add(hasher, bytes.ptr, bytes.len);
    struct ax_image_key key = key_end(hasher, bytes.len, options);
    ax_hasher_free(hasher);
    return key;
}

/* Read in pieces rather than mapped: a model file may be cut off by its owner at any time. */
static enum ax_code hash_file(int fd, const char *path, struct ax_hasher *hasher, uint64_t *ret_len,
                              struct ax_err *err)
{
    char *piece = ax_xalloc(READ_BYTES);
    uint64_t len = 0;
    ssize_t got = 1;
    while (got > 0 || (got < 0 && errno == EINTR)) {
        got = read(fd, piece, READ_BYTES);
        if (got > 0) {
            ax_hasher_add(hasher, piece, (size_t)got);
            len += (size_t)got;
        }
    }
    if (got < 0)
        (void)ax_fail_errno(err, errno, "read '%s'", path);
    free(piece);
    *ret_len = len;
    return err->code;
}

enum ax_code ax_image_key_file(const char *path, struct ax_str options,
                               struct ax_image_key *ret_key, struct ax_err *err)
{
    assert(path && ret_key && err);
    struct stat info;
    uint64_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ax_fail_errno(err, errno, "open '%s'", path);
    struct ax_hasher *hasher = ax_hasher_new();
    if (fstat(fd, &info))
        (void)ax_fail_errno(err, errno, "stat '%s'", path);
    else if (!S_ISREG(info.st_mode))
        (void)ax_fail(err, AX_E_INVALID, "'%s' is not a regular file", path);
    else if (!hash_file(fd, path, hasher, &len, err))
        *ret_key = key_end(hasher, len, options);
    ax_hasher_free(hasher);
    (void)close(fd);
    return err->code;
}

/* ---- files ---- */

static uint64_t checksum(struct ax_str file)
{
    return ax_hash((struct ax_str){ file.ptr + CHECKED_FROM, file.len - CHECKED_FROM });
}

void ax_image_seal(struct ax_buf *file, const struct ax_image_key *key, const char *format,
                   const char *sha256)
{
    assert(file && file->len >= AX_IMAGE_HEADER_BYTES && key && format && sha256);
    assert(strlen(format) < FORMAT_BYTES && strlen(sha256) == AX_SHA256_TEXT_SIZE - 1);
    struct image_header header = { .magic = MAGIC,
                                   .version = VERSION,
                                   .order_mark = ORDER_MARK,
                                   .file_bytes = file->len,
                                   .digest = { key->digest.low, key->digest.high },
                                   .source_bytes = key->source_bytes };
    memset(file->ptr, 0, AX_IMAGE_HEADER_BYTES);
    memcpy(file->ptr, &header, sizeof(header));
    memcpy(file->ptr + SHA_AT, sha256, AX_SHA256_TEXT_SIZE);
    memcpy(file->ptr + FORMAT_AT, format, strlen(format));
    header.checksum = checksum(ax_buf_str(file));
    memcpy(file->ptr, &header, sizeof(header));
}

static bool is_sha256(const char *text)
{
    return strspn(text, "0123456789abcdef") == AX_SHA256_TEXT_SIZE - 1 &&
           text[AX_SHA256_TEXT_SIZE - 1] == '\0';
}

enum ax_code ax_image_open(struct ax_str file, const struct ax_image_key *key, const char *format,
                           struct ax_str *ret_payload, char ret_sha256[AX_SHA256_TEXT_SIZE],
                           struct ax_err *err)
{
    assert(key && format && strlen(format) < FORMAT_BYTES && ret_payload && ret_sha256 && err);
    struct image_header header;
    char wanted[FORMAT_BYTES] = { 0 };
    if (file.len < AX_IMAGE_HEADER_BYTES)
        return ax_fail(err, AX_E_INVALID, "cut off in its header");
    memcpy(&header, file.ptr, sizeof(header));
    memcpy(wanted, format, strlen(format));
    if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0)
        return ax_fail(err, AX_E_INVALID, "no image");
    if (header.order_mark != ORDER_MARK)
        return ax_fail(err, AX_E_INVALID, "of a machine with another byte order");
    if (header.version != VERSION || memcmp(file.ptr + FORMAT_AT, wanted, FORMAT_BYTES) != 0)
        return ax_fail(err, AX_E_INVALID, "of another version of the program");
    if (header.file_bytes != file.len)
        return ax_fail(err, AX_E_INVALID, "%zu bytes of %" PRIu64, file.len, header.file_bytes);
    if (header.digest[0] != key->digest.low || header.digest[1] != key->digest.high ||
        header.source_bytes != key->source_bytes)
        return ax_fail(err, AX_E_INVALID, "of another model file");
    if (header.checksum != checksum(file) || !is_sha256(file.ptr + SHA_AT))
        return ax_fail(err, AX_E_INVALID, "damaged: its checksum is wrong");
    memcpy(ret_sha256, file.ptr + SHA_AT, AX_SHA256_TEXT_SIZE);
    *ret_payload =
        (struct ax_str){ file.ptr + AX_IMAGE_HEADER_BYTES, file.len - AX_IMAGE_HEADER_BYTES };
    return AX_OK;
}

/* ---- the store ---- */

/* Whether nobody but this process's user can have written it. */
static enum ax_code check_owner(const struct stat *info, const char *what, struct ax_err *err)
{
    if (info->st_uid != geteuid())
        return ax_fail(err, AX_E_DENIED, "%s belongs to another user", what);
    if (info->st_mode & WRITABLE_BY_MORE)
        return ax_fail(err, AX_E_DENIED, "others may write %s; chmod go-w", what);
    return AX_OK;
}

static enum ax_code make_folders(const char *state, const char *images, struct ax_err *err)
{
    if (ax_file_make_private_folder(state, err))
        return err->code;
    if (mkdir(images, 0700) && errno != EEXIST)
        return ax_fail_errno(err, errno, "make folder '%s'", images);
    return AX_OK;
}

enum ax_code ax_image_store_open(const struct ax_image_config *config, bool make,
                                 struct ax_image_store **ret_store, struct ax_err *err)
{
    assert(config && config->state && ret_store && err);
    const char *state = config->state;
    if (!state[0])
        return ax_fail(err, AX_E_INVALID, "state: no folder is named");
    size_t size = strlen(state) + sizeof("/images");
    char *path = ax_xalloc(size);
    struct stat info;
    int fd = -1;
    (void)snprintf(path, size, "%s/images", state);
    if (!make || !make_folders(state, path, err)) {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &info))
            (void)ax_fail_errno(err, errno, "open folder '%s'", path);
        else if (check_owner(&info, "the folder", err))
            (void)ax_err_context(err, "'%s'", path);
    }
    free(path);
    if (err->code) {
        if (fd >= 0)
            (void)close(fd);
        return err->code;
    }
    struct ax_image_store *store = ax_xalloc(sizeof(*store));
    store->folder = fd;
    store->keeper = ax_image_keeper_new(fd, config->images_bytes_max);
    if (make)
        ax_image_keeper_look(store->keeper);
    *ret_store = store;
    return AX_OK;
}

void ax_image_store_free(struct ax_image_store *store)
{
    if (store)
        ax_image_keeper_unref(store->keeper);
    free(store);
}

struct ax_image_hold *ax_image_store_hold(const struct ax_image_store *store,
                                          const struct ax_image_key *key, const char *format)
{
    assert(store && key && format);
    return ax_image_keeper_hold(store->keeper, key->digest, format);
}

void ax_image_store_touch(const struct ax_image_store *store, const struct ax_image_key *key,
                          const char *format)
{
    assert(store && key);
    char name[AX_IMAGE_NAME_BYTES];
    ax_image_name(name, key->digest, format);
    /* One that is gone by now was not kept for us. */
    (void)utimensat(store->folder, name, NULL, AT_SYMLINK_NOFOLLOW);
}

void ax_image_store_usage(const struct ax_image_store *store, struct ax_image_usage *ret_usage)
{
    assert(store && ret_usage);
    ax_image_keeper_usage(store->keeper, ret_usage);
}

bool ax_image_store_may_tell(struct ax_image_store *store)
{
    assert(store);
    return !atomic_exchange(&store->has_told, true);
}

/* Open a file of the store that nobody else can have written. */
static enum ax_code open_own(const struct ax_image_store *store, const char *name, int *ret_fd,
                             size_t *ret_bytes, struct ax_err *err)
{
    struct stat info;
    int fd = openat(store->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ELOOP)
        return ax_fail(err, AX_E_DENIED, "it is a link");
    if (fd < 0)
        return ax_fail_errno(err, errno, "open");
    if (fstat(fd, &info))
        (void)ax_fail_errno(err, errno, "stat");
    else if (!S_ISREG(info.st_mode))
        (void)ax_fail(err, AX_E_INVALID, "no regular file");
    else if (!check_owner(&info, "it", err) && (uint64_t)info.st_size > AX_IMAGE_BYTES_MAX)
        (void)ax_fail(err, AX_E_INVALID, "too large");
    if (err->code) {
        (void)close(fd);
        return err->code;
    }
    *ret_fd = fd;
    *ret_bytes = (size_t)info.st_size;
    return AX_OK;
}

enum ax_code ax_image_store_get(const struct ax_image_store *store, const struct ax_image_key *key,
                                const char *format, struct ax_image *ret_image,
                                char ret_sha256[AX_SHA256_TEXT_SIZE], struct ax_err *err)
{
    assert(store && key && format && ret_image && ret_sha256 && err);
    char name[AX_IMAGE_NAME_BYTES];
    size_t bytes;
    int fd;
    ax_image_name(name, key->digest, format);
    if (open_own(store, name, &fd, &bytes, err))
        return err->code;
    struct ax_image image = { .map_bytes = bytes };
    void *map =
        bytes ? mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0) : MAP_FAILED;
    (void)close(fd);
    if (map == MAP_FAILED)
        return bytes ? ax_fail_errno(err, errno, "map") : ax_fail(err, AX_E_INVALID, "empty");
    image.map = map;
    if (ax_image_open((struct ax_str){ map, bytes }, key, format, &image.payload, ret_sha256,
                      err)) {
        ax_image_done(&image);
        return err->code;
    }
    *ret_image = image;
    return AX_OK;
}

/* By a new file that is renamed. */
static enum ax_code put(const struct ax_image_store *store, const char *name, struct ax_str bytes,
                        struct ax_err *err)
{
    char temporary[AX_UUID_TEXT_SIZE + 8];
    char unique[AX_UUID_TEXT_SIZE];
    ax_uuid7_text(unique);
    (void)snprintf(temporary, sizeof(temporary), ".%s.new", unique);
    int fd = openat(store->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
    if (fd < 0)
        return ax_fail_errno(err, errno, "create a file");
    (void)(ax_file_write_all(fd, bytes, err) != AX_OK);
    if (close(fd) && !err->code)
        (void)ax_fail_errno(err, errno, "write");
    if (!err->code && renameat(store->folder, temporary, store->folder, name))
        (void)ax_fail_errno(err, errno, "rename");
    if (err->code)
        (void)unlinkat(store->folder, temporary, 0);
    else
        ax_image_keeper_wrote(store->keeper, bytes.len);
    return err->code;
}

enum ax_code ax_image_store_put(const struct ax_image_store *store, const struct ax_image_key *key,
                                const char *format, const char *sha256, struct ax_buf *file,
                                struct ax_err *err)
{
    assert(store && key && format && sha256 && file && err);
    char name[AX_IMAGE_NAME_BYTES];
    ax_image_name(name, key->digest, format);
    ax_image_seal(file, key, format, sha256);
    return put(store, name, ax_buf_str(file), err);
}

enum ax_code ax_image_store_get_tuning(const struct ax_image_store *store,
                                       const struct ax_image_key *key, struct ax_buf *out,
                                       struct ax_err *err)
{
    assert(store && key && out && err);
    char name[AX_IMAGE_NAME_BYTES];
    size_t bytes;
    int fd;
    ax_image_name(name, key->digest, NULL);
    if (open_own(store, name, &fd, &bytes, err))
        return err->code;
    char *room = ax_buf_reserve(out, bytes + 1);
    ssize_t got = room ? read(fd, room, bytes + 1) : 0;
    int errnum = errno;
    (void)close(fd);
    if (!room)
        return ax_buf_check(out, "it", err);
    if (got < 0)
        return ax_fail_errno(err, errnum, "read");
    ax_buf_added(out, (size_t)got);
    return AX_OK;
}

enum ax_code ax_image_store_put_tuning(const struct ax_image_store *store,
                                       const struct ax_image_key *key, struct ax_str text,
                                       struct ax_err *err)
{
    assert(store && key && err);
    char name[AX_IMAGE_NAME_BYTES];
    ax_image_name(name, key->digest, NULL);
    return put(store, name, text, err);
}
