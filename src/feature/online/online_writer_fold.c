/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When what was written goes to the disk.
 *
 * One fold at a time, of all keys that were written since the one before began: when there are
 * many, when the oldest has waited, or when a batch waits for it. Under load a fold has what came
 * during the one before. One that fails is tried again with what came since, however much that is:
 * a key takes a part of what its row takes. Only if memory is refused for a key, or LMDB takes
 * nothing more, is what is on the disk left as it is; the journals behind its positions have the
 * rest until the store is opened anew.
 */
#include "feature/online/online_writer_state.h"

#include "base/clock.h"

#include <assert.h>
#include <stdio.h>

#define FOLD_KEYS      524288
#define FOLD_NS        ((uint64_t)2 * AX_NS_PER_S)
#define RETRY_NS       ((uint64_t)10 * AX_NS_PER_S)
#define UNFOLDED_SHARE 4  /* of the table's memory: what keys take that wait behind a fold */
#define NAME_BYTES     12 /* of a layout's number */

/* ---- positions ---- */

static void put_position(struct ax_online_writer *writer, uint32_t layout, uint64_t next)
{
    char name[NAME_BYTES] = { 0 };
    struct ax_online_disk_position position = { .next = next };
    (void)snprintf(name, sizeof(name), "%u", layout);
    position.journal.len = strlen(name);
    (void)ax_buf_append(&writer->position_names, name, sizeof(name));
    (void)ax_buf_append(&writer->fold.positions, &position, sizeof(position));
}

/* Up to where each view has its source's journal. */
static enum ax_code put_positions(struct ax_online_writer *writer, struct ax_err *err)
{
    const struct ax_online_views *views = writer->views;
    struct ax_buf *positions = &writer->fold.positions;
    ax_buf_reset(positions);
    ax_buf_reset(&writer->position_names);
    for (size_t i = 0; views && i < views->given.definitions->source_count; i++) {
        const struct ax_source_plan *plan = ax_online_views_journalled(views, i);
        struct ax_online_journal *journal =
            plan ? ax_online_journals_get(&writer->journals, plan->source->name) : NULL;
        uint64_t next = journal ? ax_online_journal_next(journal) : 0;
        for (size_t k = 0; journal && journal->folded != next && k < plan->target_count; k++)
            if (!writer->clearing || plan->targets[k].layout->id != writer->clearing->id)
                put_position(writer, plan->targets[k].layout->id, next);
        if (journal)
            journal->folding = next;
    }
    for (size_t i = 0; i < writer->sweep_count; i++) {
        struct ax_online_sweep *sweep = &writer->sweeps[i];
        if (sweep->state != AX_ONLINE_SWEEP_NEW)
            continue;
        put_position(writer, sweep->drop.layout, 0);
        sweep->state = AX_ONLINE_SWEEP_FOLDING;
    }
    ax_buf_fail_with(positions, &writer->position_names);
    if (ax_buf_check(positions, "positions", err))
        return err->code;
    struct ax_online_disk_position *all = (void *)positions->ptr;
    for (size_t i = 0; i < positions->len / sizeof(*all); i++)
        all[i].journal.ptr = writer->position_names.ptr + i * NAME_BYTES;
    return AX_OK;
}

/* The forms of the views in force, if the disk has others: all that changed views kept is written
 * by this fold or was before. */
static enum ax_code put_forms(struct ax_online_writer *writer, struct ax_err *err)
{
    struct ax_online_views *views = writer->views;
    struct ax_buf *forms = &writer->fold.forms;
    ax_buf_reset(forms);
    if (!writer->has_new_forms)
        return AX_OK;
    ax_arena_reset(&writer->forms_arena);
    for (size_t i = 0; i < views->given.definitions->view_count; i++) {
        const struct ax_view *view = &views->given.definitions->views[i];
        struct ax_online_disk_form form = { .entity = view->entity->name, .view = view->name };
        if (!views->views[i].layout)
            continue;
        if (ax_online_form_write(&views->forms[i], &writer->forms_arena, &form.bytes, err))
            return err->code;
        (void)ax_buf_append(forms, &form, sizeof(form));
    }
    if (ax_buf_check(forms, "forms", err))
        return err->code;
    writer->fold_views = ax_online_views_ref(views);
    writer->has_new_forms = false; /* what they lack may change while it is folded */
    return AX_OK;
}

