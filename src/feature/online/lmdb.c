/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMDB behind feature/online/online_disk.h.
 *
 * One tree of keys and values. A row's key is its entity's number (4 bytes, the most significant
 * first) and the entity's key, so that an entity is one range; its value is the row. LMDB's keys
 * have at most 511 bytes, so a longer key has its first bytes and its SHA-256 in its place, and is
 * told from a short one by its length. Facts are below number 0: "format" (with the last numbers
 * that were given), "entity " and a name, "layout " and names, "form " and names, "journal " and a
 * name. Each value begins with a hash of its bytes, seeded with its key's: what was damaged inside
 * of a value, or stands under another key, is noticed when it is read.
 *
 * The mapping has its whole size from the beginning, since it may grow only while nobody reads.
 * Readers have no slot by thread (MDB_NOTLS): a get is rare, and threads come and go. The structure
 * of the file is looked through before LMDB sees it (lmdb_check.h).
 */
#include "feature/online/online_disk.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "feature/online/lmdb_check.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#define FORMAT_MAGIC   UINT64_C(0x4b5349444e4f5841) /* "AXONDISK" */
#define FORMAT_VERSION UINT32_C(1)

#define KEY_BYTES_MAX      511
#define NUMBER_BYTES       4
#define SHA_BYTES          (AX_SHA256_TEXT_SIZE - 1)
#define SHORT_BYTES_MAX    (KEY_BYTES_MAX - NUMBER_BYTES - 1) /* of a key that stands as it is */
#define LONG_PREFIX_BYTES  (KEY_BYTES_MAX - NUMBER_BYTES - SHA_BYTES)
#define VALUE_HEADER_BYTES sizeof(uint64_t)

/* What a walk copies at once stays in the nearer caches until it is taken from there. */
#define WALK_ROWS        128
#define WALK_BYTES       ((size_t)64 << 10)
#define WALK_GROUP       16
#define WALK_AHEAD_BYTES ((size_t)1 << 10) /* of a value, that are asked for ahead */

struct ax_online_disk {
    struct MDB_env *env;
    MDB_dbi tree;
    char *path; /* of the folder */
    int64_t made_us;
};

/* What stands under "format". */
struct disk_format {
    uint64_t magic;
    uint32_t version;
    uint32_t entities; /* the last number that was given */
    uint32_t layouts;
    uint32_t zero;
};

/* A key as LMDB has it. */
struct disk_key {
    size_t len;
    unsigned char bytes[KEY_BYTES_MAX];
};

static enum ax_code report_damage(const struct ax_online_disk *disk, struct ax_err *err,
                                  const char *reason)
{
    return ax_fail(err, AX_E_INVALID,
                   "'%s' is damaged: %s; move it away and run 'auspex materialize --rebuild'",
                   disk->path, reason);
}

/* LMDB's status as one of ours. */
static enum ax_code lmdb_fail(const struct ax_online_disk *disk, int status, struct ax_err *err)
{
    switch (status) {
    case MDB_MAP_FULL: {
        MDB_envinfo info;
        (void)mdb_env_info(disk->env, &info);
        return ax_fail(err, AX_E_LIMIT,
                       "'%s' is full: it may have %zu bytes; raise online_disk_bytes_max",
                       disk->path, info.me_mapsize);
    }
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
        return ax_fail(err, AX_E_LIMIT, "'%s': %s", disk->path, mdb_strerror(status));
    case MDB_PANIC:
        return ax_fail(err, AX_E_UNAVAILABLE,
                       "'%s' takes nothing more since a write failed; start again", disk->path);
    case EIO: /* also what LMDB makes of a short write */
        return ax_fail(err, AX_E_LIMIT, "'%s': the disk is full, or fails", disk->path);
    case EFBIG:
        return ax_fail(err, AX_E_LIMIT, "'%s': a file may not grow that large", disk->path);
    default:
        if (status > 0)
            return ax_fail_errno(err, status, "'%s'", disk->path);
        return report_damage(disk, err, mdb_strerror(status));
    }
}

