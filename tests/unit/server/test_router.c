/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: each path finds its endpoint, with model and version taken from it, and no other path does.
 * Method: a table of paths against the server's own table of endpoints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/router.h"

/* The first endpoint that matches, or NULL. */
static const struct ax_endpoint *find(struct ax_str path, enum ax_http_method method,
                                      struct ax_call *call)
{
    for (const struct ax_endpoint *e = ax_endpoints; e->pattern; e++) {
        *call = (struct ax_call){ 0 };
        if (e->method == method && ax_endpoint_matches(e, path, call))
            return e;
    }
    return NULL;
}

static void test_found(void **state)
{
    static const struct {
        enum ax_http_method method;
        const char *path, *pattern, *model, *version;
    } cases[] = {
        { AX_HTTP_GET, "/v2", "/v2", "", "" },
        { AX_HTTP_GET, "/v2/health/live", "/v2/health/live", "", "" },
        { AX_HTTP_GET, "/v2/models", "/v2/models", "", "" },
        { AX_HTTP_GET, "/v2/models/m", "/v2/models/{m}", "m", "" },
        { AX_HTTP_GET, "/v2/models/a b", "/v2/models/{m}", "a b", "" },
        { AX_HTTP_GET, "/v2/models/ready", "/v2/models/{m}", "ready", "" },
        { AX_HTTP_GET, "/v2/models/ready/ready", "/v2/models/{m}/ready", "ready", "" },
        { AX_HTTP_GET, "/v2/models/stats", "/v2/models/stats", "", "" },
        { AX_HTTP_GET, "/v2/models/stats/stats", "/v2/models/{m}/stats", "stats", "" },
        { AX_HTTP_GET, "/v2/models/m/versions/3/stats", "/v2/models/{m}/versions/{v}/stats", "m",
          "3" },
        { AX_HTTP_GET, "/v2/models/m/versions/3", "/v2/models/{m}/versions/{v}", "m", "3" },
        { AX_HTTP_GET, "/v2/models/versions/versions/versions", "/v2/models/{m}/versions/{v}",
          "versions", "versions" },
        { AX_HTTP_POST, "/v2/models/m/infer", "/v2/models/{m}/infer", "m", "" },
        { AX_HTTP_POST, "/v2/models/m/versions/3/infer", "/v2/models/{m}/versions/{v}/infer", "m",
          "3" },
        { AX_HTTP_POST, "/v1/models/m/predict", "/v1/models/{m}/predict", "m", "" },
        { AX_HTTP_POST, "/v2/models/m/trace/setting", "/v2/models/{m}/trace/setting", "m", "" },
        { AX_HTTP_POST, "/v2/cudasharedmemory/region/a b/register",
          "/v2/cudasharedmemory/region/{r}/register", "", "" },
        { AX_HTTP_GET, "/metrics", "/metrics", "", "" },
        { AX_HTTP_GET, "/", "/", "", "" },
        { AX_HTTP_POST, "/v1/models/m:predict", "/v1/models/{m}:predict", "m", "" },
        { AX_HTTP_POST, "/v1/models/a:b:predict", "/v1/models/{m}:predict", "a:b", "" },
        { AX_HTTP_POST, "/v1/models/m/versions/3:predict", "/v1/models/{m}/versions/{v}:predict",
          "m", "3" },
        { AX_HTTP_GET, "/v1/models/m:predict", "/v1/models/{m}", "m:predict", "" },
        { AX_HTTP_POST, "/invocations", "/invocations", "", "" },
        { AX_HTTP_POST, "/v1/predict", "/v1/predict", "", "" },
        { AX_HTTP_POST, "/v2/repository/models/m/load", "/v2/repository/models/{m}/load", "m", "" },
        /* Refused by name. */
        { AX_HTTP_POST, "/v2/repository/models//load", "/v2/repository/models/{m}/load", "", "" },
        { AX_HTTP_POST, "/v2/repository/models//unload", "/v2/repository/models/{m}/unload", "",
          "" },
        { AX_HTTP_POST, "/v2/repository/r/models//load", "/v2/repository/{r}/models/{m}/load", "",
          "" },
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(cases); i++) {
        struct ax_call call;
        const struct ax_endpoint *found = find(ax_str_from(cases[i].path), cases[i].method, &call);
        assert_non_null(found);
        assert_string_equal(found->pattern, cases[i].pattern);
        assert_true(ax_str_is(call.model, cases[i].model));
        assert_true(ax_str_is(call.version, cases[i].version));
    }
}

static void test_not_found(void **state)
{
    static const char *const paths[] = {
        "",
        "//",
        "v2",
        "/v",
        "/v2/",
        "/V2",
        "/v2x",
        "/v2/models/",
        "/v2/models//",
        "/v2/models//infer",
        "/v2/models/m/",
        "/v2/models/m/infer/",
        "/v2/models/m/infer/x",
        "/v2/models/a/b/infer",
        "/v2/models/m/versions",
        "/v2/models/m/versions/",
        "/v2/models/m/versions//infer",
        "/v2//models/m",
        "/metrics/",
        "/metricsx",
        "/v1/models/m:predict/",
        "/v1/models/m:predictx/y",
        "/invocations/",
        "/v2/models//trace/setting",
        "/v2/repository//models/m/load",
        "/v2/repository/models/load",
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(paths); i++) {
        struct ax_call call;
        assert_null(find(ax_str_from(paths[i]), AX_HTTP_GET, &call));
        assert_null(find(ax_str_from(paths[i]), AX_HTTP_POST, &call));
    }
}

/* Text behind a name needs a name in front of it. */
static void test_not_found_to_post(void **state)
{
    static const char *const paths[] = {
        "/v1/models/:predict",
        "/v1/models/predict",
        "/v1/models/m:predic",
        "/v1/models/m/versions/:predict",
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(paths); i++) {
        struct ax_call call;
        assert_null(find(ax_str_from(paths[i]), AX_HTTP_POST, &call));
    }
}

/* A pattern written twice would hide the second one. */
static void test_table(void **state)
{
    (void)state;
    for (const struct ax_endpoint *e = ax_endpoints; e->pattern; e++) {
        assert_non_null(e->run);
        assert_true(e->method == AX_HTTP_GET || e->method == AX_HTTP_POST);
        for (const struct ax_endpoint *other = ax_endpoints; other != e; other++)
            assert_false(other->method == e->method && strcmp(other->pattern, e->pattern) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_not_found_to_post),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
