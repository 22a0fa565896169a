/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reading feature definitions costs: files, names, expressions, checks, and digests.
 *
 *     build/release/bench/definitions [VIEWS [FIELDS]]    # 2000 views of 50 fields
 *
 * The definitions are made up: a hundred views a file, ten sources of 40 columns for them, half of
 * the fields conditions and half of them windows, and a service of 40 views a file. Processor time
 * of one thread, the least of five times. What was read is counted before time is told.
 */
#include "base/clock.h"
#include "base/file.h"
#include "feature/definitions.h"
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { VIEWS_A_FILE = 100, SOURCES = 10, COLUMNS = 40, ROLES = 40, TIMES = 5 };

static void put_sources(struct ax_buf *out, size_t file)
{
    (void)ax_buf_printf(out, "auspex: 1\nentities:\n  e%zu: {keys: {k: string}}\nsources:\n", file);
    for (size_t s = 0; s < SOURCES; s++) {
        (void)ax_buf_printf(out,
                            "  s%zu_%zu: {files: a.csv, time: t, event_id: id, columns: {k: "
                            "string, t: timestamp, id: string",
                            file, s);
        for (size_t c = 0; c < COLUMNS; c++)
            (void)ax_buf_printf(out, ", c%zu: float64", c);
        (void)ax_buf_append_str(out, AX_STR("}}\n"));
    }
}

static void put_view(struct ax_buf *out, size_t file, size_t view, size_t fields)
{
    (void)ax_buf_printf(out, "  v%zu_%zu:\n    entity: e%zu\n    source: s%zu_%zu\n    fields:\n",
                        file, view, file, file, view % SOURCES);
    for (size_t f = 0; f < fields; f++) {
        size_t a = f % COLUMNS, b = (f + 3) % COLUMNS;
        if (view % 2)
            (void)ax_buf_printf(out, "      f%zu: avg(c%zu) over %zuh\n", f, a, 1 + f % 24);
        else
            (void)ax_buf_printf(out, "      f%zu: case when c%zu > %zu then c%zu * 2 end\n", f, a,
                                f, b);
    }
}

static void write_file(const char *folder, size_t file, size_t views, size_t fields)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf text;
    char path[256];
    ax_buf_init(&text, (size_t)64 << 20);
    put_sources(&text, file);
    (void)ax_buf_append_str(&text, AX_STR("views:\n"));
    for (size_t v = 0; v < views; v++)
        put_view(&text, file, v, fields);
    (void)ax_buf_printf(&text, "services:\n  z%zu:\n    features:\n", file);
    for (size_t v = 0; v < AX_MIN(views, (size_t)ROLES); v++)
        (void)ax_buf_printf(&text, "      - {view: v%zu_%zu, as: r%zu}\n", file, v, v);
    (void)snprintf(path, sizeof(path), "%s/f%03zu.yaml", folder, file);
    if (text.failed || ax_file_replace(path, ax_buf_str(&text), &err))
        die("the definitions cannot be written");
    ax_buf_done(&text);
}

/* Nanoseconds of reading, and of the digests of all views. */
static void read_once(const char *folder, size_t views, uint64_t *ret_read, uint64_t *ret_digests)
{
    struct ax_definitions definitions;
    struct ax_err err = AX_ERR_INIT;
    char digest[AX_SHA256_TEXT_SIZE];
    uint64_t began = ax_clock_thread_ns();
    if (ax_definitions_read(folder, &definitions, &err))
        die(err.msg);
    uint64_t was_read = ax_clock_thread_ns();
    for (size_t i = 0; i < definitions.view_count; i++)
        if (ax_definition_digest(AX_DEFINITION_VIEW, &definitions.views[i], digest, &err))
            die(err.msg);
    uint64_t ended = ax_clock_thread_ns();
    if (definitions.view_count != views || definitions.warning_count)
        die("other definitions were read than were written");
    *ret_read = AX_MIN(*ret_read, was_read - began);
    *ret_digests = AX_MIN(*ret_digests, ended - was_read);
    ax_definitions_done(&definitions);
}

int main(int argc, char **argv)
{
    size_t views = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
    size_t fields = argc > 2 ? strtoul(argv[2], NULL, 10) : 50;
    uint64_t read_ns = UINT64_MAX, digests_ns = UINT64_MAX;
    struct ax_err err = AX_ERR_INIT;
    char folder[] = "/tmp/auspex-bench-XXXXXX";
    if (!views || !fields || !mkdtemp(folder))
        die("usage: definitions [VIEWS [FIELDS]]");
    for (size_t v = 0; v < views; v += VIEWS_A_FILE)
        write_file(folder, v / VIEWS_A_FILE, AX_MIN(views - v, (size_t)VIEWS_A_FILE), fields);
    for (int i = 0; i < TIMES; i++)
        read_once(folder, views, &read_ns, &digests_ns);
    if (ax_file_remove_tree(folder, &err))
        die(err.msg);
    (void)printf("%zu views of %zu fields: read in %.0f ms (%.2f us a field), digests %.0f ms\n",
                 views, fields, (double)read_ns / 1e6,
                 (double)read_ns / 1e3 / (double)(views * fields), (double)digests_ns / 1e6);
    return 0;
}
