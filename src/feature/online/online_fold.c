/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder's thread. It is a reader while it copies rows, a few hundred at a time, so that the
 * writer never waits long for it to leave.
 */
#include "feature/online/online_fold.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>

#define PART_KEYS        16384
#define PART_BYTES       ((size_t)32 << 20) /* about, of rows */
#define FETCH_KEYS       256
#define COPY_BYTES_FIRST ((size_t)1 << 20)
#define COPY_BYTES_MAX   (PART_BYTES + FETCH_KEYS * AX_ONLINE_ROW_BYTES_MAX)

struct ax_online_folder {
    struct ax_online *store;
    struct ax_online_disk *disk;
    struct ax_epoch *epoch;
    struct ax_epoch_reader *reader;
    struct ax_inbox *inbox;
    struct ax_pool *pool; /* one thread */
    struct ax_online_fold *fold;
    /* The thread's. */
    struct ax_arena arena; /* copies of rows */
    struct ax_online_disk_item *items;
};

enum ax_code ax_online_folder_new(struct ax_online *store, struct ax_online_disk *disk,
                                  struct ax_epoch *epoch, struct ax_inbox *inbox,
                                  struct ax_online_folder **ret_folder, struct ax_err *err)
{
    assert(store && disk && epoch && inbox && ret_folder && err);
    struct ax_online_folder *folder = ax_xalloc(sizeof(*folder));
    *folder =
        (struct ax_online_folder){ .store = store, .disk = disk, .epoch = epoch, .inbox = inbox };
    ax_arena_init(&folder->arena, COPY_BYTES_FIRST, COPY_BYTES_MAX);
    folder->reader = ax_epoch_register(epoch);
    folder->items = ax_try_alloc(PART_KEYS, sizeof(*folder->items));
    if (!folder->reader || !folder->items)
        (void)ax_fail(err, AX_E_LIMIT, "no memory, or too many threads, to fold rows");
    if (err->code || ax_pool_new("fold", 1, 1, &folder->pool, err)) {
        ax_online_folder_free(folder);
        return err->code;
    }
    *ret_folder = folder;
    return AX_OK;
}

void ax_online_folder_free(struct ax_online_folder *folder)
{
    if (!folder)
        return;
    ax_pool_free(folder->pool);
    ax_epoch_unregister(folder->reader);
    ax_arena_done(&folder->arena);
    free(folder->items);
    free(folder);
}

static int compare_keys(const void *a, const void *b, void *arg)
{
    const struct ax_online_key *x = a;
    const struct ax_online_key *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return ax_str_compare(ax_online_unfolded_text(arg, x), ax_online_unfolded_text(arg, y));
}

/* As keys from files come; a sort would compare each many times to find that. */
static bool are_in_order(const struct ax_online_key *keys, size_t count,
                         struct ax_online_unfolded *unfolded)
{
    size_t i = 1;
    while (i < count && compare_keys(&keys[i - 1], &keys[i], unfolded) < 0)
        i++;
    return i >= count;
}

/* Copy the rows of some keys of one entity to `items`. */
static enum ax_code copy_rows(struct ax_online_folder *folder, const struct ax_online_key *keys,
                              size_t count, struct ax_online_disk_item *items, struct ax_err *err)
{
    struct ax_str texts[FETCH_KEYS];
    const struct ax_online_row *rows[FETCH_KEYS];
    for (size_t i = 0; i < count; i++)
        texts[i] = ax_online_unfolded_text(&folder->fold->keys, &keys[i]);
    struct ax_online_fetch fetch = {
        .entity = keys[0].entity, .keys = texts, .count = count, .rows = rows
    };
    ax_epoch_enter(folder->epoch, folder->reader);
    bool is_done = ax_online_fetch(folder->store, &fetch);
    assert(is_done);
    for (size_t i = 0; i < count && !err->code; i++) {
        void *copy = rows[i] ? ax_arena_alloc(&folder->arena, 1, rows[i]->bytes) : NULL;
        if (copy)
            memcpy(copy, rows[i], rows[i]->bytes);
        else if (rows[i])
            (void)ax_arena_fail(&folder->arena, "rows to fold", err);
        items[i] = (struct ax_online_disk_item){ keys[i].number, texts[i], copy };
    }
    ax_epoch_leave(folder->reader);
    return err->code;
}

/* How many keys from here on are copied at once. */
static size_t count_alike(const struct ax_online_key *keys, size_t count)
{
    size_t n = 1;
    while (n < AX_MIN(count, (size_t)FETCH_KEYS) && keys[n].entity == keys[0].entity)
        n++;
    return n;
}

/* Fold keys from `at` on, as many as are a part. */
static enum ax_code fold_part(struct ax_online_folder *folder, const struct ax_online_key *keys,
                              size_t count, size_t *at, struct ax_err *err)
{
    const struct ax_buf *positions = &folder->fold->positions;
    size_t taken = 0;
    ax_arena_reset(&folder->arena);
    while (*at + taken < count && taken + FETCH_KEYS <= PART_KEYS &&
           folder->arena.used < PART_BYTES) {
        const struct ax_online_key *from = keys + *at + taken;
        size_t alike = count_alike(from, count - *at - taken);
        if (copy_rows(folder, from, alike, folder->items + taken, err))
            return err->code;
        taken += alike;
    }
    struct ax_online_disk_fold fold = { .items = folder->items, .item_count = taken };
    *at += taken;
    if (*at == count) {
        fold.positions = (const void *)positions->ptr;
        fold.position_count = positions->len / sizeof(*fold.positions);
        fold.forms = (const void *)folder->fold->forms.ptr;
        fold.form_count = folder->fold->forms.len / sizeof(*fold.forms);
    }
    if (ax_online_disk_fold(folder->disk, &fold, err))
        return err->code;
    folder->fold->folded += taken;
    return AX_OK;
}

static void folder_run(void *arg)
{
    struct ax_online_folder *folder = arg;
    struct ax_online_fold *fold = folder->fold;
    struct ax_online_key *keys = ax_online_unfolded_keys(&fold->keys);
    size_t count = ax_online_unfolded_count(&fold->keys);
    size_t at = 0;
    if (!are_in_order(keys, count, &fold->keys))
        qsort_r(keys, count, sizeof(*keys), compare_keys, &fold->keys);
    do
        (void)(fold_part(folder, keys, count, &at, &fold->err) != AX_OK);
    while (at < count && !fold->err.code);
    ax_inbox_send(folder->inbox, &fold->message);
}

void ax_online_folder_begin(struct ax_online_folder *folder, struct ax_online_fold *fold)
{
    struct ax_err err = AX_ERR_INIT;
    assert(folder && fold && fold->message.receive && !fold->err.code);
    folder->fold = fold;
    enum ax_code code = ax_pool_submit(folder->pool, folder_run, folder, &err);
    assert(!code); /* there is room for one, and one there is */
}
