/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of exchanges. Free objects are kept in a list, last used first (warm in the cache), up
 * to EXCHANGES_KEPT; beyond that their memory goes back. An object keeps its slot while it lives.
 */
#include "net/exchange.h"

#include "base/alloc.h"

#include "net/coded_answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define EXCHANGES_KEPT   ((size_t)1024)
#define ARENA_FIRST_SIZE ((size_t)24 << 10)
#define BODY_KEPT        ((size_t)64 << 10)
#define BODY_FIRST_SIZE  ((size_t)1 << 10)
#define BODY_PADDING     16
#define SLOT_BITS        16
#define SERIAL_BITS      40

void ax_exchange_table_init(struct ax_exchange_table *table, struct ax_http_worker *worker,
                            size_t thread, const struct ax_http_config *config,
                            struct ax_output_pool *outputs)
{
    assert(table && config && outputs && thread < AX_HTTP_THREADS_MAX);
    assert(config->requests_max);
    *table = (struct ax_exchange_table){
        .worker = worker,
        .config = config,
        .outputs = outputs,
        .budget.max = config->bodies_bytes_max,
        .requests.max = config->requests_max,
        .id_prefix = (uint64_t)thread << (SLOT_BITS + SERIAL_BITS),
    };
    ax_coder_pool_init(&table->coders, &table->budget);
    table->slots_max = AX_MIN(config->requests_max, AX_EXCHANGES_MAX);
    table->slots = ax_xalloc(table->slots_max * sizeof(struct ax_exchange *));
    table->vacant = ax_xalloc(table->slots_max * sizeof(*table->vacant));
}

void ax_exchange_table_share(struct ax_exchange_table *table, struct ax_budget_pool *requests,
                             struct ax_budget_pool *bodies)
{
    assert(table && requests && bodies);
    ax_budget_join(&table->requests, requests);
    ax_budget_join(&table->budget, bodies);
}

static void exchange_free(struct ax_exchange *exchange)
{
    ax_arena_done(&exchange->request.arena);
    ax_buf_done(&exchange->body);
    free(exchange->head);
    free(exchange->headers);
    free(exchange);
}

void ax_exchange_table_done(struct ax_exchange_table *table)
{
    if (!table)
        return;
    assert(!table->used_count && !table->budget.used);
    ax_coder_pool_done(&table->coders);
    while (table->free) {
        struct ax_exchange *exchange = table->free;
        table->free = exchange->next;
        exchange_free(exchange);
    }
    free(table->slots);
    free(table->vacant);
    *table = (struct ax_exchange_table){ 0 };
}

static struct ax_exchange *exchange_new(struct ax_exchange_table *table, size_t slot)
{
    const struct ax_http_config *config = table->config;
    struct ax_exchange *exchange = ax_xalloc(sizeof(*exchange));
    exchange->head = ax_xalloc(config->header_bytes_max);
    exchange->headers = ax_xalloc(config->header_count_max * sizeof(*exchange->headers));
    ax_arena_init(&exchange->request.arena, ARENA_FIRST_SIZE, config->request_bytes_max);
    exchange->request.arena.budget = &table->budget;
    ax_buf_init(&exchange->body, config->body_bytes_max + BODY_PADDING);
    exchange->request.worker = table->worker;
    exchange->request.id = slot;
    table->slots[slot] = exchange;
    return exchange;
}

/* One that was used before, or a new one; NULL when there is no slot for it. */
static struct ax_exchange *table_unused(struct ax_exchange_table *table)
{
    struct ax_exchange *exchange = table->free;
    if (exchange) {
        table->free = exchange->next;
        table->free_count--;
        return exchange;
    }
    if (table->vacant_count)
        return exchange_new(table, table->vacant[--table->vacant_count]);
    return table->slot_count < table->slots_max ? exchange_new(table, table->slot_count++) : NULL;
}

