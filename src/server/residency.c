/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least recently used first, over a sum in which shared images count once.
 *
 * Two sums are kept: what is there now, with what is demanded, and what will be there when all that
 * leaves and must go has gone. An image is in a sum as long as anybody holds it there, so a table
 * of images, sorted by digest, counts holders. Candidates are taken in order of their last use
 * until the second sum fits. n versions cost n log n, once a load.
 */
#include "server/residency.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

/* Files as they come are about as large as what is made of them, or larger (JSON by three times);
 * a few forms are denser than ours. */
#define ESTIMATE_FACTOR 2

struct image_use {
    struct ax_hash128 digest;
    size_t bytes;
    size_t now_count;   /* holders now, */
    size_t later_count; /* and of these, those that stay */
};

struct ledger {
    struct image_use *images; /* ascending by digest */
    size_t image_count;
    size_t now_bytes, later_bytes;
};

static int compare_digests(const struct ax_hash128 *a, const struct ax_hash128 *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->low < b->low ? -1 : a->low > b->low;
}

static int compare_images(const void *a, const void *b)
{
    const struct image_use *left = a;
    const struct image_use *right = b;
    return compare_digests(&left->digest, &right->digest);
}

static void ledger_add_image(struct ledger *ledger, const struct ax_footprint *footprint)
{
    if (footprint->image_bytes)
        ledger->images[ledger->image_count++] = (struct image_use){
            .digest = footprint->image_digest,
            .bytes = footprint->image_bytes,
        };
}

/* Sort the images and leave one of each, as large as the largest: an estimate may differ. */
static void ledger_settle_images(struct ledger *ledger)
{
    if (ledger->image_count == 0)
        return;
    qsort(ledger->images, ledger->image_count, sizeof(*ledger->images), compare_images);
    size_t last = 0;
    for (size_t i = 1; i < ledger->image_count; i++) {
        struct image_use *kept = &ledger->images[last];
        if (compare_images(kept, &ledger->images[i]))
            ledger->images[++last] = ledger->images[i];
        else
            kept->bytes = AX_MAX(kept->bytes, ledger->images[i].bytes);
    }
    ledger->image_count = last + 1;
}

static struct image_use *ledger_image(const struct ledger *ledger,
                                      const struct ax_footprint *footprint)
{
    struct image_use key = { .digest = footprint->image_digest };
    return footprint->image_bytes
               ? bsearch(&key, ledger->images, ledger->image_count, sizeof(key), compare_images)
               : NULL;
}