/* ---- keys and values ---- */

static void key_number(struct disk_key *key, uint32_t number)
{
    for (size_t i = 0; i < NUMBER_BYTES; i++)
        key->bytes[i] = (unsigned char)(number >> (8 * (NUMBER_BYTES - 1 - i)));
    key->len = NUMBER_BYTES;
}

static void key_add(struct disk_key *key, const void *ptr, size_t len)
{
    assert(len <= KEY_BYTES_MAX - key->len);
    if (len)
        memcpy(key->bytes + key->len, ptr, len);
    key->len += len;
}

static void key_of_row(struct disk_key *key, uint32_t entity, struct ax_str text)
{
    assert(entity && text.ptr && text.len <= AX_ONLINE_KEY_BYTES_MAX);
    key_number(key, entity);
    if (text.len <= SHORT_BYTES_MAX) {
        key_add(key, text.ptr, text.len);
        return;
    }
    struct ax_sha256 sha;
    char digest[AX_SHA256_TEXT_SIZE];
    ax_sha256_init(&sha);
    ax_sha256_add(&sha, text.ptr, text.len);
    ax_sha256_text(&sha, digest);
    key_add(key, text.ptr, LONG_PREFIX_BYTES);
    key_add(key, digest, SHA_BYTES);
}

static void key_of_fact(struct disk_key *key, struct ax_str kind, struct ax_str name)
{
    key_number(key, 0);
    key_add(key, kind.ptr, kind.len);
    key_add(key, name.ptr, name.len);
}

static MDB_val key_value(struct disk_key *key)
{
    return (MDB_val){ .mv_size = key->len, .mv_data = key->bytes };
}

static uint64_t value_hash(const MDB_val *key, struct ax_str bytes)
{
    return ax_hash_seeded(bytes, ax_hash((struct ax_str){ key->mv_data, key->mv_size }));
}

/* The bytes behind a value's hash, which are those that were written. Their alignment is LMDB's. */
static enum ax_code open_value(const struct ax_online_disk *disk, const MDB_val *key,
                               const MDB_val *value, struct ax_str *ret_bytes, struct ax_err *err)
{
    if (value->mv_size < VALUE_HEADER_BYTES)
        return report_damage(disk, err, "a value is too short");
    uint64_t hash;
    memcpy(&hash, value->mv_data, sizeof(hash));
    struct ax_str bytes = { (const char *)value->mv_data + VALUE_HEADER_BYTES,
                            value->mv_size - VALUE_HEADER_BYTES };
    if (hash != value_hash(key, bytes))
        return report_damage(disk, err, "a value's checksum is another one");
    *ret_bytes = bytes;
    return AX_OK;
}

/* The cursor stays there, and finds the next key at once if it is of the same page. */
static int put_value(MDB_cursor *cursor, MDB_val *key, struct ax_str bytes)
{
    MDB_val value = { .mv_size = VALUE_HEADER_BYTES + bytes.len };
    int status = mdb_cursor_put(cursor, key, &value, MDB_RESERVE);
    if (status)
        return status;
    uint64_t hash = value_hash(key, bytes);
    memcpy(value.mv_data, &hash, sizeof(hash));
    memcpy((char *)value.mv_data + VALUE_HEADER_BYTES, bytes.ptr, bytes.len);
    return 0;
}

/* ---- facts ---- */

/* Read a fact of `size` bytes, if it is there. */
static enum ax_code read_fact(const struct ax_online_disk *disk, MDB_txn *txn, struct disk_key *key,
                              void *ret_fact, size_t size, bool *ret_is_there, struct ax_err *err)
{
    MDB_val name = key_value(key);
    MDB_val value;
    int status = mdb_get(txn, disk->tree, &name, &value);
    if (status && status != MDB_NOTFOUND)
        return lmdb_fail(disk, status, err);
    if (status == 0) {
        struct ax_str bytes;
        if (open_value(disk, &name, &value, &bytes, err))
            return err->code;
        if (bytes.len != size)
            return report_damage(disk, err, "a fact has another size");
        memcpy(ret_fact, bytes.ptr, size);
    }
    *ret_is_there = status == 0;
    return AX_OK;
}