static void settle_forms(struct ax_online_writer *writer)
{
    if (writer->fold_views && writer->fold.err.code)
        writer->has_new_forms = true;
    ax_online_views_unref(writer->fold_views);
    writer->fold_views = NULL;
}

/* Those that waited for the fold go on, or wait for the next. */
static void settle_sweeps(struct ax_online_writer *writer, enum ax_online_sweep_state state)
{
    for (size_t i = 0; i < writer->sweep_count; i++) {
        if (writer->sweeps[i].state == AX_ONLINE_SWEEP_FOLDING)
            writer->sweeps[i].state = state;
    }
}

static void settle_positions(struct ax_online_writer *writer)
{
    struct ax_str name;
    void *value;
    for (size_t at = 0; ax_map_next(&writer->journals.by_source, &at, &name, &value);) {
        struct ax_online_journal *journal = value;
        journal->folded = journal->folding;
    }
}

/* ---- batches that wait for it ---- */

void ax_online_writer_keep(struct ax_online_writer *writer, struct ax_online_batch *batch)
{
    if (!batch->err.code && writer->folder)
        ax_online_batches_add(&writer->unkept, batch);
    else
        ax_online_writer_answer(writer, batch);
}

static void answer_all(struct ax_online_writer *writer, struct ax_online_batches *batches,
                       const struct ax_err *err)
{
    struct ax_online_batch *batch;
    while ((batch = ax_online_batches_take(batches))) {
        if (err->code && !batch->err.code)
            batch->err = *err;
        ax_online_writer_answer(writer, batch);
    }
}

/* ---- when, and what becomes of it ---- */

static void show(struct ax_online_writer *writer)
{
    uint64_t keys =
        ax_online_unfolded_count(&writer->unfolded) + ax_online_unfolded_count(&writer->fold.keys);
    ax_online_writer_show(&writer->shown.unfolded, keys);
    ax_online_writer_show(&writer->shown.oldest_ns,
                          writer->is_folding ? writer->folding_ns : writer->unfolded_ns);
}

bool ax_online_writer_is_full(const struct ax_online_writer *writer)
{
    return writer->is_folding && ax_online_unfolded_bytes(&writer->unfolded) >
                                     writer->config.memory_bytes_max / UNFOLDED_SHARE;
}

uint64_t ax_online_writer_fold_ns(const struct ax_online_writer *writer)
{
    if (!writer->folder || writer->is_folding || writer->is_off || !writer->unfolded_ns)
        return UINT64_MAX;
    return AX_MAX(writer->unfolded_ns + FOLD_NS, writer->retry_ns);
}

/* Folding is over: what is on the disk stays, with its positions. */
static void turn_off(struct ax_online_writer *writer, const struct ax_err *reason)
{
    writer->is_off = true;
    ax_online_unfolded_clear(&writer->unfolded);
    writer->unfolded.has_lost = true;
    if (writer->config.fold_failed)
        writer->config.fold_failed(writer->config.context, reason);
}

/* It failed: its keys are to be folded with those that came since. */
static void take_back(struct ax_online_writer *writer)
{
    const struct ax_online_unfolded *keys = &writer->fold.keys;
    const struct ax_online_key *key = ax_online_unfolded_keys(keys);
    for (size_t i = 0; i < ax_online_unfolded_count(keys); i++)
        ax_online_unfolded_add(&writer->unfolded, key[i].entity, key[i].number,
                               ax_online_unfolded_text(keys, &key[i]));
    writer->unfolded_ns = writer->folding_ns;
    writer->retry_ns = ax_clock_ns() + RETRY_NS;
}

