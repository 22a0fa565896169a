/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a dataset snapshot: what is in its rows and where they came from, as one JSON
 * object. What its members mean is told in docs/internals/dataset-snapshots.md.
 *
 * A manifest that is read comes from outside: it is checked, and texts of it may hold anything.
 */
#ifndef AX_PIPELINE_DATASET_MANIFEST_H
#define AX_PIPELINE_DATASET_MANIFEST_H

#include "base/json.h"
#include "pipeline/dataset_content.h"
#include "pipeline/dataset_file.h"

#define AX_DATASET_FORMAT 1

/* A file, or an SQL text, that rows were made from. */
struct ax_dataset_source {
    struct ax_str whose; /* "rows", "source weather" */
    struct ax_str path;  /* absolute; empty: an SQL text that stands in a definition */
    uint64_t bytes;
    char digest[AX_SHA256_TEXT_SIZE];
};

enum ax_dataset_maker { AX_DATASET_BY_FILE, AX_DATASET_BY_HISTORY };

/* How rows were made. Texts are borrowed; those of a history are empty for a file. */
struct ax_dataset_origin {
    enum ax_dataset_maker by;
    struct ax_str from; /* the file; of a history the file of its rows or of their SQL */
    struct ax_str service;
    struct ax_str at;
    bool as_known;
    struct ax_str definitions;       /* folder */
    struct ax_str definition_digest; /* of the service, with all that it is made from */
    const struct ax_dataset_source *sources;
    size_t source_count;
};

/* Append the manifest, with the moment `created_us` and the version of auspex. */
void ax_dataset_manifest_put(const struct ax_dataset_content *content,
                             const struct ax_dataset_file *file,
                             const struct ax_dataset_origin *origin, int64_t created_us,
                             struct ax_buf *out);

/* A manifest as it was read; texts are the document's. */
struct ax_dataset_manifest {
    struct ax_json_doc *doc;
    struct ax_str digest; /* 64 lower-case hex digits, as the next two */
    struct ax_str content;
    struct ax_str file_digest;
    uint64_t rows;
    uint64_t bytes;                /* of the file of rows */
    struct ax_str created_at;      /* RFC 3339 */
    const struct ax_json *made;    /* object */
    const struct ax_json *columns; /* array of objects, each with "name" and "type" */
    const struct ax_json *sources; /* array of objects */
};

/* Expected: INVALID (names the member), UNSUPPORTED (a newer format), LIMIT. */
AX_MUST_USE enum ax_code ax_dataset_manifest_parse(struct ax_str text,
                                                   struct ax_dataset_manifest *ret_manifest,
                                                   struct ax_err *err);
void ax_dataset_manifest_done(struct ax_dataset_manifest *manifest);

/* Whether what was measured is what the manifest says: rows, digests, schema, each statistic.
 * Expected: INVALID ("column 'x': max is 7, the manifest says 8"). */
AX_MUST_USE enum ax_code ax_dataset_manifest_compare(const struct ax_dataset_manifest *manifest,
                                                     const struct ax_dataset_content *content,
                                                     struct ax_err *err);

/* Whether it is 64 lower-case hex digits. */
AX_MUST_USE bool ax_dataset_is_digest(struct ax_str text);

#endif
