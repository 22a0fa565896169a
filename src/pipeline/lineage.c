/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph from the edges of a catalogue.
 *
 * Nodes are found by a key of kind, name and part in a map. An object's edge for one of its
 * features ends at that feature; without features in the graph it ends at the object, and many
 * become one. With them, a source's column comes from the source as a whole, and a field from its
 * view as a whole, which is made from the columns that all fields share (keys, time); fields of a
 * view stay apart from each other. Keys and inputs go on to their entity or service as a whole.
 */
#include "pipeline/lineage.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/map.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdlib.h>

#define KEY_BYTES_MAX     ((size_t)1 << 16)
#define MEANING_BYTES_MAX ((size_t)64 << 20)

struct lineage_run {
    struct ax_arena *arena;
    struct ax_map by_key; /* -> struct lineage_slot */
    struct ax_buf key;
    struct ax_lineage_node *nodes;
    size_t node_count, node_cap;
    struct ax_lineage_edge *edges;
    size_t edge_count, edge_cap;
    bool with_features;
};

/* A map's values are pointers: that of a number. */
struct lineage_slot {
    size_t node;
};

/* Room for one more of an array in the arena. */
static void *grow(struct ax_arena *arena, void *items, size_t count, size_t *cap, size_t size,
                  struct ax_err *err)
{
    if (count < *cap)
        return items;
    size_t more = *cap ? 2 * *cap : 256;
    void *grown = ax_arena_alloc(arena, more, size);
    if (!grown) {
        (void)ax_arena_fail(arena, "the lineage", err);
        return NULL;
    }
    if (count)
        memcpy(grown, items, count * size);
    *cap = more;
    return grown;
}

static enum ax_code find_node(struct lineage_run *run, const struct ax_lineage_node *node,
                              size_t *ret, struct ax_err *err)
{
    ax_buf_reset(&run->key);
    (void)ax_buf_append_str(&run->key, node->kind);
    (void)ax_buf_append_char(&run->key, '\0');
    (void)ax_buf_append_str(&run->key, node->name);
    (void)ax_buf_append_char(&run->key, '\0');
    (void)ax_buf_append_str(&run->key, node->part);
    if (ax_buf_check(&run->key, "a name", err))
        return err->code;
    struct lineage_slot *slot = ax_map_get(&run->by_key, ax_buf_str(&run->key));
    if (!slot) {
        void *nodes =
            grow(run->arena, run->nodes, run->node_count, &run->node_cap, sizeof(*run->nodes), err);
        slot = nodes ? ax_arena_alloc(run->arena, 1, sizeof(*slot)) : NULL;
        if (!slot)
            return err->code ? err->code : ax_arena_fail(run->arena, "the lineage", err);
        run->nodes = nodes;
        run->nodes[run->node_count] = *node;
        slot->node = run->node_count++;
        (void)ax_map_put(&run->by_key, ax_buf_str(&run->key), slot);
    }
    *ret = slot->node;
    return AX_OK;
}

static enum ax_code add_edge(struct lineage_run *run, const struct ax_lineage_node *from,
                             const struct ax_lineage_node *to, struct ax_err *err)
{
    struct ax_lineage_edge edge;
    if (find_node(run, from, &edge.from, err) || find_node(run, to, &edge.to, err))
        return err->code;
    if (edge.from == edge.to)
        return AX_OK;
    void *edges =
        grow(run->arena, run->edges, run->edge_count, &run->edge_cap, sizeof(*run->edges), err);
    if (!edges)
        return err->code;
    run->edges = edges;
    run->edges[run->edge_count++] = edge;
    return AX_OK;
}

/* A feature within its object: where values go on as a whole, and where they come from as one. */
static enum ax_code add_feature(struct lineage_run *run, const struct ax_registry_object *object,
                                const struct ax_lineage_node *whole, struct ax_str name,
                                struct ax_err *err)
{
    struct ax_lineage_node part = *whole;
    part.part = name;
    if (object->kind == AX_REGISTRY_SOURCE || object->kind == AX_REGISTRY_VIEW)
        return add_edge(run, whole, &part, err);
    return add_edge(run, &part, whole, err);
}

