/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps from a folder to a plan, and plans as text and JSON.
 *
 * The text has at most some words an object, since a definition that is written anew may have
 * changed in hundreds; JSON has all of them.
 */
#include "cmd/planning.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "feature/offline/offline.h"
#include "feature/source_journal.h"
#include "pipeline/opened_sources.h"
#include "pipeline/train_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_INIT ((size_t)1 << 20)
#define ARENA_BYTES_MAX  ((size_t)4 << 30)
#define WORDS_SHOWN_MAX  12
#define WORD_CHARS_MAX   60
#define OUT_BYTES_MAX    ((size_t)1 << 30)

/* ---- from a folder to a plan ---- */

enum ax_code ax_planning_read(struct ax_planning *planning, const char *folder, struct ax_err *err)
{
    assert(planning && folder && err);
    *planning = (struct ax_planning){ .folder = folder };
    ax_arena_init(&planning->arena, ARENA_BYTES_INIT, ARENA_BYTES_MAX);
    if (ax_definitions_read(folder, &planning->definitions, err))
        return err->code;
    planning->has_definitions = true;
    (void)(ax_train_check_models(&planning->definitions, err) ||
           ax_definition_catalogue(&planning->definitions, &planning->arena, &planning->wanted,
                                   err) ||
           ax_definition_bytes(&planning->definitions, &planning->arena, &planning->bytes,
                               &planning->byte_count, err));
    return err->code;
}

enum ax_code ax_planning_compare(struct ax_planning *planning, const char *state,
                                 enum ax_registry_access access, struct ax_err *err)
{
    assert(planning && planning->has_definitions && !planning->registry && state && err);
    const struct ax_plan_use *uses = NULL;
    size_t use_count = 0;
    if (ax_registry_open(state, access, &planning->registry, err) == AX_E_NOT_FOUND)
        ax_err_clear(err);
    if (err->code)
        return err->code;
    if (planning->registry &&
        (ax_registry_read(planning->registry, &planning->arena, &planning->applied, err) ||
         ax_plan_uses(planning->registry, &planning->applied, &planning->wanted, &planning->arena,
                      &uses, &use_count, err)))
        return err->code;
    if (ax_source_journals_check(state, &planning->definitions, err))
        return err->code;
    return ax_plan_make(&planning->applied, &planning->wanted, uses, use_count, &planning->arena,
                        &planning->plan, err);
}

/* One source; what it was found to be is known afterwards. */
static enum ax_code check_source(struct ax_planning *planning, struct ax_offline *offline,
                                 const struct ax_source *source, struct ax_opened_sources *opened,
                                 struct ax_err *err)
{
    /* Taken first: what is written while the files are open is seen the next time. */
    char stamp[AX_SHA256_TEXT_SIZE] = "";
    if (ax_offline_stamp(offline, source, stamp, err))
        return err->code;
    if (ax_opened_sources_has(opened, source, stamp)) {
        planning->known_count++;
        return AX_OK;
    }
    planning->opened_count++;
    if (ax_offline_check(offline, source, err))
        return err->code;
    ax_opened_sources_put(opened, source, stamp);
    return AX_OK;
}

static enum ax_code check_sources(struct ax_planning *planning, struct ax_opened_sources *opened,
                                  const char *work_folder, struct ax_err *err)
{
    const struct ax_definitions *definitions = &planning->definitions;
    const struct ax_offline_config config = { .definitions = definitions,
                                              .data_folder = definitions->folder,
                                              .work_folder = work_folder,
                                              .threads = 1,
                                              .cancelled = planning->cancelled };
    struct ax_offline *offline;
    if (ax_offline_open(&config, &offline, err))
        return err->code;
    for (size_t i = 0; i < definitions->source_count && !err->code; i++)
        (void)(check_source(planning, offline, &definitions->sources[i], opened, err) != AX_OK);
    ax_offline_close(offline);
    return err->code;
}

enum ax_code ax_planning_check(struct ax_planning *planning, const char *state, bool keep,
                               struct ax_err *err)
{
    assert(planning && planning->has_definitions && state && err);
    char work_folder[] = "/tmp/auspex-check-XXXXXX";
    struct ax_err ignored = AX_ERR_INIT;
    struct ax_opened_sources opened;
    planning->is_checked = true;
    if (!planning->definitions.source_count)
        return AX_OK;
    /* A plan changes nothing, so what DuckDB wants to write lies elsewhere. */
    if (!mkdtemp(work_folder))
        return ax_fail_errno(err, errno, "make a folder '%s'", work_folder);
    ax_opened_sources_init(&opened, state);
    (void)(check_sources(planning, &opened, work_folder, err) != AX_OK);
    /* What could not be kept is opened again. */
    if (keep)
        (void)(ax_opened_sources_keep(&opened, &planning->definitions, state, &ignored) != AX_OK);
    ax_opened_sources_done(&opened);
    ax_err_clear(&ignored);
    (void)(ax_file_remove_tree(work_folder, &ignored) != AX_OK);
    return err->code;
}

