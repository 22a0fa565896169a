/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: requests to the control socket.
 *
 * What is accepted has each member, as C has texts, and is printed again as one line that says the
 * same: read back, it is equal. Its arguments are taken as flags, by options of each type, without
 * harm; and what those hold, given as flags again, they hold again.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/control_request.h"

#include "base/option.h"

#define ARENA_BYTES_MAX ((size_t)16 << 20)
#define LINE_BYTES_MAX  ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct config {
    bool force;
    size_t rate;
    uint64_t every;
    char *from;
    struct ax_option_list view;
    int mode;
};

static const struct ax_option options[] = {
    { AX_OPTION_BOOL, "force", "false", offsetof(struct config, force), 0, 0, NULL, "" },
    { AX_OPTION_SIZE, "rate", "0", offsetof(struct config, rate), 0, INT64_MAX, "bytes", "" },
    { AX_OPTION_TIME, "every", "1", offsetof(struct config, every), 0, 1000000, "s", "" },
    { AX_OPTION_TEXT, "from", NULL, offsetof(struct config, from), 0, 0, NULL, "" },
    { AX_OPTION_LIST, "view", NULL, offsetof(struct config, view), 0, 0, NULL, "" },
    { AX_OPTION_CHOICE, "mode", "a", offsetof(struct config, mode), 0, 0, "a|bc", "" },
    { 0 },
};

static bool take_flags(struct config *config, int argc, char **argv)
{
    const struct ax_option_group groups[] = { { options, config }, { 0 } };
    struct ax_option_args args = { .texts = calloc((size_t)argc, sizeof(args.texts[0])) };
    struct ax_err err = AX_ERR_INIT;
    assert(args.texts);
    ax_option_defaults(groups);
    bool is_taken = !ax_option_flags(groups, argc, argv, &args, &err) && !args.help;
    free(args.texts);
    return is_taken;
}

static void check_equal(const struct config *a, const struct config *b)
{
    assert(a->force == b->force && a->rate == b->rate && a->every == b->every);
    assert(a->mode == b->mode && !a->from == !b->from);
    assert(!a->from || strcmp(a->from, b->from) == 0);
    assert(a->view.count == b->view.count);
    for (size_t i = 0; i < a->view.count; i++)
        assert(strcmp(a->view.texts[i], b->view.texts[i]) == 0);
}

static void check_flags(const struct ax_control_request *request)
{
    struct config config = { 0 }, again = { 0 };
    const struct ax_option_group groups[] = { { options, &config }, { 0 } };
    const struct ax_option_group groups_again[] = { { options, &again }, { 0 } };
    struct ax_option_list list = { 0 };
    if (take_flags(&config, request->argc, request->argv)) {
        ax_option_list_add(&list, AX_STR("it"));
        ax_option_list_flags(groups, &list);
        bool is_taken = take_flags(&again, (int)list.count, list.texts);
        assert(is_taken);
        check_equal(&config, &again);
    }
    ax_option_list_done(&list);
    ax_option_done(groups);
    ax_option_done(groups_again);
}

static void check_again(const struct ax_control_request *request, struct ax_arena *arena)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_control_request again;
    struct ax_buf line;
    ax_buf_init(&line, LINE_BYTES_MAX);
    assert(ax_control_request_put(request, &line, &err) == AX_OK);
    struct ax_str text = { line.ptr, line.len - 1 };
    assert(line.ptr[text.len] == '\n' && !memchr(text.ptr, '\n', text.len));
    assert(ax_control_request_parse(text, arena, &again, &err) == AX_OK);
    assert(strcmp(request->command, again.command) == 0 && strcmp(request->who, again.who) == 0);
    assert(strcmp(request->typed, again.typed) == 0 && again.folder[0] == '/');
    assert(strcmp(request->folder, again.folder) == 0 && request->argc == again.argc);
    assert(!again.argv[0] && !again.argv[again.argc]);
    for (int i = 1; i < again.argc; i++)
        assert(strcmp(request->argv[i], again.argv[i]) == 0);
    ax_buf_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    struct ax_control_request request;
    ax_arena_init(&arena, 4096, ARENA_BYTES_MAX);
    if (!ax_control_request_parse((struct ax_str){ (const char *)data, size }, &arena, &request,
                                  &err)) {
        check_again(&request, &arena);
        check_flags(&request);
    }
    ax_arena_done(&arena);
    return 0;
}
