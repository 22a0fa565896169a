/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of mathematics: the C library's, one value at a time, as DuckDB calls them too, so that
 * both give the same last bit. Outside of a function's domain it is null.
 */
#include "data/expr/function_rules.h"

#include <math.h>

#define PLACES_MAX 400 /* more change nothing */

#define SETTLED(value, may_be_infinite)                                            \
    "CASE WHEN isfinite(" value ") THEN " value " + 0.0::DOUBLE WHEN isinf(" value \
    ") AND (" may_be_infinite ") THEN " value " END"
#define WHERE(condition, value) "CASE WHEN " condition " THEN " value " + 0.0::DOUBLE END"

/* DuckDB multiplies by these. */
#define DEGREES_OF(x) ((x) * (180 / M_PI))
#define RADIANS_OF(x) ((x) * (M_PI / 180))

/* Of one float64. */
#define FUNCTION_LIST(X)   \
    X(abs, fabs)           \
    X(ceil, ceil)          \
    X(floor, floor)        \
    X(trunc, trunc)        \
    X(round, round)        \
    X(sqrt, sqrt)          \
    X(cbrt, cbrt)          \
    X(exp, exp)            \
    X(sin, sin)            \
    X(cos, cos)            \
    X(tan, tan)            \
    X(asin, asin)          \
    X(acos, acos)          \
    X(atan, atan)          \
    X(degrees, DEGREES_OF) \
    X(radians, RADIANS_OF)

#define X(name, function)                                                    \
    static enum ax_code run_##name(struct ax_call *call, struct ax_err *err) \
    {                                                                        \
        const double *x = call->args[0]->f64s;                               \
        (void)err;                                                           \
        for (size_t row = 0; row < call->rows; row++)                        \
            call->out->f64s[row] = function(x[row]);                         \
        ax_call_settle(call);                                                \
        return AX_OK;                                                        \
    }
FUNCTION_LIST(X)
#undef X

/* Logarithms of 0 are infinities of a finite argument, which is null, as are those below. */
#define X(name)                                                              \
    static enum ax_code run_##name(struct ax_call *call, struct ax_err *err) \
    {                                                                        \
        const double *x = call->args[0]->f64s;                               \
        (void)err;                                                           \
        for (size_t row = 0; row < call->rows; row++)                        \
            call->out->f64s[row] = name(x[row]);                             \
        ax_call_settle(call);                                                \
        return AX_OK;                                                        \
    }
X(log)
X(log10)
X(log2)
#undef X

/* Of two. */
#define X(name)                                                              \
    static enum ax_code run_##name(struct ax_call *call, struct ax_err *err) \
    {                                                                        \
        const double *x = call->args[0]->f64s;                               \
        const double *y = call->args[1]->f64s;                               \
        (void)err;                                                           \
        for (size_t row = 0; row < call->rows; row++)                        \
            call->out->f64s[row] = name(x[row], y[row]);                     \
        ax_call_settle(call);                                                \
        return AX_OK;                                                        \
    }
X(pow)
X(atan2)
#undef X

static enum ax_code run_abs_i64(struct ax_call *call, struct ax_err *err)
{
    const int64_t *x = call->args[0]->i64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        if (x[row] == INT64_MIN)
            ax_values_set_null(call->out, row);
        else
            call->out->i64s[row] = x[row] < 0 ? -x[row] : x[row];
    }
    return AX_OK;
}

static enum ax_code run_sign_i64(struct ax_call *call, struct ax_err *err)
{
    const int64_t *x = call->args[0]->i64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->i64s[row] = (x[row] > 0) - (x[row] < 0);
    return AX_OK;
}

static enum ax_code run_sign_f64(struct ax_call *call, struct ax_err *err)
{
    const double *x = call->args[0]->f64s;
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->i64s[row] = (x[row] > 0) - (x[row] < 0);
    return AX_OK;
}

/* A half away from zero, after a multiplication that rounds too; so does DuckDB. Where the power of
 * ten is too large, there is nothing to round, or nothing left. Rounding up beyond float64 is
 * infinite, which becomes null (DuckDB gives 0). */
static double round_to(double x, bool up, double scale)
{
    double rounded = up ? round(x / scale) * scale : round(x * scale) / scale;
    if (isfinite(rounded) || (up && isfinite(scale)))
        return rounded;
    return up && isfinite(x) ? 0 : x;
}