static enum ax_code write_fact(const struct ax_online_disk *disk, MDB_txn *txn,
                               struct disk_key *key, const void *fact, size_t size,
                               struct ax_err *err)
{
    MDB_val name = key_value(key);
    MDB_cursor *cursor;
    int status = mdb_cursor_open(txn, disk->tree, &cursor);
    if (!status) {
        status = put_value(cursor, &name, (struct ax_str){ fact, size });
        mdb_cursor_close(cursor);
    }
    return status ? lmdb_fail(disk, status, err) : AX_OK;
}

static enum ax_code read_format(const struct ax_online_disk *disk, MDB_txn *txn,
                                struct disk_format *ret_format, bool *ret_is_there,
                                struct ax_err *err)
{
    struct disk_key key;
    key_of_fact(&key, AX_STR("format"), AX_STR(""));
    return read_fact(disk, txn, &key, ret_format, sizeof(*ret_format), ret_is_there, err);
}

static enum ax_code write_format(const struct ax_online_disk *disk, MDB_txn *txn,
                                 const struct disk_format *format, struct ax_err *err)
{
    struct disk_key key;
    key_of_fact(&key, AX_STR("format"), AX_STR(""));
    return write_fact(disk, txn, &key, format, sizeof(*format), err);
}

/* ---- opening ---- */

static enum ax_code write_made(struct ax_online_disk *disk, MDB_txn *txn, struct ax_err *err)
{
    struct disk_key key;
    key_of_fact(&key, AX_STR("made"), AX_STR(""));
    disk->made_us = ax_clock_wall_us();
    return write_fact(disk, txn, &key, &disk->made_us, sizeof(disk->made_us), err);
}

static enum ax_code read_made(struct ax_online_disk *disk, MDB_txn *txn, struct ax_err *err)
{
    bool is_there;
    struct disk_key key;
    key_of_fact(&key, AX_STR("made"), AX_STR(""));
    return read_fact(disk, txn, &key, &disk->made_us, sizeof(disk->made_us), &is_there, err);
}

static enum ax_code check_format(struct ax_online_disk *disk, MDB_txn *txn, struct ax_err *err)
{
    int status = mdb_dbi_open(txn, NULL, 0, &disk->tree);
    MDB_stat stat;
    if (!status)
        status = mdb_stat(txn, disk->tree, &stat);
    if (status)
        return lmdb_fail(disk, status, err);
    struct disk_format format = { .magic = FORMAT_MAGIC, .version = FORMAT_VERSION };
    bool is_there = false;
    if (stat.ms_entries == 0)
        return write_format(disk, txn, &format, err) || write_made(disk, txn, err) ? err->code
                                                                                   : AX_OK;
    if (read_format(disk, txn, &format, &is_there, err))
        return err->code;
    if (!is_there || format.magic != FORMAT_MAGIC)
        return ax_fail(err, AX_E_INVALID,
                       "'%s' is an LMDB environment of another program; move it away", disk->path);
    if (format.version != FORMAT_VERSION)
        return ax_fail(err, AX_E_INVALID,
                       "'%s' has format %u, this auspex knows %u: use the auspex that wrote it, or "
                       "move it away and run 'auspex materialize --rebuild'",
                       disk->path, format.version, FORMAT_VERSION);
    return read_made(disk, txn, err);
}

/* End a transaction that writes. */
static enum ax_code end_txn(const struct ax_online_disk *disk, MDB_txn *txn, enum ax_code code,
                            struct ax_err *err)
{
    if (code) {
        mdb_txn_abort(txn);
        return code;
    }
    int status = mdb_txn_commit(txn);
    return status ? lmdb_fail(disk, status, err) : AX_OK;
}