void ax_planning_done(struct ax_planning *planning)
{
    ax_registry_close(planning->registry);
    planning->registry = NULL;
    if (planning->has_definitions)
        ax_definitions_done(&planning->definitions);
    planning->has_definitions = false;
    ax_arena_done(&planning->arena);
}

/* ---- as text ---- */

static const char action_marks[AX_PLAN_ACTION_COUNT] = {
    [AX_PLAN_ADD] = '+', [AX_PLAN_CHANGE] = '~', [AX_PLAN_DESCRIBE] = '=', [AX_PLAN_DROP] = '-'
};

/* A side of a word: what stood there, in quotes when it has blanks, cut when it is long. */
static void put_value(struct ax_buf *out, struct ax_str text, bool is_there)
{
    if (!is_there) {
        (void)ax_buf_append_str(out, AX_STR("(none)"));
        return;
    }
    struct ax_str cut = ax_str_cut(text, WORD_CHARS_MAX);
    for (size_t i = 0; i < cut.len; i++)
        (void)ax_buf_append_char(out, (unsigned char)cut.ptr[i] < ' ' ? ' ' : cut.ptr[i]);
    if (cut.len < text.len)
        (void)ax_buf_append_str(out, AX_STR("..."));
}

static void put_word(struct ax_buf *out, const struct ax_definition_word *word)
{
    ax_buf_printf(out, "    %.*s: ", AX_STR_ARG(word->path));
    if (!word->was_there && !word->to.len) {
        (void)ax_buf_append_str(out, AX_STR("added\n"));
    } else if (!word->is_there && !word->from.len) {
        (void)ax_buf_append_str(out, AX_STR("removed\n"));
    } else {
        put_value(out, word->from, word->was_there);
        (void)ax_buf_append_str(out, AX_STR(" -> "));
        put_value(out, word->to, word->is_there);
        (void)ax_buf_append_char(out, '\n');
    }
}

static void put_item(struct ax_buf *out, const struct ax_plan_item *item)
{
    const struct ax_registry_object *object = item->after ? item->after : item->before;
    size_t before = out->len;
    ax_buf_printf(out, "%c %s %.*s", action_marks[item->action],
                  ax_registry_kind_name(object->kind), AX_STR_ARG(object->name));
    size_t len = out->len - before;
    ax_buf_printf(out, "%*s  %.*s", len < 40 ? (int)(40 - len) : 0, "", AX_STR_ARG(object->place));
    if (item->action == AX_PLAN_CHANGE)
        ax_buf_printf(out, "  after version %llu", (unsigned long long)item->before->version);
    else if (item->action == AX_PLAN_DESCRIBE)
        (void)ax_buf_append_str(out, AX_STR("  described otherwise, the same version"));
    (void)ax_buf_append_char(out, '\n');
    for (size_t i = 0; i < AX_MIN(item->word_count, (size_t)WORDS_SHOWN_MAX); i++)
        put_word(out, &item->words[i]);
    if (item->word_count > WORDS_SHOWN_MAX)
        ax_buf_printf(out, "    and %zu more; --json tells all\n",
                      item->word_count - WORDS_SHOWN_MAX);
}

static void put_break(struct ax_buf *out, const struct ax_plan_break *what, bool is_broken)
{
    (void)ax_buf_append_str(out, is_broken ? AX_STR("? broken already: ") : AX_STR("! "));
    if (what->kind == AX_PLAN_BREAK_SERVICE)
        ax_buf_printf(out, "service %.*s is dropped", AX_STR_ARG(what->service));
    else if (what->kind == AX_PLAN_BREAK_KEYS)
        ax_buf_printf(out, "view %.*s is of entity %.*s instead of %.*s", AX_STR_ARG(what->view),
                      AX_STR_ARG(what->to), AX_STR_ARG(what->from));
    else
        ax_buf_printf(out, "feature %.*s.%.*s is ", AX_STR_ARG(what->view),
                      AX_STR_ARG(what->feature));
    if (what->kind == AX_PLAN_BREAK_RETYPED)
        ax_buf_printf(out, "%.*s instead of %.*s", AX_STR_ARG(what->to), AX_STR_ARG(what->from));
    else if (what->kind == AX_PLAN_BREAK_DROPPED)
        (void)ax_buf_append_str(out, AX_STR("dropped or renamed"));
    ax_buf_printf(out, "; model %.*s", AX_STR_ARG(what->model));
    if (what->versions.len)
        ax_buf_printf(out, " (versions %.*s)", AX_STR_ARG(what->versions));
    ax_buf_printf(out, " needs it, by service %.*s version %llu\n", AX_STR_ARG(what->service),
                  (unsigned long long)what->service_version);
}

