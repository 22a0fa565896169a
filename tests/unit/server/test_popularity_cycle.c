/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what preloading by the hour of the week gains over plain LRU is known, where there is a
 * cycle and where there is none; it never loses more than noise.
 * Method: weeks of requests of a made-up fleet (Zipf weights, hours of their own, noise) against
 * memory for a tenth of it, with the residency and the popularity of the server and a seed that
 * repeats. Two weeks are learnt from, the third is counted: requests that found their model in
 * memory, and those that had to wait for it. Then a restart in that week: the models that are
 * loaded before the first request are none, or those that popularity names. The table that is
 * printed stands in docs/internals/popularity.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/popularity.h"

#include "base/clock.h"
#include "base/random.h"

#define MODELS       200
#define MODEL_BYTES  100
#define BYTES_MAX    ((size_t)MODELS / 10 * MODEL_BYTES)
#define WEEK_MINUTES ((size_t)7 * 24 * 60)
#define WEEKS        3
#define MINUTE_US    ((int64_t)60 * 1000000)
#define MINUTE_NS    ((uint64_t)60 * AX_NS_PER_S)
#define AHEAD        10 /* minutes */
#define TICK_MINUTES 5
#define SEED         6

enum pattern {
    STEADY,  /* all hours alike */
    OFFICE,  /* a model has eight hours a day, on five or on two days a week: far more than fit */
    SHIFTS,  /* two hours a day: about as many as fit */
    BATCHES, /* one hour a day, and nothing in the others */
    MOVING,  /* one in ten models an hour changes places with another one, and never back */
    PATTERNS,
};
static const char *const pattern_names[] = { "steady", "office", "shifts", "batches", "moving" };

struct model {
    char name[8];
    double weight; /* of Zipf's law */
    size_t hour;   /* with which its time begins */
    bool is_of_weekend;
    bool is_loaded;
    uint64_t used, total;
};

struct fleet {
    enum pattern pattern;
    struct ax_random random;
    struct model models[MODELS];
    double edges[MODELS]; /* sums of levels, for drawing */
    struct ax_popularity *popularity;
    uint64_t clock;
};

struct outcome {
    uint64_t request_count, cold_count, load_count;
};

static void fleet_init(struct fleet *fleet, enum pattern pattern)
{
    *fleet = (struct fleet){ .pattern = pattern, .popularity = ax_popularity_new() };
    ax_random_init(&fleet->random, SEED, (uint64_t)pattern);
    for (size_t i = 0; i < MODELS; i++) {
        struct model *model = &fleet->models[i];
        (void)snprintf(model->name, sizeof(model->name), "m%zu", i);
        model->weight = 1 / (double)(i + 1);
        model->hour = (size_t)ax_random_below(&fleet->random, 24);
        model->is_of_weekend = ax_random_below(&fleet->random, 5) == 0;
    }
    (void)ax_popularity_tick(fleet->popularity, 0, 0);
}

/* What of its weight a model is asked at this hour of the week. */
static double share(const struct model *model, enum pattern pattern, size_t hour)
{
    size_t since = (hour % 24 + 24 - model->hour) % 24;
    bool is_its_day = model->is_of_weekend == (hour / 24 % 7 >= 5);
    if (pattern == BATCHES)
        return since == 0 ? 1 : 0;
    if (pattern == OFFICE || pattern == SHIFTS)
        return is_its_day && since < (pattern == OFFICE ? 8 : 2) ? 1 : 0.02;
    return 1;
}

static void fleet_move(struct fleet *fleet)
{
    for (size_t i = 0; i < MODELS / 20; i++) {
        double *one = &fleet->models[ax_random_below(&fleet->random, MODELS)].weight;
        double *other = &fleet->models[ax_random_below(&fleet->random, MODELS)].weight;
        double kept = *one;
        *one = *other;
        *other = kept;
    }
}

static void fleet_set_hour(struct fleet *fleet, size_t hour)
{
    double sum = 0;
    if (fleet->pattern == MOVING)
        fleet_move(fleet);
    for (size_t i = 0; i < MODELS; i++) {
        const struct model *model = &fleet->models[i];
        /* No hour is quite as the one a week before. */
        double noise = 0.5 + ax_random_uniform(&fleet->random);
        sum += model->weight * share(model, fleet->pattern, hour) * noise;
        fleet->edges[i] = sum;
    }
}

