/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam of the online store: the newest values of features, by entity and key.
 *
 * An entity is a table of rows (feature/online/online_row.h). Readers are I/O threads: they fetch
 * the rows of many keys at once, and see each row whole, as some write left it. One thread, the
 * store's writer, does everything that changes: it hands over batches and learns what became of
 * each item. A fetch or a write may be done at once, as in memory, or later, as by a store that
 * lies elsewhere: then `done` is called once, on the caller's loop, unless it was cancelled.
 *
 * In memory (feature/online/memory.c) is the reference, and what is served from. The contract is
 * tests/contract/test_online.c; how it works docs/internals/online-store.md.
 */
#ifndef AX_FEATURE_ONLINE_ONLINE_H
#define AX_FEATURE_ONLINE_ONLINE_H

#include "base/arena.h"
#include "base/epoch.h"
#include "feature/online/online_layout.h"
#include "feature/online/online_row.h"

struct ax_loop;
struct ax_online_backend;

/* Backends embed it first. */
struct ax_online {
    const struct ax_online_backend *backend;
};

/* What a store knows of an entity: its own, until it is closed. Backends embed it first. */
struct ax_online_entity {
    struct ax_str name;
};

/* Where the rows are that an entity has not got yet. */
struct ax_online_behind {
    /* The row of a key of the entity of that number, copied to the arena; NULL: there is none. Any
     * thread, and it may wait for a page of a file. NULL: no entity lacks rows. */
    enum ax_code (*get)(void *context, uint32_t number, struct ax_str key, struct ax_arena *arena,
                        const struct ax_online_row **ret_row, struct ax_err *err);
    void *context;
};

struct ax_online_config {
    struct ax_epoch *epoch;  /* of the readers; borrowed */
    size_t memory_bytes_max; /* of rows and what finds them */
    struct ax_online_behind behind;
};

/* The rows of some keys. The caller's, until it is done or cancelled. */
struct ax_online_fetch {
    const struct ax_online_entity *entity;
    const struct ax_str *keys; /* ptr NULL: a key with a null, which nobody has */
    size_t count;
    const struct ax_online_row **rows; /* room for `count`; each is set. NULL: there is none. Valid
                                          until the epoch is left, or as long as the arena */
    struct ax_arena *arena;            /* for rows that come from elsewhere; NULL: none do */
    uint64_t deadline_ns;              /* monotonic; then it is UNAVAILABLE */
    struct ax_loop *loop;              /* the calling thread's, on which `done` is called */
    void (*done)(struct ax_online_fetch *fetch);
    struct ax_err err; /* UNAVAILABLE: the store could not be asked, and no row is set. Is AX_OK
                          when it begins */
    void *pending;     /* the backend's, from a fetch that is not done at once */
};

enum ax_online_result {
    AX_ONLINE_WRITTEN,
    AX_ONLINE_STALE,   /* what is stored is newer */
    AX_ONLINE_REFUSED, /* see the write's error */
};

/* One view's values of one key, or the end of a key. */
struct ax_online_item {
    struct ax_str key;
    const struct ax_online_layout *layout;
    const struct ax_online_part *part; /* NULL: the key goes with all its views */
    size_t bytes;                      /* of the part, a multiple of 8 */
    const uint64_t *given; /* NULL: the part is whole. Bits of the fields that it has: the others
                              are those that are stored, if there are any */
};

/* A batch for one entity, done in the order of its items. The caller's, until it is done. */
struct ax_online_write {
    struct ax_online_entity *entity;
    const struct ax_online_item *items;
    size_t count;
    uint8_t *ret_results; /* enum ax_online_result, one an item; or NULL */
    uint64_t deadline_ns;
    struct ax_loop *loop;
    void (*done)(struct ax_online_write *write);
    struct ax_err err; /* why items were refused: LIMIT, TOO_LARGE, UNAVAILABLE. Is AX_OK when it
                          begins */
    size_t written, stale, refused;
    void *pending;
};

/* Which parts go, of one entity. */
struct ax_online_drop {
    uint32_t layout;
    int64_t before; /* those whose time is below; INT64_MAX: all */
    /* Told the key of each that went; or NULL. */
    void (*dropped)(void *arg, const struct ax_online_entity *entity, struct ax_str key);
    void *arg;
};

typedef enum ax_code (*ax_online_row_fn)(void *arg, const struct ax_online_row *row,
                                         struct ax_err *err);

/* Since the store was opened, or at the moment. */
struct ax_online_stats {
    uint64_t rows;
    uint64_t bytes;      /* taken from the system */
    uint64_t bytes_used; /* of these by rows, and what finds them */
    uint64_t bytes_max;
    uint64_t written, stale, refused, deleted;
};

/* One table a backend. Threads: as said; where nothing is said, the writer's. */
struct ax_online_backend {
    const char *name;

    /* Expected: LIMIT, and the system's codes. */
    enum ax_code (*open)(const struct ax_online_config *config, struct ax_online **ret_store,
                         struct ax_err *err);
    /* Nobody uses it any more. NULL is fine. */
    void (*close)(struct ax_online *store);

    /* The entity of that name, which is made when it is new. Expected: LIMIT. */
    enum ax_code (*entity)(struct ax_online *store, struct ax_str name,
                           struct ax_online_entity **ret_entity, struct ax_err *err);