/* An object under `name`, with what it is made from. */
static enum ax_code add_object(struct lineage_run *run, const struct ax_registry_object *object,
                               struct ax_str name, struct ax_err *err)
{
    const struct ax_lineage_node whole = { .kind = ax_str_from(ax_registry_kind_name(object->kind)),
                                           .name = name };
    size_t ignored;
    if (find_node(run, &whole, &ignored, err))
        return err->code;
    for (size_t i = 0; run->with_features && i < object->feature_count; i++)
        if (add_feature(run, object, &whole, object->features[i].name, err))
            return err->code;
    for (size_t i = 0; i < object->edge_count; i++) {
        const struct ax_registry_edge *edge = &object->edges[i];
        struct ax_lineage_node to = whole;
        struct ax_lineage_node from = { .kind = edge->kind, .name = edge->name };
        /* A service's own inputs, for a former version too. */
        if (ax_str_equals(edge->kind, whole.kind) && ax_str_equals(edge->name, object->name))
            from.name = name;
        if (run->with_features) {
            to.part = edge->feature;
            from.part = edge->part;
        }
        if (add_edge(run, &from, &to, err))
            return err->code;
    }
    return AX_OK;
}

/* The text that was printed, in the arena; empties the buffer. */
static enum ax_code keep_text(struct lineage_run *run, struct ax_buf *text, struct ax_str *ret,
                              struct ax_err *err)
{
    if (!ax_buf_check(text, "a name", err)) {
        char *copied = ax_arena_strdup(run->arena, ax_buf_str(text));
        if (copied)
            *ret = (struct ax_str){ copied, text->len };
        else
            (void)ax_arena_fail(run->arena, "the lineage", err);
    }
    ax_buf_done(text);
    return err->code;
}

/* "pushback@1" */
static enum ax_code print_version(struct lineage_run *run, const struct ax_registry_object *service,
                                  struct ax_str *ret, struct ax_err *err)
{
    struct ax_buf text;
    ax_buf_init(&text, KEY_BYTES_MAX);
    ax_buf_printf(&text, "%.*s@%llu", AX_STR_ARG(service->name),
                  (unsigned long long)service->version);
    return keep_text(run, &text, ret, err);
}

/* The trained versions of a model, of which each use has some. */
static enum ax_code add_note(struct lineage_run *run, size_t model, struct ax_str versions,
                             struct ax_err *err)
{
    struct ax_buf text;
    struct ax_str note = run->nodes[model].note;
    ax_buf_init(&text, KEY_BYTES_MAX);
    (void)ax_buf_append_str(&text, note);
    if (note.len && versions.len)
        (void)ax_buf_append_str(&text, AX_STR(", "));
    (void)ax_buf_append_str(&text, versions);
    return keep_text(run, &text, &run->nodes[model].note, err);
}

/* Versions of services that are not in force, and the models that were trained. */
static enum ax_code add_use(struct lineage_run *run, const struct ax_registry_catalogue *catalogue,
                            const struct ax_plan_use *use, struct ax_err *err)
{
    const struct ax_registry_object *in_force =
        ax_registry_find(catalogue, AX_REGISTRY_SERVICE, use->service->name);
    struct ax_str name = use->service->name;
    size_t model;
    if (in_force != use->service &&
        (print_version(run, use->service, &name, err) || add_object(run, use->service, name, err)))
        return err->code;
    const struct ax_lineage_node from = { .kind = AX_STR("service"), .name = name };
    const struct ax_lineage_node to = { .kind = AX_STR("model"), .name = use->model };
    if (add_edge(run, &from, &to, err) || find_node(run, &to, &model, err))
        return err->code;
    return add_note(run, model, use->versions, err);
}

static int compare_edges(const void *a, const void *b)
{
    const struct ax_lineage_edge *left = a, *right = b;
    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    return left->to < right->to ? -1 : left->to > right->to;
}

/* Sorted, each once. */
static void tidy_edges(struct ax_lineage_edge *edges, size_t *count)
{
    size_t kept = 0;
    if (*count)
        qsort(edges, *count, sizeof(*edges), compare_edges);
    for (size_t i = 0; i < *count; i++)
        if (i == 0 || compare_edges(&edges[i - 1], &edges[i]) != 0)
            edges[kept++] = edges[i];
    *count = kept;
}