static enum ax_code begin_txn(const struct ax_online_disk *disk, unsigned flags, MDB_txn **ret_txn,
                              struct ax_err *err)
{
    int status = mdb_txn_begin(disk->env, NULL, flags, ret_txn);
    return status ? lmdb_fail(disk, status, err) : AX_OK;
}

static enum ax_code open_env(struct ax_online_disk *disk, uint64_t bytes_max, struct ax_err *err)
{
    int status = mdb_env_create(&disk->env);
    if (!status)
        status = mdb_env_set_mapsize(disk->env, bytes_max);
    if (!status)
        status = mdb_env_open(disk->env, disk->path, MDB_NOTLS, 0600);
    if (status)
        return lmdb_fail(disk, status, err);
    MDB_txn *txn;
    if (begin_txn(disk, 0, &txn, err))
        return err->code;
    return end_txn(disk, txn, check_format(disk, txn, err), err);
}

/* What a stranger may have put there is looked at before LMDB does. */
static enum ax_code check_file(const struct ax_online_disk *disk, uint64_t bytes_max,
                               struct ax_err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/data.mdb", disk->path) >= (int)sizeof(path))
        return ax_fail(err, AX_E_INVALID, "the path '%s' is too long", disk->path);
    struct ax_err reason = AX_ERR_INIT;
    enum ax_code code = ax_lmdb_check(path, bytes_max, &reason);
    if (code == AX_E_INVALID)
        return report_damage(disk, err, reason.msg);
    return code ? ax_fail(err, code, "'%s': %s", disk->path, reason.msg) : AX_OK;
}

enum ax_code ax_online_disk_open(const char *folder, uint64_t bytes_max,
                                 struct ax_online_disk **ret_disk, struct ax_err *err)
{
    assert(folder && ret_disk && bytes_max >= AX_ONLINE_DISK_BYTES_MIN);
    struct ax_online_disk *disk = ax_xalloc(sizeof(*disk));
    disk->path = ax_xstrdup(folder);
    if (ax_file_make_private_folder(folder, err) || check_file(disk, bytes_max, err) ||
        open_env(disk, bytes_max, err) || ax_file_sync_folder(folder, err)) {
        ax_online_disk_close(disk);
        return err->code;
    }
    *ret_disk = disk;
    return AX_OK;
}

int64_t ax_online_disk_made_us(const struct ax_online_disk *disk)
{
    assert(disk);
    return disk->made_us;
}

void ax_online_disk_close(struct ax_online_disk *disk)
{
    if (!disk)
        return;
    if (disk->env)
        mdb_env_close(disk->env);
    free(disk->path);
    free(disk);
}

/* ---- numbers and positions ---- */

/* The number that stands under `key`, or the next one, which then stands there. */
static enum ax_code find_number(struct ax_online_disk *disk, MDB_txn *txn, struct disk_key *key,
                                bool is_layout, uint32_t *ret_number, struct ax_err *err)
{
    uint32_t number = 0;
    bool is_there = false;
    if (read_fact(disk, txn, key, &number, sizeof(number), &is_there, err))
        return err->code;
    if (!is_there) {
        struct disk_format format;
        if (read_format(disk, txn, &format, &is_there, err))
            return err->code;
        if (!is_there)
            return report_damage(disk, err, "its format has gone");
        uint32_t *last = is_layout ? &format.layouts : &format.entities;
        if (*last == UINT32_MAX)
            return ax_fail(err, AX_E_TOO_LARGE, "'%s' has no numbers left", disk->path);
        number = ++*last;
        if (write_format(disk, txn, &format, err) ||
            write_fact(disk, txn, key, &number, sizeof(number), err))
            return err->code;
    }
    if (!number)
        return report_damage(disk, err, "a number is 0");
    *ret_number = number;
    return AX_OK;
}