static enum ax_code run_round_to(struct ax_call *call, struct ax_err *err)
{
    const double *x = call->args[0]->f64s;
    const int64_t *places = call->args[1]->i64s;
    int64_t last = 0;
    double scale = 1;
    (void)err;
    for (size_t row = 0; row < call->rows; row++) {
        /* pow costs most of it, and places are the same nearly always. */
        if (places[row] != last) {
            last = places[row];
            scale = pow(10, fabs((double)AX_MAX(AX_MIN(last, PLACES_MAX), -PLACES_MAX)));
        }
        call->out->f64s[row] = round_to(x[row], last < 0, scale);
    }
    ax_call_settle(call);
    return AX_OK;
}

static enum ax_code run_pi(struct ax_call *call, struct ax_err *err)
{
    (void)err;
    for (size_t row = 0; row < call->rows; row++)
        call->out->f64s[row] = M_PI;
    return AX_OK;
}

#define OF_F64 .params = { AX_PARAM_FLOAT64 }, .param_count = 1, .result = AX_PARAM_FLOAT64
#define OF_TWO \
    .params = { AX_PARAM_FLOAT64, AX_PARAM_FLOAT64 }, .param_count = 2, .result = AX_PARAM_FLOAT64

const struct ax_function ax_functions_math[] = {
    { .name = "abs",
      .params = { AX_PARAM_INT64 },
      .param_count = 1,
      .result = AX_PARAM_INT64,
      .run = run_abs_i64,
      .duckdb = "CASE WHEN $1 <> -9223372036854775808 THEN abs($1) END",
      .about = "The number without its sign; null when it does not fit.",
      .examples = { { "abs(-3)", "3" } } },
    { .name = "abs",
      OF_F64,
      .run = run_abs,
      .duckdb = "abs($1)",
      .about = "The number without its sign.",
      .examples = { { "abs(-0.5)", "0.5" } } },
    { .name = "abs",
      .params = { AX_PARAM_DURATION },
      .param_count = 1,
      .result = AX_PARAM_DURATION,
      .run = run_abs_i64,
      .duckdb = "CASE WHEN $1 <> -9223372036854775808 THEN abs($1) END",
      .about = "The duration without its sign.",
      .examples = { { "abs(-(1h)) = 1h", "true" } } },
    { .name = "sign",
      .params = { AX_PARAM_INT64 },
      .param_count = 1,
      .result = AX_PARAM_INT64,
      .run = run_sign_i64,
      .duckdb = "sign($1)",
      .about = "-1, 0 or 1.",
      .examples = { { "sign(-3)", "-1" } } },
    { .name = "sign",
      .params = { AX_PARAM_FLOAT64 },
      .param_count = 1,
      .result = AX_PARAM_INT64,
      .run = run_sign_f64,
      .duckdb = "sign($1)",
      .about = "-1, 0 or 1.",
      .examples = { { "sign(0.5)", "1" } } },
    { .name = "ceil",
      OF_F64,
      .run = run_ceil,
      .duckdb = "ceil($1) + 0.0::DOUBLE",
      .about = "The next whole number that is not less.",
      .examples = { { "ceil(1.2)", "2.0" } } },
    { .name = "floor",
      OF_F64,
      .run = run_floor,
      .duckdb = "floor($1) + 0.0::DOUBLE",
      .about = "The next whole number that is not greater.",
      .examples = { { "floor(-1.2)", "-2.0" } } },
    { .name = "trunc",
      OF_F64,
      .run = run_trunc,
      .duckdb = "trunc($1) + 0.0::DOUBLE",
      .about = "The number without its fraction.",
      .examples = { { "trunc(-1.7)", "-1.0" } } },
    { .name = "round",
      OF_F64,
      .run = run_round,
      .duckdb = "round($1) + 0.0::DOUBLE",
      .about = "The nearest whole number, a half away from zero.",
      .examples = { { "round(2.5)", "3.0" }, { "round(-2.5)", "-3.0" } } },
    { .name = "round",
      .params = { AX_PARAM_FLOAT64, AX_PARAM_INT64 },
      .param_count = 2,
      .result = AX_PARAM_FLOAT64,
      .run = run_round_to,
      .duckdb = "CASE WHEN isinf($1) AND $2 IS NOT NULL THEN $1 "
                "WHEN abs($1) >= 1e308::DOUBLE AND $2 BETWEEN -308 AND -1 AND "
                "round($1, $2::INTEGER) = 0 THEN NULL WHEN $2 IS NOT NULL THEN "
                "round($1, greatest(least($2, 400), -400)::INTEGER) + 0.0::DOUBLE END",
      .about =
          "Rounded to so many decimal places, by multiplying and dividing in float64, whose last "
          "digits may change; below 0: to tens, hundreds and so on; null where that is beyond "
          "float64.",
      .examples = { { "round(2.345, 1)", "2.3" }, { "round(1234, -2)", "1200.0" } } },
    { .name = "sqrt",
      OF_F64,
      .run = run_sqrt,
      .duckdb = WHERE("$1 >= 0", "sqrt($1)"),
      .about = "The square root; null below 0.",
      .examples = { { "sqrt(2)", "1.4142135623730951" }, { "sqrt(-1)", "null" } } },
    { .name = "cbrt",
      OF_F64,
      .run = run_cbrt,
      .duckdb = "cbrt($1) + 0.0::DOUBLE",
      .about = "The cube root.",
      .examples = { { "cbrt(8)", "2.0" } } },
    { .name = "exp",
      OF_F64,
      .run = run_exp,
      .duckdb = SETTLED("exp($1)", "isinf($1)"),
      .about = "e to this power.",
      .examples = { { "exp(1)", "2.718281828459045" }, { "exp(1000)", "null" } } },
    { .name = "ln",
      OF_F64,
      .run = run_log,
      .duckdb = WHERE("$1 > 0", "ln($1)"),
      .about = "The natural logarithm; null for 0 and below.",
      .examples = { { "ln(1)", "0.0" }, { "ln(0)", "null" } } },
    { .name = "log10",
      OF_F64,
      .run = run_log10,
      .duckdb = WHERE("$1 > 0", "log10($1)"),
      .about = "The logarithm to base 10; null for 0 and below.",
      .examples = { { "log10(1000)", "3.0" } } },
    { .name = "log2",
      OF_F64,
      .run = run_log2,
      .duckdb = WHERE("$1 > 0", "log2($1)"),
      .about = "The logarithm to base 2; null for 0 and below.",
      .examples = { { "log2(8)", "3.0" } } },
    { .name = "pow",
      OF_TWO,
      .run = run_pow,
      .duckdb = SETTLED("pow($1, $2)", "isinf($1) OR isinf($2)"),
      .about = "The first to the power of the second; null where there is none.",
      .examples = { { "pow(2, 10)", "1024.0" }, { "pow(-1, 0.5)", "null" } } },
    { .name = "sin",
      OF_F64,
      .run = run_sin,
      .duckdb = WHERE("isfinite($1)", "sin($1)"),
      .about = "The sine of an angle in radians.",
      .examples = { { "sin(0)", "0.0" } } },
    { .name = "cos",
      OF_F64,
      .run = run_cos,
      .duckdb = WHERE("isfinite($1)", "cos($1)"),
      .about = "The cosine of an angle in radians.",
      .examples = { { "cos(0)", "1.0" } } },
    { .name = "tan",
      OF_F64,
      .run = run_tan,
      .duckdb = WHERE("isfinite($1)", "tan($1)"),
      .about = "The tangent of an angle in radians.",
      .examples = { { "tan(0)", "0.0" } } },
    { .name = "asin",
      OF_F64,
      .run = run_asin,
      .duckdb = WHERE("$1 BETWEEN -1 AND 1", "asin($1)"),
      .about = "The angle in radians whose sine this is; null outside of -1 to 1.",
      .examples = { { "asin(1)", "1.5707963267948966" } } },
    { .name = "acos",
      OF_F64,
      .run = run_acos,
      .duckdb = WHERE("$1 BETWEEN -1 AND 1", "acos($1)"),
      .about = "The angle in radians whose cosine this is; null outside of -1 to 1.",
      .examples = { { "acos(1)", "0.0" }, { "acos(2)", "null" } } },
    { .name = "atan",
      OF_F64,
      .run = run_atan,
      .duckdb = "atan($1) + 0.0::DOUBLE",
      .about = "The angle in radians whose tangent this is.",
      .examples = { { "atan(1)", "0.7853981633974483" } } },
    { .name = "atan2",
      OF_TWO,
      .run = run_atan2,
      .duckdb = "atan2($1, $2) + 0.0::DOUBLE",
      .about = "The angle in radians of the point whose y comes first and whose x second.",
      .examples = { { "atan2(1, -1)", "2.356194490192345" } } },
    { .name = "degrees",
      OF_F64,
      .run = run_degrees,
      .duckdb = SETTLED("degrees($1)", "isinf($1)"),
      .about = "Radians as degrees.",
      .examples = { { "degrees(pi())", "180.0" } } },
    { .name = "radians",
      OF_F64,
      .run = run_radians,
      .duckdb = "radians($1) + 0.0::DOUBLE",
      .about = "Degrees as radians.",
      .examples = { { "radians(180)", "3.141592653589793" } } },
    { .name = "pi",
      .result = AX_PARAM_FLOAT64,
      .run = run_pi,
      .duckdb = "pi()",
      .about = "The number pi.",
      .examples = { { "pi()", "3.141592653589793" } } },
};

const size_t ax_functions_math_count = AX_COUNT(ax_functions_math);