enum ax_code ax_lineage_make(const struct ax_registry_catalogue *catalogue,
                             const struct ax_plan_use *uses, size_t use_count, bool with_features,
                             struct ax_arena *arena, struct ax_lineage *ret_lineage,
                             struct ax_err *err)
{
    assert(catalogue && (uses || !use_count) && arena && ret_lineage && err);
    struct lineage_run run = { .arena = arena, .with_features = with_features };
    ax_map_init(&run.by_key);
    ax_buf_init(&run.key, KEY_BYTES_MAX);
    for (size_t i = 0; i < catalogue->object_count && !err->code; i++)
        (void)(add_object(&run, &catalogue->objects[i], catalogue->objects[i].name, err) != AX_OK);
    for (size_t i = 0; i < use_count && !err->code; i++)
        (void)(add_use(&run, catalogue, &uses[i], err) != AX_OK);
    ax_map_done(&run.by_key);
    ax_buf_done(&run.key);
    if (err->code)
        return err->code;
    tidy_edges(run.edges, &run.edge_count);
    *ret_lineage = (struct ax_lineage){ run.nodes, run.node_count, run.edges, run.edge_count };
    return AX_OK;
}

/* ---- parts of it ---- */

/* Edges by where they are left, in the direction that is asked for. */
struct lineage_steps {
    size_t *first; /* a node: where its steps begin; one more behind the last */
    size_t *to;
};

static enum ax_code make_steps(const struct ax_lineage *lineage, bool with_edges,
                               struct ax_arena *arena, struct lineage_steps *ret,
                               struct ax_err *err)
{
    size_t *first = ax_arena_zalloc(arena, lineage->node_count + 2, sizeof(*first));
    size_t *to = ax_arena_alloc(arena, lineage->edge_count + 1, sizeof(*to));
    if (!first || !to)
        return ax_arena_fail(arena, "the lineage", err);
    for (size_t i = 0; i < lineage->edge_count; i++)
        first[(with_edges ? lineage->edges[i].from : lineage->edges[i].to) + 2]++;
    for (size_t i = 2; i < lineage->node_count + 2; i++)
        first[i] += first[i - 1];
    for (size_t i = 0; i < lineage->edge_count; i++) {
        const struct ax_lineage_edge *edge = &lineage->edges[i];
        to[first[(with_edges ? edge->from : edge->to) + 1]++] = with_edges ? edge->to : edge->from;
    }
    *ret = (struct lineage_steps){ first, to };
    return AX_OK;
}

enum ax_code ax_lineage_reach(const struct ax_lineage *lineage, bool with_edges, bool *marks,
                              struct ax_arena *arena, struct ax_err *err)
{
    assert(lineage && (marks || !lineage->node_count) && arena && err);
    struct lineage_steps steps = { 0 };
    size_t *queue = ax_arena_alloc(arena, lineage->node_count + 1, sizeof(*queue));
    size_t queued = 0;
    if (!queue)
        return ax_arena_fail(arena, "the lineage", err);
    if (make_steps(lineage, with_edges, arena, &steps, err))
        return err->code;
    for (size_t i = 0; i < lineage->node_count; i++)
        if (marks[i])
            queue[queued++] = i;
    for (size_t at = 0; at < queued; at++) {
        for (size_t i = steps.first[queue[at]]; i < steps.first[queue[at] + 1]; i++) {
            if (marks[steps.to[i]])
                continue;
            marks[steps.to[i]] = true;
            queue[queued++] = steps.to[i];
        }
    }
    return AX_OK;
}

enum ax_code ax_lineage_select(const struct ax_lineage *lineage, const bool *marks,
                               struct ax_arena *arena, struct ax_lineage *ret_lineage,
                               struct ax_err *err)
{
    assert(lineage && (marks || !lineage->node_count) && arena && ret_lineage && err);
    struct ax_lineage_node *nodes = ax_arena_alloc(arena, lineage->node_count + 1, sizeof(*nodes));
    struct ax_lineage_edge *edges = ax_arena_alloc(arena, lineage->edge_count + 1, sizeof(*edges));
    size_t *numbers = ax_arena_alloc(arena, lineage->node_count + 1, sizeof(*numbers));
    struct ax_lineage selected = { .nodes = nodes, .edges = edges };
    if (!nodes || !edges || !numbers)
        return ax_arena_fail(arena, "the lineage", err);
    for (size_t i = 0; i < lineage->node_count; i++) {
        if (!marks[i])
            continue;
        numbers[i] = selected.node_count;
        nodes[selected.node_count++] = lineage->nodes[i];
    }
    for (size_t i = 0; i < lineage->edge_count; i++) {
        const struct ax_lineage_edge *edge = &lineage->edges[i];
        if (marks[edge->from] && marks[edge->to])
            edges[selected.edge_count++] =
                (struct ax_lineage_edge){ numbers[edge->from], numbers[edge->to] };
    }
    *ret_lineage = selected;
    return AX_OK;
}