    /* Readers, inside the epoch; never blocks. Whether it is done. */
    bool (*fetch)(struct ax_online *store, struct ax_online_fetch *fetch);
    /* Of one that is not done: `done` will not be called, and the rows are not set. NULL: fetches
     * are always done at once. */
    void (*cancel)(struct ax_online *store, struct ax_online_fetch *fetch);

    /* Each item is applied to its key as a whole, or refused and then without effect. A part
     * replaces what is stored when its stamp is newer or the same. Whether it is done. May wait for
     * readers to leave, as long as a wake-up. */
    bool (*write)(struct ax_online *store, struct ax_online_write *write);

    /* Put in rows as they were kept, but those whose keys have one; up to the first that fails.
     * Expected: LIMIT. */
    enum ax_code (*load)(struct ax_online *store, struct ax_online_entity *entity,
                         const struct ax_online_row *const *rows, size_t count, struct ax_err *err);

    /* Take parts out of some more rows, and rows that have none then. Begins with *cursor = 0 and
     * goes on by it; *ret_more: there are further ones. May block. Expected: LIMIT, then the
     * same step may be done again. */
    enum ax_code (*drop)(struct ax_online *store, struct ax_online_entity *entity,
                         const struct ax_online_drop *drop, size_t *cursor, size_t *ret_dropped,
                         bool *ret_more, struct ax_err *err);

    /* Visit some more rows of an entity, each that is there all the while once, likewise. The
     * writer, or a reader inside the epoch. Expected: what `visit` fails with. */
    enum ax_code (*walk)(struct ax_online *store, const struct ax_online_entity *entity,
                         size_t *cursor, ax_online_row_fn visit, void *arg, bool *ret_more,
                         struct ax_err *err);

    /* From now on the entity lacks rows, which are behind under that number: a fetch looks for a
     * key there that is not here, and a write does so first. 0: it has all of them. Keys do not
     * end while it lacks rows. NULL: entities never lack rows. */
    void (*lack)(struct ax_online *store, struct ax_online_entity *entity, uint32_t number);

    /* Any thread. */
    void (*stats)(const struct ax_online *store, struct ax_online_stats *ret_stats);
    uint64_t (*rows)(const struct ax_online *store, const struct ax_online_entity *entity);
};

extern const struct ax_online_backend ax_online_memory;

/* All backends that were built, the reference first. */
extern const struct ax_online_backend *const ax_online_backends[];
extern const size_t ax_online_backend_count;

AX_MUST_USE static inline enum ax_code ax_online_open(const struct ax_online_backend *backend,
                                                      const struct ax_online_config *config,
                                                      struct ax_online **ret_store,
                                                      struct ax_err *err)
{
    return backend->open(config, ret_store, err);
}

static inline void ax_online_close(struct ax_online *store)
{
    if (store)
        store->backend->close(store);
}

AX_MUST_USE static inline enum ax_code ax_online_find_entity(struct ax_online *store,
                                                             struct ax_str name,
                                                             struct ax_online_entity **ret_entity,
                                                             struct ax_err *err)
{
    return store->backend->entity(store, name, ret_entity, err);
}

AX_MUST_USE static inline bool ax_online_fetch(struct ax_online *store,
                                               struct ax_online_fetch *fetch)
{
    return store->backend->fetch(store, fetch);
}

static inline void ax_online_cancel(struct ax_online *store, struct ax_online_fetch *fetch)
{
    if (store->backend->cancel)
        store->backend->cancel(store, fetch);
}

AX_MUST_USE static inline bool ax_online_write(struct ax_online *store,
                                               struct ax_online_write *write)
{
    return store->backend->write(store, write);
}

AX_MUST_USE static inline enum ax_code ax_online_load(struct ax_online *store,
                                                      struct ax_online_entity *entity,
                                                      const struct ax_online_row *const *rows,
                                                      size_t count, struct ax_err *err)
{
    return store->backend->load(store, entity, rows, count, err);
}

AX_MUST_USE static inline enum ax_code ax_online_drop(struct ax_online *store,
                                                      struct ax_online_entity *entity,
                                                      const struct ax_online_drop *drop,
                                                      size_t *cursor, size_t *ret_dropped,
                                                      bool *ret_more, struct ax_err *err)
{
    return store->backend->drop(store, entity, drop, cursor, ret_dropped, ret_more, err);
}

AX_MUST_USE static inline enum ax_code ax_online_walk(struct ax_online *store,
                                                      const struct ax_online_entity *entity,
                                                      size_t *cursor, ax_online_row_fn visit,
                                                      void *arg, bool *ret_more, struct ax_err *err)
{
    return store->backend->walk(store, entity, cursor, visit, arg, ret_more, err);
}

static inline void ax_online_lack(struct ax_online *store, struct ax_online_entity *entity,
                                  uint32_t number)
{
    store->backend->lack(store, entity, number);
}

static inline void ax_online_stats(const struct ax_online *store, struct ax_online_stats *ret_stats)
{
    store->backend->stats(store, ret_stats);
}

static inline uint64_t ax_online_rows(const struct ax_online *store,
                                      const struct ax_online_entity *entity)
{
    return store->backend->rows(store, entity);
}

#endif
