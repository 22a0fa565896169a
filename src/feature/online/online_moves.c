/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 256 hash tables by the top bits of an id's hash, with linear probing, each of which is made anew
 * on its own when it is full: so no pause is long, and that is when ids go that are forgotten. Keys
 * have numbers, and a number is free again when no id has it.
 */
#include "feature/online/online_moves.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

enum { TABLES = 256, SLOTS_MIN = 16, GROUP = 16 };

#define NOBODY        0 /* the number of a key that is null */
#define SECONDS_US    INT64_C(1000000)
#define KEY_BYTES     128 /* of a key, besides its text, which is there twice */
#define KEYS_MAX      UINT32_MAX
#define NO_KEY_NUMBER UINT32_MAX

struct moves_event {
    uint64_t hash; /* of the id; 0: free */
    int64_t created, sequence;
    uint32_t key;
    uint32_t second; /* of its time and of when it was known, at least */
};

struct moves_table {
    struct moves_event *events;
    size_t slots, used;
};

struct moves_key {
    char *text; /* NULL: it went, or nobody has the number */
    size_t len;
    uint32_t ids;  /* that have it */
    uint32_t free; /* of a number that is free: the next one */
};

struct ax_online_moves {
    uint64_t seed;
    size_t bytes, bytes_max;
    struct moves_table tables[TABLES];
    struct ax_map numbers[TABLES]; /* of keys, by their hash */
    struct moves_key *keys;
    uint32_t key_count, key_cap;
    uint32_t free; /* 0: none */
};

bool ax_view_has_moves(const struct ax_view *view)
{
    assert(view);
    const struct ax_source *source = view->source;
    size_t found = 0;
    for (size_t i = 0; i < view->entity->key_count; i++) {
        for (size_t k = 0; k < source->event_id_count; k++) {
            if (source->event_id[k] == view->key_columns[i]) {
                found++;
                break;
            }
        }
    }
    return source->event_id_count && found < view->entity->key_count;
}

struct ax_online_moves *ax_online_moves_new(size_t bytes_max)
{
    struct ax_online_moves *moves = ax_xalloc(sizeof(*moves));
    moves->bytes_max = bytes_max;
    moves->key_count = 1; /* nobody's */
    if (getrandom(&moves->seed, sizeof(moves->seed), 0) != (ssize_t)sizeof(moves->seed))
        moves->seed = ax_clock_ns() ^ (uint64_t)(uintptr_t)moves;
    for (size_t i = 0; i < TABLES; i++)
        ax_map_init(&moves->numbers[i]);
    return moves;
}

void ax_online_moves_clear(struct ax_online_moves *moves)
{
    assert(moves);
    for (size_t i = 0; i < TABLES; i++) {
        free(moves->tables[i].events);
        moves->tables[i] = (struct moves_table){ 0 };
        ax_map_done(&moves->numbers[i]);
        ax_map_init(&moves->numbers[i]);
    }
    for (uint32_t i = 1; i < moves->key_count; i++)
        free(moves->keys[i].text);
    moves->key_count = 1;
    moves->free = 0;
    moves->bytes = 0;
}

void ax_online_moves_free(struct ax_online_moves *moves)
{
    if (!moves)
        return;
    ax_online_moves_clear(moves);
    free(moves->keys);
    free(moves);
}

/* ---- keys ---- */

static struct ax_map *numbers_of(struct ax_online_moves *moves, struct ax_str key)
{
    return &moves->numbers[ax_hash_seeded(key, moves->seed) % TABLES];
}

static void forget_text(struct ax_online_moves *moves, struct moves_key *key)
{
    (void)ax_map_remove(numbers_of(moves, (struct ax_str){ key->text, key->len }),
                        (struct ax_str){ key->text, key->len });
    moves->bytes -= 2 * key->len + KEY_BYTES;
    free(key->text);
    key->text = NULL;
}

static void leave_key(struct ax_online_moves *moves, uint32_t number)
{
    struct moves_key *key = &moves->keys[number];
    if (number == NOBODY || --key->ids)
        return;
    if (key->text)
        forget_text(moves, key);
    key->free = moves->free;
    moves->free = number;
}

/* A number that nobody has; NO_KEY_NUMBER: no memory. */
static uint32_t take_number(struct ax_online_moves *moves)
{
    if (moves->free) {
        uint32_t number = moves->free;
        moves->free = moves->keys[number].free;
        return number;
    }
    if (moves->key_count >= moves->key_cap) {
        if (moves->key_cap > KEYS_MAX / 2)
            return NO_KEY_NUMBER;
        moves->key_cap = AX_MAX(2 * moves->key_cap, 64U);
        moves->keys = ax_xrealloc(moves->keys, moves->key_cap, sizeof(*moves->keys));
    }
    return moves->key_count++;
}

