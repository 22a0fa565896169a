/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words and examples of the aggregates, in a table.
 */
#include "data/expr/aggregate_about.h"

#include <assert.h>

#define ANY     "T"
#define NUMBERS "int64, float64 or bool"

static const struct ax_aggregate_about abouts[AX_AGGREGATE_COUNT_OF] = {
    [AX_AGGREGATE_COUNT] = { "count(x)",
                             ANY,
                             "int64",
                             "0",
                             "How many values there are; `count(*)` counts the events.",
                             { { "count(*) over 3h", "4" },
                               { "count(delay) over 3h", "3" },
                               { "count(*) over 1h", "2" } } },
    [AX_AGGREGATE_SUM] = { "sum(x)",
                           "int64, float64, bool or duration",
                           "int64, float64, int64 or duration",
                           "null",
                           "The sum; a true counts 1. Whole numbers are summed exactly, and null "
                           "when the sum does not fit; a float64 is the exact sum, rounded once, "
                           "whatever the order of the events.",
                           { { "sum(delay) over 3h", "60.0" },
                             { "sum(delay) filter (where dest = 'SFO') over 3h", "null" } } },
    [AX_AGGREGATE_AVG] = { "avg(x)",
                           NUMBERS,
                           "float64",
                           "null",
                           "The mean: the exact sum divided by how many values there are.",
                           { { "avg(delay) over 3h", "20.0" },
                             { "avg(delay > 15) over 24h", "0.5" } } },
    [AX_AGGREGATE_MIN] = { "min(x)",
                           ANY,
                           "T",
                           "null",
                           "The least value; texts are compared by their bytes.",
                           { { "min(delay) over 24h", "0.0" },
                             { "min(dest) over 24h", "'BOS'" } } },
    [AX_AGGREGATE_MAX] = { "max(x)",
                           ANY,
                           "T",
                           "null",
                           "The greatest value; texts are compared by their bytes.",
                           { { "max(delay) over 24h", "40.0" },
                             { "max(dest) over 24h", "'LAX'" } } },
    [AX_AGGREGATE_STDDEV] = { "stddev(x)",
                              NUMBERS,
                              "float64",
                              "null",
                              "The deviation of a sample (n − 1); null for one value too.",
                              { { "stddev(delay) over 3h", "20.0" },
                                { "stddev(delay) over 10m", "null" } } },
    [AX_AGGREGATE_VAR] = { "var(x)",
                           NUMBERS,
                           "float64",
                           "null",
                           "The variance of a sample (n − 1); null for one value too.",
                           { { "var(delay) over 3h", "400.0" } } },
    [AX_AGGREGATE_FIRST] = { "first(x)",
                             ANY,
                             "T",
                             "null",
                             "The oldest value; of events of one time that with the least id.",
                             { { "first(delay) over 3h", "40.0" } } },
    [AX_AGGREGATE_LAST] = { "last(x)",
                            ANY,
                            "T",
                            "null",
                            "The newest value; of events of one time that with the greatest id.",
                            { { "last(delay) over 3h", "0.0" },
                              { "last(dest) filter (where delay > 0) over 3h", "'LAX'" } } },
    [AX_AGGREGATE_LAST_N] = { "last_n(x, n)",
                              ANY,
                              "list<T>",
                              "null",
                              "The newest values, the newest first; n is a constant from 1 to "
                              "1,024.",
                              { { "last_n(delay, 2) over 24h", "[0.0, 20.0]" },
                                { "last_n(dest, 9) over 3h", "['BOS', 'LAX', 'LAX']" } } },
    [AX_AGGREGATE_COUNT_DISTINCT] = { "count_distinct(x)",
                                      ANY,
                                      "int64",
                                      "0",
                                      "How many different values there are: exact to 256, beyond "
                                      "that by HyperLogLog (1,024 registers, 3.3 %).",
                                      { { "count_distinct(dest) over 24h", "2" } } },
    [AX_AGGREGATE_APPROX_QUANTILE] = { "approx_quantile(x, q)",
                                       "int64 or float64",
                                       "float64",
                                       "null",
                                       "A value within 1 % of the one of rank ⌊q (n − 1)⌋, "
                                       "counted from 0; q is a constant from 0 to 1.",
                                       { { "round(approx_quantile(delay, 0.5) over 24h)",
                                           "10.0" } } },
    [AX_AGGREGATE_TOP_K] = { "top_k(x, k)",
                             ANY,
                             "list<T>",
                             "null",
                             "The most frequent values, the most frequent first and equally "
                             "frequent ones by value; k is a constant from 1 to 1,024. Exact; null "
                             "where a window holds over 256 different values.",
                             { { "top_k(dest, 1) over 24h", "['BOS']" } } },
};

static const struct ax_aggregate_event events[] = {
    { "1", "2013-10-01T09:00:00Z", "10", "BOS" }, { "2", "2013-10-01T10:00:00Z", "40", "LAX" },
    { "3", "2013-10-01T11:00:00Z", "", "" },      { "4", "2013-10-01T11:30:00Z", "20", "LAX" },
    { "5", "2013-10-01T12:00:00Z", "0", "BOS" },
};

const struct ax_aggregate_about *ax_aggregate_about(enum ax_aggregate_kind kind)
{
    assert(kind < AX_AGGREGATE_COUNT_OF);
    return &abouts[kind];
}

const struct ax_aggregate_event *ax_aggregate_events(size_t *ret_count)
{
    assert(ret_count);
    *ret_count = AX_COUNT(events);
    return events;
}
