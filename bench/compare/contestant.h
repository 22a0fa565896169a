/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A contestant: an engine with one loaded model, ours or a peer's, as the driver times it.
 *
 * A kind is a const table of functions, one adapter file each. Models have one margin a row. All of
 * it runs in one thread. Nothing here recovers: what fails ends the program with one line, and
 * bench/compare/run, which tries each contestant alone first, leaves that one out and says why.
 */
#ifndef AX_BENCH_COMPARE_CONTESTANT_H
#define AX_BENCH_COMPARE_CONTESTANT_H

#include "base/alloc.h"
#include "base/compiler.h"
#include "data/batch.h"

#define COMPARE_BATCH_MAX ((size_t)1 << 16)

/* Rows row by row, the same numbers in both widths. */
struct compare_rows {
    size_t features;
    size_t count;
    const float *narrow;
    const double *wide;
};

struct contestant { /* each kind's instance begins with one */
    const struct contestant_kind *kind;
    const struct compare_rows *rows; /* outlive the contestant */
    enum ax_datatype row_type;       /* FP32 or FP64: what predict reads */
    enum ax_datatype margin_type;    /* FP32 or FP64: what predict writes */
};

struct contestant_kind {
    const char *name;

    /* Load the model that `words` name (ended by NULL; each kind says which there are). */
    struct contestant *(*open)(char **words, const struct compare_rows *rows);

    /* Score `count` rows that begin at `values` (in row_type) into `margins` (in margin_type). */
    void (*predict)(struct contestant *contestant, const void *values, size_t count, void *margins);

    /* (optional, in place of predict) For what runs in another process: score calls of `batch` rows
     * for about `ns` and tell the nanoseconds a row; and write the margins of the first `count`
     * rows, scored `batch` at a time, to the file `path`. */
    double (*slice)(struct contestant *contestant, size_t batch, uint64_t ns);
    void (*write_margins)(struct contestant *contestant, size_t count, size_t batch,
                          const char *path);
};

extern const struct contestant_kind contestant_auspex;
extern const struct contestant_kind contestant_compiled;
extern const struct contestant_kind contestant_lightgbm;
extern const struct contestant_kind contestant_onnx;
extern const struct contestant_kind contestant_worker;
extern const struct contestant_kind contestant_xgboost;

/* For kinds. End the program with one line. */
_Noreturn void compare_die(const char *fmt, ...) AX_PRINTF(1, 2);

/* The bytes of a file, with a 0 behind them; the caller frees. */
char *compare_read_file(const char *path, size_t *ret_size);

/* Open a library, and find its function `name`; POSIX has data pointers hold functions, ISO C has
 * no cast for it, hence the target's address. */
void *compare_open_library(const char *path);
void compare_find(void *library, const char *name, void *ret_function);

#endif