static enum ax_code give_number(struct ax_online_disk *disk, struct disk_key *key, bool is_layout,
                                uint32_t *ret_number, struct ax_err *err)
{
    MDB_txn *txn;
    uint32_t number = 0;
    if (begin_txn(disk, 0, &txn, err))
        return err->code;
    enum ax_code code = find_number(disk, txn, key, is_layout, &number, err);
    if (end_txn(disk, txn, code, err))
        return err->code;
    *ret_number = number;
    return AX_OK;
}

static enum ax_code refuse_name(const struct ax_online_disk *disk, struct ax_str name,
                                struct ax_err *err)
{
    return ax_fail(err, AX_E_TOO_LARGE, "'%s': '%.*s' is too long a name", disk->path,
                   AX_STR_ARG(name));
}

enum ax_code ax_online_disk_entity(struct ax_online_disk *disk, struct ax_str entity,
                                   uint32_t *ret_number, struct ax_err *err)
{
    assert(disk && entity.ptr && ret_number);
    if (entity.len > AX_ONLINE_DISK_NAME_BYTES_MAX)
        return refuse_name(disk, entity, err);
    struct disk_key key;
    key_of_fact(&key, AX_STR("entity "), entity);
    return give_number(disk, &key, false, ret_number, err);
}

enum ax_code ax_online_disk_layout(struct ax_online_disk *disk, struct ax_str entity,
                                   struct ax_str view, struct ax_str digest, uint32_t *ret_number,
                                   struct ax_err *err)
{
    assert(disk && entity.ptr && view.ptr && digest.ptr && ret_number);
    if (entity.len + view.len + digest.len > AX_ONLINE_DISK_NAME_BYTES_MAX)
        return refuse_name(disk, view, err);
    struct disk_key key;
    key_of_fact(&key, AX_STR("layout "), entity);
    key_add(&key, "", 1); /* no name has a NUL */
    key_add(&key, view.ptr, view.len);
    key_add(&key, "", 1);
    key_add(&key, digest.ptr, digest.len);
    return give_number(disk, &key, true, ret_number, err);
}

enum ax_code ax_online_disk_position(struct ax_online_disk *disk, struct ax_str journal,
                                     uint64_t *ret_next, bool *ret_is_told, struct ax_err *err)
{
    assert(disk && journal.ptr && ret_next && ret_is_told);
    if (journal.len > AX_ONLINE_DISK_NAME_BYTES_MAX)
        return refuse_name(disk, journal, err);
    struct disk_key key;
    key_of_fact(&key, AX_STR("journal "), journal);
    MDB_txn *txn;
    if (begin_txn(disk, MDB_RDONLY, &txn, err))
        return err->code;
    uint64_t next = 0;
    enum ax_code code = read_fact(disk, txn, &key, &next, sizeof(next), ret_is_told, err);
    mdb_txn_abort(txn);
    if (!code)
        *ret_next = next;
    return code;
}

static enum ax_code key_of_form(const struct ax_online_disk *disk, struct disk_key *key,
                                struct ax_str entity, struct ax_str view, struct ax_err *err)
{
    if (entity.len + view.len > AX_ONLINE_DISK_NAME_BYTES_MAX)
        return refuse_name(disk, view, err);
    key_of_fact(key, AX_STR("form "), entity);
    key_add(key, "", 1); /* no name has a NUL */
    key_add(key, view.ptr, view.len);
    return AX_OK;
}

static enum ax_code get_form(const struct ax_online_disk *disk, MDB_txn *txn, struct disk_key *key,
                             struct ax_arena *arena, struct ax_str *ret_bytes, struct ax_err *err)
{
    MDB_val name = key_value(key);
    MDB_val value;
    int status = mdb_get(txn, disk->tree, &name, &value);
    if (status)
        return status == MDB_NOTFOUND ? AX_OK : lmdb_fail(disk, status, err);
    struct ax_str bytes;
    if (open_value(disk, &name, &value, &bytes, err))
        return err->code;
    char *copy = ax_arena_alloc(arena, 1, AX_MAX(bytes.len, 1));
    if (!copy)
        return ax_arena_fail(arena, "a view", err);
    memcpy(copy, bytes.ptr, bytes.len);
    *ret_bytes = (struct ax_str){ copy, bytes.len };
    return AX_OK;
}