/* With one id more. NO_KEY_NUMBER: no memory. */
static uint32_t enter_key(struct ax_online_moves *moves, struct ax_str key)
{
    if (!key.ptr)
        return NOBODY;
    struct ax_map *numbers = numbers_of(moves, key);
    uint32_t number = (uint32_t)(uintptr_t)ax_map_get(numbers, key);
    if (number) {
        moves->keys[number].ids++;
        return number;
    }
    size_t bytes = 2 * key.len + KEY_BYTES;
    if (bytes > moves->bytes_max - moves->bytes || (number = take_number(moves)) == NO_KEY_NUMBER)
        return NO_KEY_NUMBER;
    moves->keys[number] =
        (struct moves_key){ .text = ax_xalloc(key.len + 1), .len = key.len, .ids = 1 };
    memcpy(moves->keys[number].text, key.ptr, key.len);
    (void)ax_map_put(numbers, key, (void *)(uintptr_t)number);
    moves->bytes += bytes;
    return number;
}

static bool has_key(const struct ax_online_moves *moves, uint32_t number, struct ax_str key)
{
    const struct moves_key *has = &moves->keys[number];
    if (number == NOBODY || !key.ptr)
        return number == NOBODY && !key.ptr;
    return has->text && ax_str_equals((struct ax_str){ has->text, has->len }, key);
}

void ax_online_moves_end(struct ax_online_moves *moves, struct ax_str key)
{
    assert(moves && key.ptr);
    uint32_t number = (uint32_t)(uintptr_t)ax_map_get(numbers_of(moves, key), key);
    if (number)
        forget_text(moves, &moves->keys[number]);
}

/* ---- ids ---- */

static uint32_t second_of(int64_t time_us)
{
    int64_t second = time_us / SECONDS_US + 1;
    return (uint32_t)AX_MIN(AX_MAX(second, (int64_t)0), (int64_t)UINT32_MAX);
}

static bool is_forgotten(const struct moves_event *event, int64_t forgotten)
{
    return event->second < UINT32_MAX && (int64_t)event->second * SECONDS_US <= forgotten;
}

/* Where it is, or would be. */
static struct moves_event *find(const struct moves_table *table, uint64_t hash)
{
    size_t at = hash & (table->slots - 1);
    while (table->events[at].hash && table->events[at].hash != hash)
        at = (at + 1) & (table->slots - 1);
    return &table->events[at];
}

/* Make the table anew, with room for one more. False: no memory. */
static bool make_room(struct ax_online_moves *moves, struct moves_table *table, int64_t forgotten)
{
    struct moves_table made = { .slots = SLOTS_MIN };
    for (size_t i = 0; i < table->slots; i++)
        made.used += table->events[i].hash && !is_forgotten(&table->events[i], forgotten);
    while (made.slots < 2 * (made.used + 1))
        made.slots *= 2;
    size_t before = table->slots * sizeof(*table->events);
    size_t after = made.slots * sizeof(*table->events);
    if (after > moves->bytes_max - (moves->bytes - before))
        return false;
    made.events = ax_try_alloc(made.slots, sizeof(*made.events));
    if (!made.events)
        return false;
    memset(made.events, 0, after);
    for (size_t i = 0; i < table->slots; i++) {
        const struct moves_event *event = &table->events[i];
        if (event->hash && is_forgotten(event, forgotten))
            leave_key(moves, event->key);
        else if (event->hash)
            *find(&made, event->hash) = *event;
    }
    free(table->events);
    *table = made;
    moves->bytes += after - before;
    return true;
}

static bool is_newer(const struct moves_event *known, const struct ax_window_event *event)
{
    return event->created != known->created ? event->created > known->created
                                            : event->sequence > known->sequence;
}

/* What becomes of an event. */
enum move { MOVE_PUT, MOVE_FROM, MOVE_STALE, MOVE_REFUSED };