static void fold_failed(struct ax_online_writer *writer)
{
    const struct ax_err *err = &writer->fold.err;
    (void)atomic_fetch_add_explicit(&writer->shown.fold_failures, 1, memory_order_relaxed);
    take_back(writer);
    if (err->code == AX_E_UNAVAILABLE) {
        turn_off(writer, err);
        return;
    }
    if (!writer->has_failed && writer->config.fold_failed)
        writer->config.fold_failed(writer->config.context, err);
    writer->has_failed = true;
}

void ax_online_writer_folded(void *context, struct ax_message *message)
{
    struct ax_online_writer *writer = context;
    struct ax_online_fold *fold = container_of(message, struct ax_online_fold, message);
    assert(fold == &writer->fold && writer->is_folding);
    writer->is_folding = false;
    (void)atomic_fetch_add_explicit(&writer->shown.folded, fold->folded, memory_order_relaxed);
    settle_forms(writer);
    settle_sweeps(writer, fold->err.code ? AX_ONLINE_SWEEP_NEW : AX_ONLINE_SWEEP_READY);
    if (fold->err.code) {
        fold_failed(writer);
    } else {
        settle_positions(writer);
        if (writer->expire_is_held)
            writer->expire_ns = 0;
        if (writer->has_failed && writer->config.fold_failed)
            writer->config.fold_failed(writer->config.context, NULL);
        writer->has_failed = false;
    }
    ax_online_unfolded_clear(&fold->keys);
    show(writer);
    answer_all(writer, &writer->kept, &fold->err);
}

static bool has_new_sweep(const struct ax_online_writer *writer)
{
    for (size_t i = 0; i < writer->sweep_count; i++) {
        if (writer->sweeps[i].state == AX_ONLINE_SWEEP_NEW)
            return true;
    }
    return false;
}

/* Whether the disk lacks something: rows, or only that they were looked at. */
static bool has_unfolded(const struct ax_online_writer *writer)
{
    return has_new_sweep(writer) || writer->has_new_forms ||
           ax_online_unfolded_count(&writer->unfolded) > 0 ||
           writer->journals.rows != writer->rows_begun;
}

static void begin(struct ax_online_writer *writer)
{
    struct ax_online_fold *fold = &writer->fold;
    struct ax_online_unfolded none = fold->keys;
    writer->folding_ns = writer->unfolded_ns;
    fold->err = (struct ax_err)AX_ERR_INIT;
    fold->folded = 0;
    fold->message.receive = ax_online_writer_folded;
    if (put_positions(writer, &fold->err) || put_forms(writer, &fold->err)) {
        settle_sweeps(writer, AX_ONLINE_SWEEP_NEW);
        fold_failed(writer);
        answer_all(writer, &writer->unkept, &fold->err);
        return;
    }
    fold->keys = writer->unfolded;
    writer->unfolded = none;
    writer->unfolded_ns = 0;
    writer->rows_begun = writer->journals.rows;
    writer->kept = writer->unkept;
    writer->unkept = (struct ax_online_batches){ 0 };
    writer->is_folding = true;
    ax_online_folder_begin(writer->folder, fold);
}

void ax_online_writer_fold(struct ax_online_writer *writer)
{
    struct ax_err lost = AX_ERR_INIT;
    if (!writer->folder || writer->is_folding)
        return;
    uint64_t now_ns = ax_clock_ns();
    if (!writer->unfolded_ns && has_unfolded(writer))
        writer->unfolded_ns = now_ns;
    if (writer->unfolded.has_lost && !writer->is_off) {
        (void)ax_fail(&lost, AX_E_LIMIT, "no memory for the keys that are to be folded");
        turn_off(writer, &lost);
    }
    if (writer->is_off) {
        (void)ax_fail(&lost, AX_E_UNAVAILABLE, "nothing is folded to the disk until a restart");
        answer_all(writer, &writer->unkept, &lost);
    }
    bool is_urgent = ax_online_unfolded_count(&writer->unfolded) >= FOLD_KEYS ||
                     (writer->clearing && has_new_sweep(writer));
    bool is_due = writer->unkept.first || now_ns >= ax_online_writer_fold_ns(writer) ||
                  (is_urgent && now_ns >= writer->retry_ns);
    if (is_due && !writer->is_off)
        begin(writer);
    show(writer);
}
