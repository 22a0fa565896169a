/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server is asked twice, for the index and for the statistics, and the two are joined by model
 * and version: a version without statistics has not been loaded yet.
 */
#include "cmd/models_list.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/map.h"
#include "net/fetch.h"
#include "server/repository.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define TIMEOUT_NS       ((uint64_t)10 * AX_NS_PER_S)
#define VERSIONS_MAX     1000000

/* A version as it is printed; texts are borrowed. */
struct line {
    struct ax_str model, version, state, reason;
    bool has_requests;
    uint64_t requests;
};

static void print_json(const struct line *line)
{
    struct ax_buf out;
    ax_buf_init(&out, ANSWER_BYTES_MAX);
    (void)ax_buf_append_char(&out, '{');
    ax_json_put_key(&out, "model");
    ax_json_put_str(&out, line->model);
    ax_json_put_key(&out, "version");
    ax_json_put_str(&out, line->version);
    ax_json_put_key(&out, "state");
    ax_json_put_str(&out, line->state);
    ax_json_put_key(&out, "reason");
    ax_json_put_str(&out, line->reason);
    if (line->has_requests) {
        ax_json_put_key(&out, "requests");
        ax_json_put_u64(&out, line->requests);
    }
    (void)ax_buf_append_char(&out, '}');
    (void)printf("%.*s\n", AX_STR_ARG(ax_buf_str(&out)));
    ax_buf_done(&out);
}

static void print_text(const struct line *line)
{
    char requests[32] = "-";
    if (line->has_requests)
        (void)snprintf(requests, sizeof(requests), "%" PRIu64, line->requests);
    (void)printf("%-24.*s %8.*s  %-11.*s %10s%s%.*s\n", AX_STR_ARG(line->model),
                 AX_STR_ARG(line->version), AX_STR_ARG(line->state), requests,
                 line->reason.len ? "  " : "", AX_STR_ARG(line->reason));
}

static void print_line(const struct line *line, bool json)
{
    if (json)
        print_json(line);
    else
        print_text(line);
}

static void print_head(bool json)
{
    const struct line head = { AX_STR("MODEL"), AX_STR("VERSION"),
                               AX_STR("STATE"), AX_STR("REASON"),
                               false,           0 };
    if (!json)
        (void)printf("%-24.*s %8.*s  %-11.*s %10s  %.*s\n", AX_STR_ARG(head.model),
                     AX_STR_ARG(head.version), AX_STR_ARG(head.state), "REQUESTS",
                     AX_STR_ARG(head.reason));
}

/* Ask for `path` below the target's and parse what is answered. */
static enum ax_code ask(const struct ax_target *target, const char *method, const char *path,
                        struct ax_json_doc **ret_doc, struct ax_err *err)
{
    struct ax_buf request, body;
    struct ax_str prefix = ax_str_from(target->path);
    int status = 0;
    while (prefix.len && prefix.ptr[prefix.len - 1] == '/')
        prefix.len--;
    ax_buf_init(&request, 65536);
    ax_buf_init(&body, ANSWER_BYTES_MAX);
    (void)ax_buf_printf(&request,
                        "%s %.*s%s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n"
                        "Connection: close\r\n\r\n",
                        method, AX_STR_ARG(prefix), path, target->host);
    if (!ax_buf_check(&request, "the request", err) &&
        !ax_fetch(target, ax_buf_str(&request), TIMEOUT_NS, &status, &body, err)) {
        if (status != 200)
            (void)ax_fail(err, AX_E_INVALID, "it answers %d to '%s'", status, path);
        else if (ax_json_parse(ax_buf_str(&body), ret_doc, err))
            (void)ax_err_context(err, "its answer to '%s'", path);
    }
    ax_buf_done(&request);
    ax_buf_done(&body);
    return err->code;
}

static uint64_t count_of(const struct ax_json *stats, const char *name)
{
    uint64_t count = 0;
    const struct ax_json *one = ax_json_get(ax_json_get(stats, "inference_stats"), name);
    (void)!ax_json_to_u64(ax_json_get(one, "count"), &count);
    return count;
}

/* "model/version" -> its statistics. A model's name holds no '/'. */
static void print_key(struct ax_buf *key, struct ax_str model, struct ax_str version)
{
    ax_buf_reset(key);
    (void)ax_buf_printf(key, "%.*s/%.*s", AX_STR_ARG(model), AX_STR_ARG(version));
}

static void map_statistics(struct ax_map *map, struct ax_buf *key, const struct ax_json *root)
{
    struct ax_json_iter it = ax_json_iterate(ax_json_get(root, "model_stats"));
    for (const struct ax_json *one; (one = ax_json_next(&it));) {
        print_key(key, ax_json_str(ax_json_get(one, "name")),
                  ax_json_str(ax_json_get(one, "version")));
        (void)ax_map_put(map, ax_buf_str(key), (void *)one);
    }
}

static void print_index(const struct ax_json *index, const struct ax_json *statistics, bool json)
{
    struct ax_map map;
    struct ax_buf key;
    struct ax_json_iter it = ax_json_iterate(index);
    ax_map_init(&map);
    ax_buf_init(&key, ANSWER_BYTES_MAX);
    map_statistics(&map, &key, statistics);
    print_head(json);
    for (const struct ax_json *entry; (entry = ax_json_next(&it));) {
        struct line line = { .model = ax_json_str(ax_json_get(entry, "name")),
                             .version = ax_json_str(ax_json_get(entry, "version")),
                             .state = ax_json_str(ax_json_get(entry, "state")),
                             .reason = ax_json_str(ax_json_get(entry, "reason")) };
        print_key(&key, line.model, line.version);
        const struct ax_json *stats = ax_map_get(&map, ax_buf_str(&key));
        line.has_requests = stats != NULL;
        line.requests = count_of(stats, "success") + count_of(stats, "fail");
        print_line(&line, json);
    }
    ax_buf_done(&key);
    ax_map_done(&map);
}

enum ax_code ax_models_list_server(const char *url, bool json, struct ax_err *err)
{
    assert(url && err);
    struct ax_target target;
    struct ax_json_doc *index = NULL, *statistics = NULL;
    if (ax_target_parse(ax_str_from(url), /* allow_remote= */ true, &target, err))
        return err->code;
    if (!ask(&target, "POST", "/v2/repository/index", &index, err) &&
        !ask(&target, "GET", "/v2/models/stats", &statistics, err))
        print_index(ax_json_root(index), ax_json_root(statistics), json);
    ax_json_free(statistics);
    ax_json_free(index);
    ax_target_done(&target);
    return err->code ? ax_err_context(err, "'%s'", url) : AX_OK;
}

enum ax_code ax_models_list_folder(const char *folder, bool json, struct ax_err *err)
{
    assert(folder && err);
    const struct ax_repository_config config = { .versions_max = VERSIONS_MAX };
    struct ax_repository *repository;
    if (ax_repository_list(folder, &config, &repository, err))
        return err->code;
    print_head(json);
    for (size_t i = 0; i < repository->model_count; i++) {
        const struct ax_repository_model *model = &repository->models[i];
        struct line line = { .model = ax_str_from(model->name),
                             .version = AX_STR(""),
                             .state = AX_STR("ON_DISK"),
                             .reason = ax_str_from(model->err.code ? model->err.msg : "") };
        for (size_t k = 0; k < model->version_count; k++) {
            line.version = ax_str_from(model->versions[k].text);
            print_line(&line, json);
        }
        if (model->version_count == 0)
            print_line(&line, json);
    }
    ax_repository_free(repository);
    return AX_OK;
}