static size_t add_bytes(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static void ledger_add_now(struct ledger *ledger, const struct ax_footprint *footprint)
{
    struct image_use *image = ledger_image(ledger, footprint);
    ledger->now_bytes = add_bytes(ledger->now_bytes, footprint->memory_bytes);
    if (image && image->now_count++ == 0)
        ledger->now_bytes = add_bytes(ledger->now_bytes, image->bytes);
}

static void ledger_add_later(struct ledger *ledger, const struct ax_footprint *footprint)
{
    struct image_use *image = ledger_image(ledger, footprint);
    ledger->later_bytes = add_bytes(ledger->later_bytes, footprint->memory_bytes);
    if (image && image->later_count++ == 0)
        ledger->later_bytes = add_bytes(ledger->later_bytes, image->bytes);
}

/* One that was to stay goes. */
static void ledger_drop(struct ledger *ledger, const struct ax_footprint *footprint)
{
    struct image_use *image = ledger_image(ledger, footprint);
    ledger->later_bytes -= footprint->memory_bytes;
    if (image && --image->later_count == 0)
        ledger->later_bytes -= image->bytes;
}

static void ledger_init(struct ledger *ledger, const struct ax_resident *residents, size_t count,
                        const struct ax_footprint *demanded)
{
    *ledger = (struct ledger){ .images = ax_xalloc((count + 1) * sizeof(struct image_use)) };
    for (size_t i = 0; i < count; i++)
        ledger_add_image(ledger, &residents[i].footprint);
    if (demanded)
        ledger_add_image(ledger, demanded);
    ledger_settle_images(ledger);
    for (size_t i = 0; i < count; i++) {
        if (residents[i].state != AX_RESIDENT_COMING)
            ledger_add_now(ledger, &residents[i].footprint);
        if (residents[i].state != AX_RESIDENT_LEAVING)
            ledger_add_later(ledger, &residents[i].footprint);
    }
    if (demanded) {
        ledger_add_now(ledger, demanded);
        ledger_add_later(ledger, demanded);
    }
}

static void ledger_done(struct ledger *ledger)
{
    free(ledger->images);
}

size_t ax_residency_bytes(const struct ax_resident *residents, size_t count)
{
    assert(residents || !count);
    struct ledger ledger;
    ledger_init(&ledger, residents, count, NULL);
    ledger_done(&ledger);
    return ledger.now_bytes;
}

struct ax_footprint ax_residency_estimate(size_t source_bytes)
{
    return (struct ax_footprint){
        .memory_bytes =
            source_bytes > SIZE_MAX / ESTIMATE_FACTOR ? SIZE_MAX : source_bytes * ESTIMATE_FACTOR,
    };
}

static int compare_uses(const void *a, const void *b)
{
    const struct ax_resident *left = *(struct ax_resident *const *)a;
    const struct ax_resident *right = *(struct ax_resident *const *)b;
    if (left->used_ms != right->used_ms)
        return left->used_ms < right->used_ms ? -1 : 1;
    /* Their order in the table, so that the same table has the same outcome. */
    return left < right ? -1 : left > right;
}

static bool may_go(const struct ax_resident *resident, const struct ax_residency_demand *demand)
{
    return resident->state == AX_RESIDENT_READY && !resident->is_pinned &&
           resident->worth < demand->worth / 2;
}

/* Those that may go, the least recently used first; the caller frees them. */
static struct ax_resident **candidates(struct ax_resident *residents, size_t count,
                                       const struct ax_residency_demand *demand, size_t *ret_count)
{
    struct ax_resident **found = ax_xalloc((count + 1) * sizeof(struct ax_resident *));
    *ret_count = 0;
    for (size_t i = 0; i < count; i++)
        if (may_go(&residents[i], demand))
            found[(*ret_count)++] = &residents[i];
    qsort(found, *ret_count, sizeof(struct ax_resident *), compare_uses);
    return found;
}

/* One that was to go stays, if it still fits; false: it does not. */
static bool ledger_keep(struct ledger *ledger, const struct ax_footprint *footprint,
                        size_t bytes_max)
{
    struct image_use *image = ledger_image(ledger, footprint);
    size_t bytes = add_bytes(ledger->later_bytes, footprint->memory_bytes);
    if (image && image->later_count == 0)
        bytes = add_bytes(bytes, image->bytes);
    if (bytes > bytes_max)
        return false;
    ledger->later_bytes = bytes;
    if (image)
        image->later_count++;
    return true;
}

/* Mark who must go, until the rest fits or nobody is left who may. */
static void make_room(struct ledger *ledger, struct ax_resident *residents, size_t count,
                      const struct ax_residency_demand *demand, size_t bytes_max)
{
    size_t found_count;
    struct ax_resident **found = candidates(residents, count, demand, &found_count);
    size_t gone = 0;
    for (; gone < found_count && ledger->later_bytes > bytes_max; gone++) {
        ledger_drop(ledger, &found[gone]->footprint);
        found[gone]->must_go = true;
    }
    /* Small ones may have gone for nothing, when a large one behind them makes room alone. The one
     * that was used last is kept first. */
    for (size_t i = gone; i > 0; i--)
        if (ledger_keep(ledger, &found[i - 1]->footprint, bytes_max))
            found[i - 1]->must_go = false;
    free(found);
}

/* What those take that are in the way, but may be gone or smaller another time. */
static size_t bytes_where(const struct ax_resident *residents, size_t count, bool is_pinned)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ax_footprint *footprint = &residents[i].footprint;
        bool is_loading = residents[i].state == AX_RESIDENT_LOADING;
        if (is_pinned ? residents[i].is_pinned : is_loading)
            bytes = add_bytes(bytes, add_bytes(footprint->memory_bytes, footprint->image_bytes));
    }
    return bytes;
}

static enum ax_code residency_fail(size_t bytes, size_t pinned_bytes, size_t bytes_max,
                                   struct ax_err *err)
{
    if (pinned_bytes)
        return ax_fail(err, AX_E_LIMIT,
                       "it takes %zu bytes of memory beside %zu of what is pinned or what it "
                       "replaces, more than --model-memory-max (%zu) leaves; pin fewer or raise it",
                       bytes, pinned_bytes, bytes_max);
    return ax_fail(err, AX_E_LIMIT,
                   "it takes %zu bytes of memory, more than --model-memory-max (%zu) leaves; raise "
                   "it",
                   bytes, bytes_max);
}

enum ax_code ax_residency_admit(struct ax_resident *residents, size_t count,
                                const struct ax_residency_demand *demand, size_t bytes_max,
                                bool *ret_fits, struct ax_err *err)
{
    assert((residents || !count) && demand && demand->footprint && ret_fits && err);
    const struct ax_footprint *footprint = demand->footprint;
    struct ledger ledger;
    for (size_t i = 0; i < count; i++)
        residents[i].must_go = false;
    ledger_init(&ledger, residents, count, footprint);
    bool fits = bytes_max == 0 || ledger.now_bytes <= bytes_max;
    if (bytes_max && ledger.later_bytes > bytes_max)
        make_room(&ledger, residents, count, demand, bytes_max);
    ledger_done(&ledger);
    if (bytes_max == 0 || ledger.later_bytes <= bytes_max) {
        *ret_fits = fits;
        return AX_OK;
    }
    /* Then nobody goes for it. */
    for (size_t i = 0; i < count; i++)
        residents[i].must_go = false;
    if (ledger.later_bytes - bytes_max <= bytes_where(residents, count, false)) {
        *ret_fits = false;
        return AX_OK;
    }
    return residency_fail(add_bytes(footprint->memory_bytes, footprint->image_bytes),
                          bytes_where(residents, count, true), bytes_max, err);
}