static void put_sizes(struct ax_buf *out, const struct ax_planning *planning)
{
    for (size_t i = 0; i < planning->byte_count; i++) {
        const struct ax_entity_bytes *one = &planning->bytes[i];
        if (!one->view_count)
            continue;
        ax_buf_printf(out, "# entity %.*s: about %zu bytes each online, in %zu %s",
                      AX_STR_ARG(one->entity->name), one->bytes, one->view_count,
                      one->view_count == 1 ? "view" : "views");
        if (one->window_bytes)
            ax_buf_printf(out, "; windows at most %zu more, and %zu an event in reach",
                          one->window_bytes, one->event_bytes);
        (void)ax_buf_append_char(out, '\n');
    }
}

static void put_text(const struct ax_planning *planning, struct ax_buf *out)
{
    const struct ax_plan *plan = &planning->plan;
    for (size_t i = 0; i < plan->item_count; i++)
        put_item(out, &plan->items[i]);
    for (size_t i = 0; i < planning->definitions.warning_count; i++) {
        const struct ax_definition_warning *warning = &planning->definitions.warnings[i];
        ax_buf_printf(out, "? %s:%u:%u: %.*s\n", warning->place.file, warning->place.line,
                      warning->place.column, AX_STR_ARG(warning->text));
    }
    for (size_t i = 0; i < plan->broken_count; i++)
        put_break(out, &plan->broken[i], true);
    for (size_t i = 0; i < plan->break_count; i++)
        put_break(out, &plan->breaks[i], false);
    if (plan->changes_project)
        ax_buf_printf(out, "! what is in force is of project %.*s, and this is %.*s\n",
                      AX_STR_ARG(plan->applied->project), AX_STR_ARG(plan->wanted->project));
    put_sizes(out, planning);
    if (planning->is_checked)
        ax_buf_printf(out, "# sources: %zu opened, %zu as when they were opened last\n",
                      planning->opened_count, planning->known_count);
    ax_buf_printf(out, "%zu to add, %zu to change, %zu to describe otherwise, %zu to drop, ",
                  plan->counts[AX_PLAN_ADD], plan->counts[AX_PLAN_CHANGE],
                  plan->counts[AX_PLAN_DESCRIBE], plan->counts[AX_PLAN_DROP]);
    ax_buf_printf(out, "%zu unchanged", plan->unchanged_count);
    if (plan->break_count)
        ax_buf_printf(out, "; %zu would break: apply needs --force", plan->break_count);
    (void)ax_buf_append_char(out, '\n');
}

/* ---- as JSON ---- */

static void begin_list(struct ax_buf *out, const char *key)
{
    ax_json_put_key(out, key);
    (void)ax_buf_append_char(out, '[');
}

static void put_json_word(struct ax_buf *out, const struct ax_definition_word *word)
{
    ax_json_begin_item(out);
    ax_json_put_member(out, "path", word->path);
    if (word->was_there)
        ax_json_put_member(out, "from", word->from);
    if (word->is_there)
        ax_json_put_member(out, "to", word->to);
    (void)ax_buf_append_char(out, '}');
}

static void put_json_item(struct ax_buf *out, const struct ax_plan_item *item)
{
    const struct ax_registry_object *object = item->after ? item->after : item->before;
    ax_json_begin_item(out);
    ax_json_put_member(out, "action", ax_str_from(ax_plan_action_name(item->action)));
    ax_json_put_member(out, "kind", ax_str_from(ax_registry_kind_name(object->kind)));
    ax_json_put_member(out, "name", object->name);
    ax_json_put_member(out, "place", object->place);
    if (item->before)
        ax_json_put_member_u64(out, "version", item->before->version);
    if (item->word_count) {
        begin_list(out, "words");
        for (size_t i = 0; i < item->word_count; i++)
            put_json_word(out, &item->words[i]);
        (void)ax_buf_append_char(out, ']');
    }
    (void)ax_buf_append_char(out, '}');
}

