/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of `auspex bench`: heads from the command line, bodies from wherever.
 */
#include "cmd/bench_requests.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json_number.h"
#include "base/random.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#define FILE_BYTES_MAX     ((size_t)1 << 30)
#define REQUESTS_BYTES_MAX ((size_t)2 << 30)

void ax_bench_requests_init(struct ax_bench_requests *requests)
{
    assert(requests);
    *requests = (struct ax_bench_requests){ 0 };
    ax_buf_init(&requests->bytes, REQUESTS_BYTES_MAX);
}

void ax_bench_requests_done(struct ax_bench_requests *requests)
{
    if (!requests)
        return;
    ax_buf_done(&requests->bytes);
    free(requests->lens);
    free(requests->weights);
    free(requests->texts);
}

enum ax_code ax_bench_head_check(const struct ax_bench_head *head, struct ax_err *err)
{
    assert(head && err);
    for (size_t i = 0; i < head->headers->count; i++) {
        const char *text = head->headers->texts[i];
        if (strpbrk(text, "\r\n") || !strchr(text, ':') || *text == ':')
            return ax_fail(err, AX_E_INVALID, "--header: number %zu is no 'Name: value'", i + 1);
    }
    if (strpbrk(head->content_type, "\r\n"))
        return ax_fail(err, AX_E_INVALID, "--content-type: holds a line break");
    return AX_OK;
}

void ax_bench_head_print(const struct ax_bench_head *head, struct ax_str body, struct ax_buf *out)
{
    assert(head && out);
    const char *method = body.ptr ? "POST" : "GET";
    (void)ax_buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", head->method ? head->method : method,
                        head->path, head->host);
    for (size_t i = 0; i < head->headers->count; i++)
        (void)ax_buf_printf(out, "%s\r\n", head->headers->texts[i]);
    if (head->json_len)
        (void)ax_buf_printf(out, "Inference-Header-Content-Length: %zu\r\n", head->json_len);
    if (body.ptr)
        (void)ax_buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", head->content_type,
                            body.len);
    (void)ax_buf_append_str(out, AX_STR("\r\n"));
    (void)ax_buf_append_str(out, body);
}

enum ax_code ax_bench_requests_add(struct ax_bench_requests *requests,
                                   const struct ax_bench_head *head, struct ax_str body,
                                   struct ax_err *err)
{
    assert(requests && !requests->texts && head && err);
    size_t before = requests->bytes.len;
    ax_bench_head_print(head, body, &requests->bytes);
    if (ax_buf_check(&requests->bytes, "requests", err))
        return err->code;
    if (requests->count == requests->cap) {
        requests->cap = AX_MAX(requests->cap * 2, (size_t)64);
        requests->lens = ax_xrealloc(requests->lens, requests->cap, sizeof(requests->lens[0]));
    }
    requests->lens[requests->count++] = requests->bytes.len - before;
    return AX_OK;
}

/* ---- files ---- */

/* Call `add` for each line of a file that is not empty. */
static enum ax_code requests_add_file(struct ax_bench_requests *requests,
                                      const struct ax_bench_head *head, const char *path,
                                      enum ax_code (*add)(struct ax_bench_requests *requests,
                                                          const struct ax_bench_head *head,
                                                          struct ax_str line, struct ax_err *err),
                                      struct ax_err *err)
{
    struct ax_buf file;
    ax_buf_init(&file, FILE_BYTES_MAX);
    enum ax_code code = ax_file_read(path, &file, err);
    struct ax_str left = ax_buf_str(&file);
    for (size_t number = 1; code == AX_OK && left.len; number++) {
        const char *end = memchr(left.ptr, '\n', left.len);
        struct ax_str line = { left.ptr, end ? (size_t)(end - left.ptr) : left.len };
        size_t step = line.len + (end != NULL);
        left = (struct ax_str){ left.ptr + step, left.len - step };
        if (line.len && add(requests, head, line, err))
            code = ax_err_context(err, "line %zu", number);
    }
    ax_buf_done(&file);
    if (code == AX_OK && requests->count == 0)
        code = ax_fail(err, AX_E_INVALID, "'%s' holds no line", path);
    return code;
}

enum ax_code ax_bench_requests_add_lines(struct ax_bench_requests *requests,
                                         const struct ax_bench_head *head, const char *path,
                                         struct ax_err *err)
{
    assert(requests && head && path && err);
    return requests_add_file(requests, head, path, ax_bench_requests_add, err);
}

