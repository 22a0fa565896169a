/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of `auspex bench`: heads from the command line, bodies from wherever.
 */
#include "cmd/bench_requests.h"

#include "base/alloc.h"
#include "base/file.h"

#include <assert.h>
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
    (void)ax_buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", body.ptr ? "POST" : "GET",
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

enum ax_code ax_bench_requests_add_lines(struct ax_bench_requests *requests,
                                         const struct ax_bench_head *head, const char *path,
                                         struct ax_err *err)
{
    assert(requests && head && path && err);
    struct ax_buf file;
    ax_buf_init(&file, FILE_BYTES_MAX);
    enum ax_code code = ax_file_read(path, &file, err);
    struct ax_str left = ax_buf_str(&file);
    while (code == AX_OK && left.len) {
        const char *end = memchr(left.ptr, '\n', left.len);
        struct ax_str line = { left.ptr, end ? (size_t)(end - left.ptr) : left.len };
        size_t step = line.len + (end != NULL);
        left = (struct ax_str){ left.ptr + step, left.len - step };
        if (line.len)
            code = ax_bench_requests_add(requests, head, line, err);
    }
    ax_buf_done(&file);
    if (code == AX_OK && requests->count == 0)
        code = ax_fail(err, AX_E_INVALID, "'%s' holds no line", path);
    return code;
}

void ax_bench_requests_finish(struct ax_bench_requests *requests)
{
    assert(requests && !requests->texts);
    requests->texts = ax_xalloc(requests->count * sizeof(requests->texts[0]));
    const char *at = requests->bytes.ptr;
    for (size_t i = 0; i < requests->count; at += requests->lens[i++])
        requests->texts[i] = (struct ax_str){ at, requests->lens[i] };
}