enum ax_code ax_online_disk_form(struct ax_online_disk *disk, struct ax_str entity,
                                 struct ax_str view, struct ax_arena *arena,
                                 struct ax_str *ret_bytes, struct ax_err *err)
{
    assert(disk && entity.ptr && view.ptr && arena && ret_bytes);
    struct disk_key key;
    struct ax_str bytes = { 0 };
    MDB_txn *txn;
    if (key_of_form(disk, &key, entity, view, err) || begin_txn(disk, MDB_RDONLY, &txn, err))
        return err->code;
    enum ax_code code = get_form(disk, txn, &key, arena, &bytes, err);
    mdb_txn_abort(txn);
    if (!code)
        *ret_bytes = bytes;
    return code;
}

/* ---- folding ---- */

/* By entity and key, and of one key the one that came later behind the other. */
static int compare_items(const void *a, const void *b)
{
    const struct ax_online_disk_item *x = *(const struct ax_online_disk_item *const *)a;
    const struct ax_online_disk_item *y = *(const struct ax_online_disk_item *const *)b;
    if (x->entity != y->entity)
        return x->entity < y->entity ? -1 : 1;
    int order = ax_str_compare(x->key, y->key);
    return order ? order : (x > y) - (x < y);
}

/* As the folder sends them; a sort would compare each many times to find that. */
static bool are_in_order(const struct ax_online_disk_item *const *items, size_t count)
{
    size_t i = 1;
    while (i < count && compare_items(&items[i - 1], &items[i]) < 0)
        i++;
    return i >= count;
}

static int fold_item(MDB_cursor *cursor, const struct ax_online_disk_item *item)
{
    struct disk_key key;
    key_of_row(&key, item->entity, item->key);
    MDB_val name = key_value(&key);
    if (item->row) {
        assert(ax_str_equals(ax_online_row_key(item->row), item->key));
        return put_value(cursor, &name,
                         (struct ax_str){ (const char *)item->row, item->row->bytes });
    }
    MDB_val value;
    int status = mdb_cursor_get(cursor, &name, &value, MDB_SET);
    if (!status)
        status = mdb_cursor_del(cursor, 0);
    return status == MDB_NOTFOUND ? 0 : status;
}

static enum ax_code fold_items(const struct ax_online_disk *disk, MDB_txn *txn,
                               const struct ax_online_disk_item *const *items, size_t count,
                               struct ax_err *err)
{
    MDB_cursor *cursor;
    int status = mdb_cursor_open(txn, disk->tree, &cursor);
    if (status)
        return lmdb_fail(disk, status, err);
    for (size_t i = 0; i < count && !status; i++)
        status = fold_item(cursor, items[i]);
    mdb_cursor_close(cursor);
    return status ? lmdb_fail(disk, status, err) : AX_OK;
}

static enum ax_code fold_all(const struct ax_online_disk *disk, MDB_txn *txn,
                             const struct ax_online_disk_item *const *items,
                             const struct ax_online_disk_fold *fold, struct ax_err *err)
{
    if (fold_items(disk, txn, items, fold->item_count, err))
        return err->code;
    for (size_t i = 0; i < fold->position_count; i++) {
        const struct ax_online_disk_position *position = &fold->positions[i];
        if (position->journal.len > AX_ONLINE_DISK_NAME_BYTES_MAX)
            return refuse_name(disk, position->journal, err);
        struct disk_key key;
        key_of_fact(&key, AX_STR("journal "), position->journal);
        if (write_fact(disk, txn, &key, &position->next, sizeof(position->next), err))
            return err->code;
    }
    for (size_t i = 0; i < fold->form_count; i++) {
        const struct ax_online_disk_form *form = &fold->forms[i];
        struct disk_key key;
        if (key_of_form(disk, &key, form->entity, form->view, err) ||
            write_fact(disk, txn, &key, form->bytes.ptr, form->bytes.len, err))
            return err->code;
    }
    return AX_OK;
}