/* Cut the text up to the next space off *line. */
static struct ax_str cut_word(struct ax_str *line)
{
    const char *space = line->len ? memchr(line->ptr, ' ', line->len) : NULL;
    struct ax_str word = { line->ptr, space ? (size_t)(space - line->ptr) : line->len };
    size_t step = word.len + (space != NULL);
    *line = (struct ax_str){ line->ptr + step, line->len - step };
    return word;
}

static bool weight_read(struct ax_str word, double *ret_weight)
{
    const char *end = word.ptr + word.len;
    double weight = 0;
    if (ax_json_number_read(word.ptr, end, &weight) != end || !isfinite(weight) || weight <= 0)
        return false;
    *ret_weight = weight;
    return true;
}

/* What a request line may hold: no space, nothing that ends a line. */
static bool is_visible(struct ax_str word)
{
    for (size_t i = 0; i < word.len; i++)
        if ((unsigned char)word.ptr[i] <= ' ' || word.ptr[i] == 0x7F)
            return false;
    return word.len > 0;
}

static enum ax_code mix_add(struct ax_bench_requests *requests, const struct ax_bench_head *head,
                            struct ax_str line, struct ax_err *err)
{
    struct ax_str word = cut_word(&line);
    double weight = 0;
    bool has_weight = word.len && isdigit((unsigned char)word.ptr[0]);
    if (has_weight && !weight_read(word, &weight))
        return ax_fail(err, AX_E_INVALID, "'%.*s' is no weight over 0",
                       AX_STR_ARG(ax_str_cut(word, 60)));
    if (requests->count && has_weight != (requests->weights != NULL))
        return ax_fail(err, AX_E_INVALID, "either all lines have a weight or none");
    struct ax_str method = has_weight ? cut_word(&line) : word;
    struct ax_str path = cut_word(&line);
    if (!is_visible(method) || !is_visible(path) || path.ptr[0] != '/')
        return ax_fail(err, AX_E_INVALID, "this is no [WEIGHT] METHOD PATH [BODY]");
    struct ax_bench_head own = *head;
    char *method_text = ax_xmemdup0(method.ptr, method.len);
    char *path_text = ax_xmemdup0(path.ptr, path.len);
    own.method = method_text;
    own.path = path_text;
    bool has_body = line.len || !ax_str_is(method, "GET");
    enum ax_code code =
        ax_bench_requests_add(requests, &own, has_body ? line : (struct ax_str){ 0 }, err);
    free(method_text);
    free(path_text);
    if (code == AX_OK && has_weight) {
        requests->weights =
            ax_xrealloc(requests->weights, requests->cap, sizeof(requests->weights[0]));
        requests->weights[requests->count - 1] = weight;
    }
    return code;
}

enum ax_code ax_bench_requests_add_mix(struct ax_bench_requests *requests,
                                       const struct ax_bench_head *head, const char *path,
                                       struct ax_err *err)
{
    assert(requests && head && path && err);
    return requests_add_file(requests, head, path, mix_add, err);
}

/* The first of `sums`, which ascend, that is over `value`. */
static size_t find_over(const double *sums, size_t count, double value)
{
    size_t low = 0;
    size_t high = count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sums[middle] > value)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint32_t *ax_bench_requests_draw(const struct ax_bench_requests *requests, size_t count,
                                 uint64_t seed)
{
    assert(requests && count);
    if (!requests->weights)
        return NULL;
    double *sums = ax_xalloc(requests->count * sizeof(sums[0]));
    double sum = 0;
    for (size_t i = 0; i < requests->count; i++)
        sums[i] = sum += requests->weights[i];
    uint32_t *order = ax_xalloc(count * sizeof(order[0]));
    struct ax_random random;
    ax_random_init(&random, seed, 1);
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)find_over(sums, requests->count, ax_random_uniform(&random) * sum);
    free(sums);
    return order;
}

void ax_bench_requests_finish(struct ax_bench_requests *requests)
{
    assert(requests && !requests->texts);
    requests->texts = ax_xalloc(requests->count * sizeof(requests->texts[0]));
    const char *at = requests->bytes.ptr;
    for (size_t i = 0; i < requests->count; at += requests->lens[i++])
        requests->texts[i] = (struct ax_str){ at, requests->lens[i] };
}
