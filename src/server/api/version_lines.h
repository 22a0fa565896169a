/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scrape shows of each version that has an account of its own, besides its series: read
 * once, a version at a time, and printed once a family.
 *
 * The accounts are held until it is over, so nothing moves from one to another meanwhile, and the
 * sums over the families of a scrape are exact (base/metric.h). Everything is done in steps.
 */
#ifndef AX_SERVER_API_VERSION_LINES_H
#define AX_SERVER_API_VERSION_LINES_H

#include "server/catalog.h"

struct ax_version_line {
    const struct ax_account *account;
    struct ax_account_reading reading;
    /* As the catalog has it. */
    bool is_listed, is_ready;
    enum ax_version_state state;
    size_t resident_bytes;
    uint64_t load_ns, warm_up_ns;
};

struct ax_version_lines {
    struct ax_account **accounts; /* referenced from `dropped` on */
    size_t account_count;
    size_t read, dropped; /* of them */
    struct ax_version_line *lines;
    size_t count;
    size_t family, at; /* what is printed next, of the families of one call */
};

/* A family whose lines are made of version lines; `read` or `print`. */
struct ax_version_family {
    const struct ax_metric_family *family;
    bool is_of_ready; /* only versions that are ready have a line */
    uint64_t (*read)(const struct ax_version_line *line);
    void (*print)(struct ax_buf *out, const struct ax_metric_family *family,
                  const struct ax_version_line *line);
};

/* Zeroed before. With them comes the scrape of their series. */
void ax_version_lines_begin(struct ax_version_lines *lines, struct ax_metric_scrape **ret_scrape);
/* Gives everything back at once that was not yet. Zeroed is fine. */
void ax_version_lines_done(struct ax_version_lines *lines);

/* Read on: as many as a step may. True: all are read. */
bool ax_version_lines_read(struct ax_version_lines *lines, const struct ax_catalog *catalog);

/* Print on, about `bytes`; true: these families are printed, and others may be. */
bool ax_version_lines_print(struct ax_version_lines *lines,
                            const struct ax_version_family *families, size_t family_count,
                            struct ax_buf *out, size_t bytes);

/* Let accounts go, as many as a step may. True: all are. */
bool ax_version_lines_drop(struct ax_version_lines *lines);

/* For print: `name{model="m",version="1",` `more` `} `; `more` may be empty. */
void ax_version_line_print_name(struct ax_buf *out, const struct ax_metric_family *family,
                                const struct ax_version_line *line, struct ax_str more);

/* For print, the whole line: so many nanoseconds in seconds, to the microsecond. */
void ax_version_line_print_seconds(struct ax_buf *out, const struct ax_metric_family *family,
                                   const struct ax_version_line *line, uint64_t ns);

#endif