/* ---- digests ---- */

/* What of a catalogue goes into an object. */
struct digest_run {
    const struct ax_registry_catalogue *catalogue;
    const struct ax_registry_object *root; /* number object_count, whether or not it is there */
    bool *marks;                           /* objects that do */
    bool **parts;                          /* of each its features that do; NULL: none yet */
    struct digest_part *queue;
    size_t queued, queue_cap;
    struct ax_arena *arena;
    struct ax_err *err;
};

/* A feature whose edges are to be followed; the empty one: those of the object as a whole. */
struct digest_part {
    size_t object;
    struct ax_str feature;
};

static void queue_part(struct digest_run *run, size_t object, struct ax_str feature)
{
    struct digest_part *queue =
        grow(run->arena, run->queue, run->queued, &run->queue_cap, sizeof(*run->queue), run->err);
    if (!queue)
        return;
    run->queue = queue;
    run->queue[run->queued++] = (struct digest_part){ object, feature };
}

static const struct ax_registry_object *object_at(const struct digest_run *run, size_t at)
{
    return at < run->catalogue->object_count ? &run->catalogue->objects[at] : run->root;
}

static void mark_part(struct digest_run *run, size_t at, struct ax_str part)
{
    const struct ax_registry_object *object = object_at(run, at);
    size_t number = 0;
    while (number < object->feature_count && !ax_str_equals(object->features[number].name, part))
        number++;
    if (number == object->feature_count || run->parts[at][number])
        return;
    run->parts[at][number] = true;
    queue_part(run, at, part);
}

/* An object, and a part of it unless that is empty. */
static void mark(struct digest_run *run, size_t at, struct ax_str part)
{
    const struct ax_registry_object *object = object_at(run, at);
    if (!run->marks[at]) {
        run->parts[at] =
            ax_arena_zalloc(run->arena, object->feature_count + 1, sizeof(*run->parts[at]));
        if (!run->parts[at]) {
            (void)ax_arena_fail(run->arena, "the lineage", run->err);
            return;
        }
        run->marks[at] = true;
        queue_part(run, at, AX_STR(""));
    }
    if (part.len)
        mark_part(run, at, part);
}

/* What the edges of a part lead to, of the catalogue's own objects. */
static void follow(struct digest_run *run, struct digest_part from)
{
    const struct ax_registry_object *object = object_at(run, from.object);
    for (size_t i = 0; i < object->edge_count && !run->err->code; i++) {
        const struct ax_registry_edge *edge = &object->edges[i];
        enum ax_registry_kind kind;
        const struct ax_registry_object *source =
            ax_str_equals(edge->feature, from.feature) && ax_registry_kind_find(edge->kind, &kind)
                ? ax_registry_find(run->catalogue, kind, edge->name)
                : NULL;
        if (source && ax_registry_object_compare(source, run->root) == 0)
            mark(run, run->catalogue->object_count, edge->part);
        else if (source)
            mark(run, (size_t)(source - run->catalogue->objects), edge->part);
    }
}

static bool has_part(const struct ax_registry_object *object, const bool *parts, struct ax_str name)
{
    for (size_t i = 0; i < object->feature_count; i++)
        if (parts[i] && ax_str_equals(object->features[i].name, name))
            return true;
    return false;
}

/* The members of fields or columns that are among the parts. */
static void put_parts(struct ax_buf *out, const struct ax_registry_object *object,
                      const bool *parts, const struct ax_json *value)
{
    struct ax_json_iter it = ax_json_iterate(value);
    while ((value = ax_json_next(&it))) {
        if (!has_part(object, parts, it.key))
            continue;
        ax_json_put_str(out, it.key);
        (void)ax_buf_append_char(out, ':');
        ax_json_put_value(out, value);
        (void)ax_buf_append_char(out, '\n');
    }
}