enum ax_code ax_online_disk_fold(struct ax_online_disk *disk,
                                 const struct ax_online_disk_fold *fold, struct ax_err *err)
{
    assert(disk && fold && (fold->items || !fold->item_count));
    const struct ax_online_disk_item **items =
        ax_try_alloc(AX_MAX(fold->item_count, 1), sizeof(const struct ax_online_disk_item *));
    if (!items)
        return ax_fail(err, AX_E_LIMIT, "no memory to fold %zu rows", fold->item_count);
    for (size_t i = 0; i < fold->item_count; i++)
        items[i] = &fold->items[i];
    if (!are_in_order(items, fold->item_count))
        qsort(items, fold->item_count, sizeof(const struct ax_online_disk_item *), compare_items);
    MDB_txn *txn;
    enum ax_code code = begin_txn(disk, 0, &txn, err);
    if (!code)
        code = end_txn(disk, txn, fold_all(disk, txn, items, fold, err), err);
    free(items);
    return code;
}

/* ---- reading ---- */

/* Copy a value, which is a row, to `out`, aligned to 8 and with room for AX_ONLINE_ROW_BYTES_MAX
 * or for what the value has. */
static enum ax_code copy_row(const struct ax_online_disk *disk, struct ax_str bytes, void *out,
                             struct ax_err *err)
{
    struct ax_err reason = AX_ERR_INIT;
    if (bytes.len > AX_ONLINE_ROW_BYTES_MAX)
        return report_damage(disk, err, "a row is too long");
    memcpy(out, bytes.ptr, bytes.len);
    if (ax_online_row_check(out, bytes.len, &reason))
        return report_damage(disk, err, reason.msg);
    return AX_OK;
}

static enum ax_code get_row(const struct ax_online_disk *disk, MDB_txn *txn, struct disk_key *key,
                            struct ax_arena *arena, const struct ax_online_row **ret_row,
                            struct ax_err *err)
{
    MDB_val name = key_value(key);
    MDB_val value;
    int status = mdb_get(txn, disk->tree, &name, &value);
    if (status == MDB_NOTFOUND) {
        *ret_row = NULL;
        return AX_OK;
    }
    if (status)
        return lmdb_fail(disk, status, err);
    struct ax_str bytes;
    if (open_value(disk, &name, &value, &bytes, err))
        return err->code;
    void *row = ax_arena_alloc(arena, AX_MAX(bytes.len, 1), 1);
    if (!row)
        return ax_arena_fail(arena, "a row", err);
    if (copy_row(disk, bytes, row, err))
        return err->code;
    *ret_row = row;
    return AX_OK;
}

enum ax_code ax_online_disk_get(struct ax_online_disk *disk, uint32_t entity, struct ax_str key,
                                struct ax_arena *arena, const struct ax_online_row **ret_row,
                                struct ax_err *err)
{
    assert(disk && arena && ret_row);
    struct disk_key name;
    key_of_row(&name, entity, key);
    MDB_txn *txn;
    if (begin_txn(disk, MDB_RDONLY, &txn, err))
        return err->code;
    enum ax_code code = get_row(disk, txn, &name, arena, ret_row, err);
    mdb_txn_abort(txn);
    return code;
}

uint64_t ax_online_disk_entries(const struct ax_online_disk *disk)
{
    assert(disk);
    MDB_stat stat = { 0 };
    (void)mdb_env_stat(disk->env, &stat);
    return stat.ms_entries;
}

/* A key and its value where they lie in the file. */
struct walk_item {
    MDB_val key, value;
};

struct ax_online_disk_walk {
    const struct ax_online_disk *disk;
    MDB_txn *txn;
    MDB_cursor *cursor;
    struct disk_key first; /* the entity's number */
    bool has_begun;
    char *bytes; /* WALK_BYTES, and room for a row behind them */
    const struct ax_online_row *rows[WALK_ROWS];
};