static void put_json_break(struct ax_buf *out, const struct ax_plan_break *what)
{
    static const char *const kinds[] = { [AX_PLAN_BREAK_DROPPED] = "dropped",
                                         [AX_PLAN_BREAK_RETYPED] = "retyped",
                                         [AX_PLAN_BREAK_SERVICE] = "service",
                                         [AX_PLAN_BREAK_KEYS] = "keys" };
    ax_json_begin_item(out);
    ax_json_put_member(out, "kind", ax_str_from(kinds[what->kind]));
    if (what->view.len)
        ax_json_put_member(out, "view", what->view);
    if (what->feature.len)
        ax_json_put_member(out, "feature", what->feature);
    if (what->from.len) {
        ax_json_put_member(out, "from", what->from);
        ax_json_put_member(out, "to", what->to);
    }
    ax_json_put_member(out, "service", what->service);
    ax_json_put_member_u64(out, "service_version", what->service_version);
    ax_json_put_member(out, "model", what->model);
    ax_json_put_member(out, "model_versions", what->versions);
    (void)ax_buf_append_char(out, '}');
}

static void put_json_warning(struct ax_buf *out, const struct ax_definition_warning *warning)
{
    ax_json_begin_item(out);
    ax_json_put_member(out, "file", ax_str_from(warning->place.file));
    ax_json_put_member_u64(out, "line", warning->place.line);
    ax_json_put_member_u64(out, "column", warning->place.column);
    ax_json_put_member(out, "text", warning->text);
    (void)ax_buf_append_char(out, '}');
}

static void put_json_sizes(struct ax_buf *out, const struct ax_planning *planning)
{
    begin_list(out, "entities");
    for (size_t i = 0; i < planning->byte_count; i++) {
        const struct ax_entity_bytes *one = &planning->bytes[i];
        ax_json_begin_item(out);
        ax_json_put_member(out, "name", one->entity->name);
        ax_json_put_member_u64(out, "online_views", one->view_count);
        ax_json_put_member_u64(out, "online_bytes", one->bytes);
        ax_json_put_member_u64(out, "window_bytes", one->window_bytes);
        ax_json_put_member_u64(out, "event_bytes", one->event_bytes);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_char(out, ']');
}

static void put_json(const struct ax_planning *planning, enum ax_planning_outcome outcome,
                     uint64_t apply, struct ax_buf *out)
{
    const struct ax_plan *plan = &planning->plan;
    (void)ax_buf_append_char(out, '{');
    ax_json_put_member(out, "project", plan->wanted->project);
    if (plan->changes_project)
        ax_json_put_member(out, "project_in_force", plan->applied->project);
    begin_list(out, "changes");
    for (size_t i = 0; i < plan->item_count; i++)
        put_json_item(out, &plan->items[i]);
    (void)ax_buf_append_char(out, ']');
    ax_json_put_member_u64(out, "unchanged", plan->unchanged_count);
    begin_list(out, "breaks");
    for (size_t i = 0; i < plan->break_count; i++)
        put_json_break(out, &plan->breaks[i]);
    (void)ax_buf_append_char(out, ']');
    begin_list(out, "broken");
    for (size_t i = 0; i < plan->broken_count; i++)
        put_json_break(out, &plan->broken[i]);
    (void)ax_buf_append_char(out, ']');
    begin_list(out, "warnings");
    for (size_t i = 0; i < planning->definitions.warning_count; i++)
        put_json_warning(out, &planning->definitions.warnings[i]);
    (void)ax_buf_append_char(out, ']');
    put_json_sizes(out, planning);
    if (planning->is_checked) {
        ax_json_put_member_u64(out, "sources_opened", planning->opened_count);
        ax_json_put_member_u64(out, "sources_known", planning->known_count);
    }
    if (outcome == AX_PLANNING_APPLIED) {
        ax_json_put_member_u64(out, "applied", apply);
    } else if (outcome == AX_PLANNING_REFUSED) {
        ax_json_put_key(out, "applied");
        (void)ax_buf_append_str(out, AX_STR("null"));
    }
    (void)ax_buf_append_str(out, AX_STR("}\n"));
}

/* ---- printed ---- */

static enum ax_code print(struct ax_buf *text, struct ax_text_output *output, struct ax_err *err)
{
    if (!ax_buf_check(text, "the plan", err))
        (void)(output->print(output, ax_buf_str(text), err) != AX_OK);
    ax_buf_done(text);
    return err->code;
}

enum ax_code ax_planning_print_text(const struct ax_planning *planning,
                                    struct ax_text_output *output, struct ax_err *err)
{
    assert(planning && output && err);
    struct ax_buf text;
    ax_buf_init(&text, OUT_BYTES_MAX);
    put_text(planning, &text);
    return print(&text, output, err);
}

enum ax_code ax_planning_print_json(const struct ax_planning *planning,
                                    enum ax_planning_outcome outcome, uint64_t apply,
                                    struct ax_text_output *output, struct ax_err *err)
{
    assert(planning && output && err);
    struct ax_buf text;
    ax_buf_init(&text, OUT_BYTES_MAX);
    put_json(planning, outcome, apply, &text);
    return print(&text, output, err);
}