/* What a view or a source means, of these fields or columns. */
static enum ax_code add_meaning(struct ax_sha256 *sha, const struct ax_registry_object *object,
                                const bool *parts, struct ax_err *err)
{
    struct ax_json_doc *doc;
    struct ax_buf text;
    if (ax_json_parse(object->definition, &doc, err))
        return ax_err_context(err, "%s '%.*s'", ax_registry_kind_name(object->kind),
                              AX_STR_ARG(object->name));
    ax_buf_init(&text, MEANING_BYTES_MAX);
    struct ax_json_iter it = ax_json_iterate(ax_json_root(doc));
    for (const struct ax_json *value; (value = ax_json_next(&it));) {
        if (ax_str_equals(it.key, AX_STR("notes")))
            continue;
        ax_json_put_str(&text, it.key);
        (void)ax_buf_append_char(&text, ':');
        if (ax_str_equals(it.key, AX_STR("fields")) || ax_str_equals(it.key, AX_STR("columns")))
            put_parts(&text, object, parts, value);
        else
            ax_json_put_value(&text, value);
        (void)ax_buf_append_char(&text, '\n');
    }
    if (!ax_buf_check(&text, "a definition", err))
        ax_sha256_add(sha, text.ptr, text.len);
    ax_buf_done(&text);
    ax_json_free(doc);
    return err->code;
}

static enum ax_code add_digest(struct ax_sha256 *sha, const struct ax_registry_object *object,
                               const bool *parts, struct ax_err *err)
{
    const char *kind = ax_registry_kind_name(object->kind);
    ax_sha256_add(sha, kind, strlen(kind) + 1);
    ax_sha256_add(sha, object->name.ptr, object->name.len);
    if (object->kind == AX_REGISTRY_VIEW || object->kind == AX_REGISTRY_SOURCE)
        return add_meaning(sha, object, parts, err);
    ax_sha256_add(sha, object->digest, AX_SHA256_TEXT_SIZE);
    return AX_OK;
}

static enum ax_code mark_all(struct digest_run *run, const struct ax_registry_object *object)
{
    size_t root = run->catalogue->object_count;
    mark(run, root, AX_STR(""));
    for (size_t i = 0; i < object->feature_count && !run->err->code; i++)
        mark(run, root, object->features[i].name);
    for (size_t at = 0; at < run->queued && !run->err->code; at++)
        follow(run, run->queue[at]);
    return run->err->code;
}

/* In the catalogue's order, the object last, so that the order of the walk does not matter. */
enum ax_code ax_lineage_digest(const struct ax_registry_catalogue *catalogue,
                               const struct ax_registry_object *object, struct ax_arena *arena,
                               char ret_digest[AX_SHA256_TEXT_SIZE], struct ax_err *err)
{
    assert(catalogue && object && arena && ret_digest && err);
    struct digest_run run = { .catalogue = catalogue, .root = object, .arena = arena, .err = err };
    struct ax_sha256 sha;
    size_t count = catalogue->object_count + 1;
    run.marks = ax_arena_zalloc(arena, count, sizeof(*run.marks));
    run.parts = ax_arena_zalloc(arena, count, sizeof(*run.parts));
    if (!run.marks || !run.parts)
        return ax_arena_fail(arena, "the lineage", err);
    if (mark_all(&run, object))
        return err->code;
    ax_sha256_init(&sha);
    for (size_t i = 0; i < count; i++)
        if (run.marks[i] && add_digest(&sha, object_at(&run, i), run.parts[i], err))
            return err->code;
    ax_sha256_text(&sha, ret_digest);
    return AX_OK;
}

/* ---- printing ---- */

static void put_title(struct ax_buf *out, const struct ax_lineage_node *node)
{
    (void)ax_buf_append_str(out, node->name);
    if (node->part.len) {
        (void)ax_buf_append_char(out, '.');
        (void)ax_buf_append_str(out, node->part);
    }
}

