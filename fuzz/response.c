/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of HTTP answers.
 *
 * The first byte says in what steps the rest is fed. Whatever the steps, the outcome must be that
 * of feeding it whole: the same answers, and a failure or none.
 */
#include "net/response.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum ax_code code;
    uint64_t answers; /* a digest of statuses and flags, in order */
};

static struct outcome read_in_steps(const char *text, size_t len, size_t step)
{
    static struct ax_response response;
    struct ax_err err = AX_ERR_INIT;
    struct outcome outcome = { 0 };
    ax_response_init(&response);
    for (size_t at = 0; at < len && outcome.code == AX_OK;) {
        size_t used = 0;
        bool done = false;
        size_t given = AX_MIN(step, len - at);
        outcome.code = ax_response_read(&response, text + at, given, &used, &done, &err);
        assert(used <= given && (outcome.code || used > 0));
        assert((outcome.code == AX_OK) == (err.msg[0] == '\0'));
        at += used;
        if (done)
            outcome.answers =
                outcome.answers * 31 + (unsigned)response.status * 2u + response.closes;
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    /* A copy of exactly this size, so that a read behind it is seen. */
    char *text = malloc(size - 1);
    assert(text);
    memcpy(text, data + 1, size - 1);
    struct outcome whole = read_in_steps(text, size - 1, size - 1);
    struct outcome parts = read_in_steps(text, size - 1, 1 + data[0]);
    assert(whole.code == parts.code && whole.answers == parts.answers);
    free(text);
    return 0;
}