enum ax_code ax_online_disk_walk_begin(struct ax_online_disk *disk, uint32_t entity,
                                       struct ax_online_disk_walk **ret_walk, struct ax_err *err)
{
    assert(disk && entity && ret_walk);
    struct ax_online_disk_walk *walk = ax_xalloc(sizeof(*walk));
    walk->disk = disk;
    key_number(&walk->first, entity);
    walk->bytes = ax_try_alloc(1, WALK_BYTES + AX_ONLINE_ROW_BYTES_MAX);
    if (!walk->bytes) {
        (void)ax_fail(err, AX_E_LIMIT, "no memory to read rows");
    } else if (!begin_txn(disk, MDB_RDONLY, &walk->txn, err)) {
        int status = mdb_cursor_open(walk->txn, disk->tree, &walk->cursor);
        if (status)
            (void)lmdb_fail(disk, status, err);
    }
    if (err->code) {
        ax_online_disk_walk_end(walk);
        return err->code;
    }
    *ret_walk = walk;
    return AX_OK;
}

void ax_online_disk_walk_end(struct ax_online_disk_walk *walk)
{
    if (!walk)
        return;
    if (walk->cursor)
        mdb_cursor_close(walk->cursor);
    if (walk->txn)
        mdb_txn_abort(walk->txn);
    free(walk->bytes);
    free(walk);
}

/* The entity's next key and value. False: there is none, or a failure. */
static bool walk_step(struct ax_online_disk_walk *walk, struct walk_item *ret_item,
                      struct ax_err *err)
{
    MDB_val key = key_value(&walk->first);
    int status = mdb_cursor_get(walk->cursor, &key, &ret_item->value,
                                walk->has_begun ? MDB_NEXT : MDB_SET_RANGE);
    walk->has_begun = true;
    ret_item->key = key;
    if (status && status != MDB_NOTFOUND)
        (void)lmdb_fail(walk->disk, status, err);
    return !status && key.mv_size >= NUMBER_BYTES &&
           memcmp(key.mv_data, walk->first.bytes, NUMBER_BYTES) == 0;
}

/* The next ones, whose values are asked for all together. */
static size_t walk_group(struct ax_online_disk_walk *walk, size_t bytes_max,
                         struct walk_item items[static WALK_GROUP], struct ax_err *err)
{
    size_t count = 0;
    for (size_t bytes = 0;
         count < WALK_GROUP && bytes < bytes_max && walk_step(walk, &items[count], err); count++) {
        const MDB_val *value = &items[count].value;
        for (size_t at = 0; at < AX_MIN(value->mv_size, WALK_AHEAD_BYTES); at += AX_CACHE_LINE)
            __builtin_prefetch((const char *)value->mv_data + at);
        bytes += value->mv_size;
    }
    return count;
}

enum ax_code ax_online_disk_walk_next(struct ax_online_disk_walk *walk,
                                      const struct ax_online_row *const **ret_rows,
                                      size_t *ret_count, struct ax_err *err)
{
    assert(walk && ret_rows && ret_count);
    struct walk_item items[WALK_GROUP];
    size_t count = 0;
    size_t at = 0;
    size_t found = 1;
    while (found && count + WALK_GROUP <= WALK_ROWS && at < WALK_BYTES) {
        found = walk_group(walk, WALK_BYTES - at, items, err);
        for (size_t i = 0; i < found && !err->code; i++) {
            struct ax_str row;
            if (open_value(walk->disk, &items[i].key, &items[i].value, &row, err) ||
                copy_row(walk->disk, row, walk->bytes + at, err))
                break;
            walk->rows[count++] = (const void *)(walk->bytes + at);
            at += (row.len + 7) / 8 * 8;
        }
        if (err->code)
            return err->code;
    }
    *ret_rows = walk->rows;
    *ret_count = count;
    return AX_OK;
}