bool ax_lineage_means(struct ax_str pattern, struct ax_str path)
{
    char *pattern_text = ax_xmemdup0(pattern.ptr, pattern.len);
    char *path_text = ax_xmemdup0(path.ptr, path.len);
    /* "**" crosses folders, which fnmatch lets every '*' do or none. */
    int flags = strstr(pattern_text, "**") ? 0 : FNM_PATHNAME;
    bool means = ax_str_equals(pattern, path) || fnmatch(pattern_text, path_text, flags) == 0;
    free(pattern_text);
    free(path_text);
    return means;
}

void ax_lineage_put_name(struct ax_buf *out, const struct ax_lineage_node *node)
{
    (void)ax_buf_append_str(out, node->kind);
    (void)ax_buf_append_char(out, ' ');
    put_title(out, node);
    if (node->note.len)
        ax_buf_printf(out, " (versions %.*s)", AX_STR_ARG(node->note));
}

/* A text of Graphviz: backslash and quote are escaped, a line stays one. */
static void put_dot_text(struct ax_buf *out, struct ax_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            (void)ax_buf_append_char(out, '\\');
        (void)ax_buf_append_char(out, (unsigned char)text.ptr[i] < ' ' ? ' ' : text.ptr[i]);
    }
}

static const char *dot_shape(struct ax_str kind)
{
    enum ax_registry_kind known;
    if (!ax_registry_kind_find(kind, &known))
        return "note";
    static const char *const shapes[AX_REGISTRY_KIND_COUNT] = {
        [AX_REGISTRY_ENTITY] = "ellipse",  [AX_REGISTRY_SOURCE] = "cylinder",
        [AX_REGISTRY_VIEW] = "box",        [AX_REGISTRY_SERVICE] = "box3d",
        [AX_REGISTRY_MODEL] = "component",
    };
    return shapes[known];
}

void ax_lineage_put_dot(struct ax_buf *out, const struct ax_lineage *lineage)
{
    struct ax_buf title;
    ax_buf_init(&title, KEY_BYTES_MAX);
    (void)ax_buf_append_str(out, AX_STR("digraph lineage {\n  rankdir=LR;\n"));
    for (size_t i = 0; i < lineage->node_count; i++) {
        const struct ax_lineage_node *node = &lineage->nodes[i];
        ax_buf_reset(&title);
        put_title(&title, node);
        ax_buf_printf(out, "  n%zu [shape=%s, label=\"", i, dot_shape(node->kind));
        put_dot_text(out, node->kind);
        (void)ax_buf_append_str(out, AX_STR("\\n"));
        put_dot_text(out, ax_buf_str(&title));
        if (node->note.len) {
            (void)ax_buf_append_str(out, AX_STR("\\nversions "));
            put_dot_text(out, node->note);
        }
        (void)ax_buf_append_str(out, AX_STR("\"];\n"));
    }
    for (size_t i = 0; i < lineage->edge_count; i++)
        ax_buf_printf(out, "  n%zu -> n%zu;\n", lineage->edges[i].from, lineage->edges[i].to);
    (void)ax_buf_append_str(out, AX_STR("}\n"));
    ax_buf_done(&title);
}

void ax_lineage_put_json(struct ax_buf *out, const struct ax_lineage *lineage)
{
    (void)ax_buf_append_str(out, AX_STR("{\"nodes\":["));
    for (size_t i = 0; i < lineage->node_count; i++) {
        const struct ax_lineage_node *node = &lineage->nodes[i];
        (void)ax_buf_append_str(out, i ? AX_STR(",{") : AX_STR("{"));
        ax_json_put_member(out, "kind", node->kind);
        ax_json_put_member(out, "name", node->name);
        if (node->part.len)
            ax_json_put_member(out, "feature", node->part);
        if (node->note.len)
            ax_json_put_member(out, "versions", node->note);
        (void)ax_buf_append_char(out, '}');
    }
    (void)ax_buf_append_str(out, AX_STR("],\"edges\":["));
    for (size_t i = 0; i < lineage->edge_count; i++)
        ax_buf_printf(out, "%s{\"from\":%zu,\"to\":%zu}", i ? "," : "", lineage->edges[i].from,
                      lineage->edges[i].to);
    (void)ax_buf_append_str(out, AX_STR("]}\n"));
}