/* Note its version and its key. *ret_from: the key before, a copy in the arena. */
static enum move follow(struct ax_online_moves *moves, const struct ax_online_windows_item *item,
                        uint64_t hash, int64_t forgotten, struct ax_arena *arena,
                        struct ax_str *ret_from)
{
    struct moves_table *table = &moves->tables[hash >> 56];
    if (table->used * 4 >= table->slots * 3 && !make_room(moves, table, forgotten))
        return MOVE_REFUSED;
    struct moves_event *known = find(table, hash);
    const struct moves_key *had = known->hash && known->key ? &moves->keys[known->key] : NULL;
    bool is_ended = had && !had->text;
    bool is_here = known->hash && has_key(moves, known->key, item->key);
    if (known->hash && !is_ended && !is_newer(known, &item->event))
        return is_here ? MOVE_PUT : MOVE_STALE;
    bool is_moved = had && had->text && !is_here;
    if (!is_here) {
        size_t from_len = is_moved ? had->len : 0; /* Keys may move. */
        char *from =
            is_moved ? ax_arena_strdup(arena, (struct ax_str){ had->text, had->len }) : NULL;
        uint32_t key = is_moved && !from ? NO_KEY_NUMBER : enter_key(moves, item->key);
        if (key == NO_KEY_NUMBER)
            return MOVE_REFUSED;
        if (is_moved)
            *ret_from = (struct ax_str){ from, from_len };
        if (known->hash)
            leave_key(moves, known->key);
        known->key = key;
    }
    uint32_t second = second_of(AX_MAX(item->event.time, item->event.created));
    known->second = known->hash ? AX_MAX(known->second, second) : second;
    table->used += !known->hash;
    known->hash = hash;
    known->created = item->event.created;
    known->sequence = item->event.sequence;
    return is_moved ? MOVE_FROM : MOVE_PUT;
}

/* ---- many ---- */

struct following {
    struct ax_online_moves *moves;
    const struct ax_online_windows_item *given;
    int64_t forgotten;
    struct ax_arena *arena;
    struct ax_online_windows_item *room; /* for twice as many as are given */
    bool is_other;                       /* what is put stands there */
};

/* From the one with this number on. */
static void be_other(struct following *f, size_t number)
{
    if (!f->is_other)
        memcpy(f->room, f->given, number * sizeof(*f->room));
    f->is_other = true;
}

static void follow_one(struct following *f, size_t number, uint64_t hash,
                       struct ax_online_moved *moved)
{
    const struct ax_online_windows_item *item = &f->given[number];
    struct ax_str from;
    enum move move = follow(f->moves, item, hash, f->forgotten, f->arena, &from);
    moved->refused += move == MOVE_REFUSED;
    moved->stale += move == MOVE_STALE;
    if (move != MOVE_PUT)
        be_other(f, number);
    if (move == MOVE_FROM) {
        f->room[moved->count] = *item;
        f->room[moved->count].key = from;
        f->room[moved->count++].event.is_gone = true;
    }
    if (move != MOVE_PUT && move != MOVE_FROM)
        return;
    if (f->is_other)
        f->room[moved->count] = *item;
    moved->count++;
}

static void follow_group(struct following *f, size_t from, size_t count,
                         struct ax_online_moved *moved)
{
    uint64_t hashes[GROUP];
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = ax_hash_seeded(f->given[from + i].event.id, f->moves->seed);
        const struct moves_table *table = &f->moves->tables[hash >> 56];
        if (table->slots)
            __builtin_prefetch(&table->events[hash & (table->slots - 1)]);
        hashes[i] = hash ? hash : 1;
    }
    for (size_t i = 0; i < count; i++)
        follow_one(f, from + i, hashes[i], moved);
}

enum ax_code ax_online_moves_follow(struct ax_online_moves *moves,
                                    struct ax_online_windows_item *given, size_t count,
                                    int64_t forgotten, struct ax_arena *arena,
                                    struct ax_online_moved *ret_moved, struct ax_err *err)
{
    assert(moves && (given || !count) && arena && ret_moved && err);
    struct ax_online_moved moved = { .items = given };
    struct following f = {
        .moves = moves,
        .given = given,
        .forgotten = forgotten,
        .arena = arena,
        .room = ax_arena_alloc(arena, AX_MAX(2 * count, (size_t)1), sizeof(*f.room)),
    };
    if (!f.room)
        return ax_arena_fail(arena, "events", err);
    for (size_t at = 0; at < count; at += GROUP)
        follow_group(&f, at, AX_MIN(count - at, (size_t)GROUP), &moved);
    if (f.is_other)
        moved.items = f.room;
    *ret_moved = moved;
    return moved.refused ? ax_fail(err, AX_E_LIMIT, "no memory to follow %zu events by their ids",
                                   moved.refused)
                         : AX_OK;
}