static struct model *fleet_draw(struct fleet *fleet)
{
    double at = ax_random_uniform(&fleet->random) * fleet->edges[MODELS - 1];
    size_t low = 0;
    size_t high = MODELS - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fleet->edges[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return &fleet->models[low];
}

/* Load a model as the server does; false: it may not come. */
static bool fleet_load(struct fleet *fleet, struct model *model, double worth, int64_t soon_us)
{
    struct ax_resident residents[MODELS];
    struct model *owners[MODELS];
    size_t count = 0;
    for (size_t i = 0; i < MODELS; i++) {
        struct model *other = &fleet->models[i];
        if (!other->is_loaded)
            continue;
        owners[count] = other;
        residents[count++] = (struct ax_resident){
            .footprint.memory_bytes = MODEL_BYTES,
            .used_ms = other->used,
            .worth = worth < AX_RESIDENCY_ASKED
                         ? ax_popularity_worth(fleet->popularity, ax_str_from(other->name), soon_us)
                         : 0,
        };
    }
    struct ax_footprint footprint = { .memory_bytes = MODEL_BYTES };
    struct ax_residency_demand demand = { &footprint, worth };
    struct ax_err err = AX_ERR_INIT;
    bool fits;
    if (ax_residency_admit(residents, count, &demand, BYTES_MAX, &fits, &err))
        return false;
    for (size_t i = 0; i < count; i++)
        owners[i]->is_loaded &= !residents[i].must_go;
    model->is_loaded = true;
    model->used = ++fleet->clock;
    return true;
}

struct rank {
    struct model *model;
    double worth;
};

static int compare_ranks(const void *a, const void *b)
{
    const struct rank *left = a;
    const struct rank *right = b;
    if (left->worth != right->worth)
        return left->worth > right->worth ? -1 : 1;
    return left->model < right->model ? -1 : left->model > right->model;
}

/* The most worth first, until one may not come. */
static void fleet_preload(struct fleet *fleet, int64_t soon_us, struct outcome *outcome)
{
    struct rank ranks[MODELS];
    for (size_t i = 0; i < MODELS; i++) {
        struct model *model = &fleet->models[i];
        ranks[i] = (struct rank){ model, ax_popularity_worth(fleet->popularity,
                                                             ax_str_from(model->name), soon_us) };
    }
    qsort(ranks, MODELS, sizeof(ranks[0]), compare_ranks);
    for (size_t i = 0; i < BYTES_MAX / MODEL_BYTES && ranks[i].worth > 0; i++) {
        if (ranks[i].model->is_loaded)
            continue;
        if (!fleet_load(fleet, ranks[i].model, ranks[i].worth, soon_us))
            break;
        outcome->load_count++;
    }
}

static void fleet_request(struct fleet *fleet, struct outcome *outcome)
{
    struct model *model = fleet_draw(fleet);
    model->total++;
    outcome->request_count++;
    if (!model->is_loaded) {
        outcome->cold_count++;
        outcome->load_count++;
        if (!fleet_load(fleet, model, AX_RESIDENCY_ASKED, 0))
            fail_msg("a model that is asked for comes");
    }
    model->used = ++fleet->clock;
}

static void fleet_minute(struct fleet *fleet, size_t minute, size_t rate, bool preloads,
                         struct outcome *outcome)
{
    int64_t wall_us = (int64_t)minute * MINUTE_US;
    if (minute % 60 == 0)
        fleet_set_hour(fleet, minute / 60);
    if (preloads && minute % 60 == 60 - AHEAD && ax_popularity_has_cycle(fleet->popularity))
        fleet_preload(fleet, wall_us + AHEAD * MINUTE_US, outcome);
    for (size_t i = 0; i < rate; i++)
        fleet_request(fleet, outcome);
    if ((minute + 1) % TICK_MINUTES)
        return;
    for (size_t i = 0; i < MODELS; i++)
        ax_popularity_count(fleet->popularity, ax_str_from(fleet->models[i].name),
                            fleet->models[i].total);
    (void)ax_popularity_tick(fleet->popularity, wall_us + MINUTE_US, TICK_MINUTES * MINUTE_NS);
}

/* The third week, with or without preloading, after two of either. */
static struct outcome run_weeks(enum pattern pattern, size_t rate, bool preloads)
{
    struct fleet fleet;
    fleet_init(&fleet, pattern);
    struct outcome outcome = { 0 };
    for (size_t minute = 0; minute < WEEKS * WEEK_MINUTES; minute++) {
        if (minute == (WEEKS - 1) * WEEK_MINUTES)
            outcome = (struct outcome){ 0 };
        fleet_minute(&fleet, minute, rate, preloads, &outcome);
    }
    ax_popularity_free(fleet.popularity);
    return outcome;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

/* Requests a minute. */
static const size_t rates[] = { 1, 10 };

static void preloading_by_the_hour(void **state)
{
    (void)state;
    print_message("%-8s %9s %16s %26s %19s\n", "traffic", "requests", "cold with LRU",
                  "and preload by the hour", "loads of either");
    for (size_t pattern = STEADY; pattern < PATTERNS; pattern++) {
        for (size_t i = 0; i < AX_COUNT(rates); i++) {
            struct outcome plain = run_weeks((enum pattern)pattern, rates[i], false);
            struct outcome ahead = run_weeks((enum pattern)pattern, rates[i], true);
            print_message("%-8s %9zu %10zu (%4.1f%%) %10zu (%4.1f%%, %+5.1f%%) %9zu %9zu\n",
                          pattern_names[pattern], (size_t)plain.request_count,
                          (size_t)plain.cold_count, percent(plain.cold_count, plain.request_count),
                          (size_t)ahead.cold_count, percent(ahead.cold_count, ahead.request_count),
                          percent(ahead.cold_count, plain.cold_count) - 100,
                          (size_t)plain.load_count, (size_t)ahead.load_count);
            assert_int_equal(plain.request_count, ahead.request_count);
            /* Where there is nothing to gain, nothing is lost. */
            assert_true(percent(ahead.cold_count, plain.cold_count) <= 102);
            if (pattern == BATCHES)
                assert_true(percent(ahead.cold_count, plain.cold_count) <= 50);
        }
    }
}

/* The first minutes after a restart at this minute: requests that found their model in memory. */
static void restart(const struct fleet *before, size_t minute, size_t rate, bool preloads,
                    struct outcome *outcome)
{
    struct fleet fleet = *before;
    for (size_t i = 0; i < MODELS; i++)
        fleet.models[i].is_loaded = false;
    if (preloads)
        fleet_preload(&fleet, (int64_t)minute * MINUTE_US, outcome);
    for (size_t i = 0; i < AHEAD * rate; i++)
        fleet_request(&fleet, outcome);
}

static void preloading_after_a_restart(void **state)
{
    (void)state;
    print_message("%-8s %9s %16s %26s\n", "traffic", "requests", "cold with none", "with preload");
    for (size_t pattern = STEADY; pattern < PATTERNS; pattern++) {
        for (size_t i = 0; i < AX_COUNT(rates); i++) {
            struct fleet fleet;
            fleet_init(&fleet, (enum pattern)pattern);
            struct outcome ignored = { 0 };
            struct outcome none = { 0 };
            struct outcome known = { 0 };
            for (size_t minute = 0; minute < WEEKS * WEEK_MINUTES; minute++) {
                fleet_minute(&fleet, minute, rates[i], false, &ignored);
                /* Every now and then in the third week, in the middle of an hour. */
                if (minute < (WEEKS - 1) * WEEK_MINUTES || minute % ((size_t)5 * 60) != 30)
                    continue;
                restart(&fleet, minute, rates[i], false, &none);
                restart(&fleet, minute, rates[i], true, &known);
            }
            ax_popularity_free(fleet.popularity);
            print_message("%-8s %9zu %10zu (%4.1f%%) %10zu (%4.1f%%, %+5.1f%%)\n",
                          pattern_names[pattern], (size_t)none.request_count,
                          (size_t)none.cold_count, percent(none.cold_count, none.request_count),
                          (size_t)known.cold_count, percent(known.cold_count, known.request_count),
                          percent(known.cold_count, none.cold_count) - 100);
            assert_true(known.cold_count < none.cold_count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preloading_by_the_hour),
        cmocka_unit_test(preloading_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