struct ax_exchange *ax_exchange_take(struct ax_exchange_table *table, uint64_t now_ns)
{
    assert(table);
    if (!ax_budget_take(&table->requests, 1))
        return NULL;
    struct ax_exchange *exchange = table_unused(table);
    if (!exchange) {
        ax_budget_give(&table->requests, 1);
        return NULL;
    }
    uint64_t slot = exchange->request.id;
    uint64_t serial = ++table->serial & (((uint64_t)1 << SERIAL_BITS) - 1);
    exchange->request.id = table->id_prefix | serial << SLOT_BITS | slot;
    exchange->request.began_ns = now_ns;
    exchange->next = NULL;
    table->used_count++;
    return exchange;
}

void ax_exchange_make_sink(struct ax_exchange *sink, const struct ax_exchange *exchange)
{
    assert(sink && sink->state == AX_EXCHANGE_EMPTY && exchange->state == AX_EXCHANGE_BODY);
    sink->state = AX_EXCHANGE_BODY;
    sink->is_sink = true;
    sink->head_counted = exchange->head_counted;
    sink->header_counted = exchange->header_counted;
    sink->chunk_count = exchange->chunk_count;
    sink->framing_received = exchange->framing_received;
    sink->body_received = exchange->body_received;
}

static void exchange_reset(struct ax_exchange *exchange)
{
    struct ax_request *request = &exchange->request;
    ax_arena_reset(&request->arena);
    *request = (struct ax_request){ .worker = request->worker,
                                    .arena = request->arena,
                                    .id = request->id & (((uint64_t)1 << SLOT_BITS) - 1) };
    ax_buf_clear(&exchange->body, BODY_KEPT);
    *exchange = (struct ax_exchange){ .request = exchange->request,
                                      .head = exchange->head,
                                      .headers = exchange->headers,
                                      .body = exchange->body };
}

void ax_exchange_give_back(struct ax_exchange_table *table, struct ax_exchange *exchange)
{
    assert(table && exchange && table->used_count && !exchange->step);
    ax_coded_answer_done(exchange->coded, &table->coders);
    ax_coder_give_back(&table->coders, exchange->coder);
    ax_budget_give(&table->budget, exchange->body_charged);
    ax_budget_give(&table->requests, 1);
    table->used_count--;
    ax_output_clear(&exchange->output, table->outputs);
    exchange_reset(exchange);
    if (table->free_count >= EXCHANGES_KEPT) {
        size_t slot = (size_t)exchange->request.id;
        table->slots[slot] = NULL;
        table->vacant[table->vacant_count++] = (uint16_t)slot;
        exchange_free(exchange);
        return;
    }
    exchange->next = table->free;
    table->free = exchange;
    table->free_count++;
}

struct ax_exchange *ax_exchange_find(const struct ax_exchange_table *table, uint64_t id)
{
    assert(table);
    size_t slot = (size_t)(id & (((uint64_t)1 << SLOT_BITS) - 1));
    struct ax_exchange *exchange = slot < table->slot_count ? table->slots[slot] : NULL;
    /* A free object's id is its bare slot; a used one's has a serial above 0. */
    return exchange && exchange->request.id == id && id >> SLOT_BITS ? exchange : NULL;
}

struct ax_exchange *ax_exchange_next(const struct ax_exchange_table *table, size_t *at)
{
    assert(table && at);
    while (*at < table->slot_count) {
        struct ax_exchange *exchange = table->slots[(*at)++];
        if (exchange && exchange->request.id >> SLOT_BITS)
            return exchange;
    }
    return NULL;
}

bool ax_exchange_body_room(struct ax_exchange *exchange, struct ax_budget *budget, size_t more)
{
    assert(exchange && budget);
    struct ax_buf *body = &exchange->body;
    assert(more <= body->max - body->len - BODY_PADDING);
    size_t need = body->len + more + BODY_PADDING;
    if (need > exchange->body_charged) {
        /* Charged as it grows: doubling, so that this is rare, or exactly when that is too much. */
        size_t charged = AX_MAX(exchange->body_charged * 2, BODY_FIRST_SIZE);
        charged = AX_MIN(AX_MAX(charged, need), body->max);
        if (!ax_budget_take(budget, charged - exchange->body_charged)) {
            charged = need;
            if (!ax_budget_take(budget, charged - exchange->body_charged))
                return false;
        }
        exchange->body_charged = charged;
    }
    return ax_buf_reserve(body, more + BODY_PADDING) != NULL;
}
