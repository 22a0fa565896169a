/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: versions go through their life as docs/internals/fleet.md says: what the policy wants is
 * ready, what replaces comes beside and is swapped, what fails leaves the old one, what is unloaded
 * waits for who holds it, orders are told once and in time; and all of it with many threads at it.
 * Method: a folder of small rules models, a real fleet, and this program as the data plane: it
 * reads the catalog as I/O threads do, and keeps references. The answer that a version gives tells
 * which files it was made of.
 */
#include "fleet_fixture.h"

/* ---- tests ---- */

static void the_policy_decides(void **state)
{
    (void)state;
    put_version("a", 1, 1);
    put_version("a", 2, 2);
    put_version("all", 3, 3);
    put_version("all", 10, 10);
    put_file("all/serving.yaml", "versions: all\n");
    put_file("empty/note", "");
    put_file("bad/1/m", "rules: [");
    start();
    wait_for_states("a", "1 unloaded, 2 ready");
    assert_reason("a", "not in the version policy");
    assert_true(ask("a", "") == 2);
    assert_true(ask("a", "2") == 2);
    assert_true(ask("a", "1") == -AX_E_NOT_FOUND);
    wait_for_states("all", "3 ready, 10 ready");
    assert_true(ask("all", "") == 10);
    assert_true(ask("all", "3") == 3);
    wait_for_states("bad", "1 failed");
    assert_reason("bad", "rules:");
    assert_true(ask("bad", "") == -AX_E_UNAVAILABLE);
    assert_true(ask("bad", "1") == -AX_E_UNAVAILABLE);
    assert_true(ask("empty", "") == -AX_E_UNAVAILABLE);
    assert_true(ask("none", "") == -AX_E_NOT_FOUND);
    assert_false(ax_catalog_is_ready(enter()));
    leave();
}

static void what_replaces_comes_beside(void **state)
{
    struct told told;
    (void)state;
    put_version("a", 1, 1);
    start();
    struct ax_served *old = hold("a");
    put_version("a", 1, 1.5);
    assert_int_equal(load("a", &told), AX_OK);
    assert_true(ask("a", "") == 1.5);
    assert_true(answer_of(old) == 1);
    ax_served_unref(old);
    /* A new version, and the old one only goes when it is there. */
    put_version("a", 2, 2);
    assert_int_equal(load("a", &told), AX_OK);
    assert_true(ask("a", "") == 2);
    wait_for_states("a", "1 unloaded, 2 ready");
    /* One that fails leaves what is there, with the reason. */
    put_file("a/3/m", "rules: [");
    assert_int_equal(load("a", &told), AX_E_INVALID);
    assert_non_null(strstr(told.err.msg, "rules:"));
    assert_true(ask("a", "") == 2);
    wait_for_states("a", "1 unloaded, 2 ready, 3 failed");
    assert_true(ask("a", "3") == -AX_E_UNAVAILABLE);
    put_file("a/2/rules.yaml", "rules: [");
    put_file("a/serving.yaml", "versions: [2]\n");
    assert_int_equal(load("a", &told), AX_E_INVALID);
    assert_true(ask("a", "2") == 2);
    wait_for_states("a", "1 unloaded, 2 ready, 3 unloaded");
    /* What is not changed is not loaded again. */
    put_version("a", 2, 2.5);
    assert_int_equal(load("a", &told), AX_OK);
    assert_true(ask("a", "2") == 2.5);
    struct ax_served *same = hold("a");
    assert_int_equal(load("a", &told), AX_OK);
    struct ax_served *again = hold("a");
    assert_ptr_equal(same, again);
    ax_served_unref(again);
    ax_served_unref(same);
}

static void unloading_waits_for_who_holds_it(void **state)
{
    struct told told;
    (void)state;
    put_version("a", 1, 1);
    start();
    struct ax_served *held = hold("a");
    assert_int_equal(unload("a"), AX_OK);
    assert_true(ask("a", "") == -AX_E_UNAVAILABLE);
    wait_for_states("a", "1 draining");
    assert_true(ax_catalog_is_ready(enter())); /* It is not wanted. */
    leave();
    assert_true(answer_of(held) == 1);
    assert_int_equal(want("a", "", &told), AX_E_UNAVAILABLE);
    ax_served_unref(held);
    wait_for_states("a", "1 unloaded");
    assert_reason("a", "unloaded");
    assert_int_equal(unload("a"), AX_OK);
    assert_int_equal(unload("b"), AX_E_NOT_FOUND);
    ax_fleet_rescan(fixture.fleet);
    assert_int_equal(load("b", &told), AX_E_NOT_FOUND);
    assert_int_equal(load("../models/a", &told), AX_E_NOT_FOUND);
    assert_true(ask("a", "") == -AX_E_UNAVAILABLE); /* A rescan does not load it. */
    assert_int_equal(load("a", &told), AX_OK);
    assert_true(ask("a", "") == 1);
}

static void folders_come_and_go(void **state)
{
    (void)state;
    put_version("a", 1, 1);
    put_version("b", 1, 1);
    start();
    struct ax_served *held = hold("a");
    put_version("c", 7, 7);
    put_version("b", 2, 2);
    remove_path("a");
    ax_fleet_rescan(fixture.fleet);
    wait_for_states("c", "7 ready");
    wait_for_states("b", "1 unloaded, 2 ready");
    wait_for_states("a", "1 draining");
    ax_served_unref(held);
    wait_for_states("a", "none");
    remove_path("b/2");
    put_version("c", 7, 7.5);
    ax_fleet_changed(fixture.fleet, AX_STR("b"));
    ax_fleet_changed(fixture.fleet, AX_STR("c"));
    ax_fleet_changed(fixture.fleet, AX_STR("nobody"));
    wait_for_states("b", "1 ready");
    wait_for_states("c", "7 ready");
    uint64_t end_ns = ax_clock_ns() + WAIT_NS;
    while (ask("c", "") != 7.5 && ax_clock_ns() < end_ns)
        (void)poll(NULL, 0, 1);
    assert_true(ask("c", "") == 7.5);
    put_version("a", 1, 3);
    ax_fleet_changed(fixture.fleet, AX_STR("a"));
    wait_for_states("a", "1 ready");
    assert_true(ask("a", "") == 3);
}

/* A load that fails while its files are already others says nothing about these. */
static void changes_in_quick_succession(void **state)
{
    (void)state;
    put_version("a", 1, 0);
    start();
    for (unsigned i = 1; i <= 40; i++) {
        put_file("a/1/rules.yaml", "rules: [");
        ax_fleet_changed(fixture.fleet, AX_STR("a"));
        if (i % 3 == 0)
            (void)poll(NULL, 0, 1);
        put_version("a", 1, i);
        ax_fleet_changed(fixture.fleet, AX_STR("a"));
        uint64_t end_ns = ax_clock_ns() + WAIT_NS;
        while (ask("a", "") != i && ax_clock_ns() < end_ns)
            (void)poll(NULL, 0, 1);
        assert_true(ask("a", "") == i);
    }
}

static void refused_settings_leave_those_before(void **state)
{
    struct told told;
    (void)state;
    put_version("a", 1, 1);
    put_version("a", 2, 2);
    put_file("a/serving.yaml", "versions: all\n");
    put_version("b", 1, 1);
    put_file("b/serving.yaml", "versions: [\n");
    start();
    wait_for_states("b", "1 failed");
    assert_reason("b", "serving.yaml");
    put_file("a/serving.yaml", "versionen: all\n");
    assert_int_equal(load("a", &told), AX_E_INVALID);
    wait_for_states("a", "1 ready, 2 ready");
    assert_true(ask("a", "1") == 1);
    put_file("a/serving.yaml", "versions: latest:1\n");
    put_file("b/serving.yaml", "versions: all\n");
    ax_fleet_rescan(fixture.fleet);
    wait_for_states("a", "1 unloaded, 2 ready");
    wait_for_states("b", "1 ready");
}

static void what_is_cold_comes_when_it_is_wanted(void **state)
{
    struct told told[8], other;
    (void)state;
    put_version("a", 1, 1);
    put_version("b", 1, 1);
    put_file("b/1/rules.yaml", "rules: [");
    put_version("pinned", 1, 1);
    put_file("pinned/serving.yaml", "pinned: true\n");
    fixture.config.preload = AX_PRELOAD_NONE;
    start();
    wait_for_states("pinned", "1 ready");
    wait_for_states("a", "1 unloaded");
    const struct ax_catalog *catalog = enter();
    assert_true(ax_catalog_is_ready(catalog));
    const struct ax_catalog_version *cold = ax_catalog_find(catalog, AX_STR("a"), AX_STR(""));
    assert_true(cold && cold->is_cold && !cold->served);
    leave();
    for (size_t i = 0; i < AX_COUNT(told); i++) {
        told_init(&told[i]);
        ax_fleet_want(fixture.fleet, AX_STR("a"), i % 2 ? AX_STR("1") : AX_STR(""),
                      &told[i].waiter);
    }
    for (size_t i = 0; i < AX_COUNT(told); i++)
        assert_int_equal(wait_told(&told[i]), AX_OK);
    assert_true(ask("a", "") == 1);
    assert_int_equal(want("b", "1", &other), AX_E_UNAVAILABLE);
    assert_non_null(strstr(other.err.msg, "rules:"));
    assert_int_equal(want("a", "2", &other), AX_E_NOT_FOUND);
    assert_int_equal(want("d", "", &other), AX_E_NOT_FOUND);
}

static void what_cannot_be_started(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_fleet *fleet = NULL;
    (void)state;
    fixture.config.version_policy = (char *)"newest";
    assert_int_equal(ax_fleet_start(&fixture.config, &fixture.snapshot, &fleet, &err),
                     AX_E_INVALID);
    assert_non_null(strstr(err.msg, "version_policy"));
    ax_err_clear(&err);
    fixture.config.version_policy = (char *)"all";
    fixture.config.models = "/nowhere/models";
    assert_int_equal(ax_fleet_start(&fixture.config, &fixture.snapshot, &fleet, &err),
                     AX_E_NOT_FOUND);
    assert_null(fleet);
}

static void orders_behind_the_end_are_told(void **state)
{
    struct told told;
    (void)state;
    put_version("a", 1, 1);
    start();
    assert_true(ax_fleet_stop(fixture.fleet, UINT64_MAX));
    assert_int_equal(load("a", &told), AX_E_CANCELLED);
    assert_int_equal(want("a", "", &told), AX_E_CANCELLED);
    assert_true(ask("a", "") == 1); /* The last catalog stays. */
}

/* ---- many threads ---- */

#define STRESS_THREADS 8
#define STRESS_ORDERS  60
#define STRESS_MODELS  4

struct stress {
    struct ax_thread thread;
    unsigned seed;
    size_t answers, refusals, orders_told;
};

/* Each answer is that of the model's one version; nothing else may happen. */
static void stress_read(struct stress *stress, struct ax_epoch_reader *reader, const char *model,
                        double right)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_served *served;
    ax_epoch_enter(&fixture.epoch, reader);
    const struct ax_catalog *catalog = ax_snapshot_get(&fixture.snapshot);
    bool found = !ax_catalog_version(catalog, ax_str_from(model), AX_STR(""), &served, &err);
    if (found)
        (void)ax_served_ref(served);
    ax_epoch_leave(reader);
    if (!found) {
        assert_int_equal(err.code, AX_E_UNAVAILABLE);
        stress->refusals++;
        return;
    }
    assert_true(answer_of(served) == right);
    ax_served_unref(served);
    stress->answers++;
}

static void stress_order(struct stress *stress, const char *model, unsigned kind)
{
    struct told told;
    told_init(&told);
    struct ax_str name = ax_str_from(model);
    if (kind == 0)
        ax_fleet_load(fixture.fleet, name, NULL, &told.waiter);
    else if (kind == 1)
        ax_fleet_unload(fixture.fleet, name, false, &told.waiter);
    else if (kind == 2)
        ax_fleet_want(fixture.fleet, name, AX_STR(""), &told.waiter);
    else if (kind == 3)
        ax_fleet_rescan(fixture.fleet);
    else
        ax_fleet_changed(fixture.fleet, name);
    if (kind > 2)
        return;
    enum ax_code code = wait_told(&told);
    assert_true(code == AX_OK || code == AX_E_UNAVAILABLE);
    stress->orders_told++;
}

static void stress_run(void *arg)
{
    struct stress *stress = arg;
    struct ax_epoch_reader *reader = ax_epoch_register(&fixture.epoch);
    assert_non_null(reader);
    for (size_t i = 0; i < STRESS_ORDERS; i++) {
        stress->seed = stress->seed * 1103515245u + 12345u;
        unsigned random = stress->seed >> 16;
        char model[8];
        (void)snprintf(model, sizeof(model), "m%u", random % STRESS_MODELS);
        stress_order(stress, model, random / 8 % 5);
        for (size_t k = 0; k < 4; k++)
            stress_read(stress, reader, model, random % STRESS_MODELS);
    }
    ax_epoch_unregister(reader);
}

static void many_threads(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct stress stress[STRESS_THREADS] = { 0 };
    struct told told;
    size_t answers = 0;
    (void)state;
    for (unsigned i = 0; i < STRESS_MODELS; i++) {
        char model[8];
        (void)snprintf(model, sizeof(model), "m%u", i);
        put_version(model, 1, i);
    }
    start();
    for (unsigned i = 0; i < STRESS_THREADS; i++) {
        stress[i].seed = i + 1;
        assert_int_equal(ax_thread_start(&stress[i].thread, "stress", stress_run, &stress[i], &err),
                         0);
    }
    for (unsigned i = 0; i < STRESS_THREADS; i++) {
        ax_thread_join(&stress[i].thread);
        answers += stress[i].answers;
        assert_true(stress[i].orders_told > 0);
    }
    assert_true(answers > 0);
    for (unsigned i = 0; i < STRESS_MODELS; i++) {
        char model[8];
        (void)snprintf(model, sizeof(model), "m%u", i);
        assert_int_equal(load(model, &told), AX_OK);
        assert_true(ask(model, "") == i);
    }
}

static void many_versions(void **state)
{
    struct told told;
    (void)state;
    for (unsigned i = 1; i <= 2000; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "a/%u/x", i);
        if (i < 2000)
            put_file(path, "");
    }
    put_version("a", 2000, 2000);
    start();
    assert_true(ask("a", "") == 2000);
    assert_true(ask("a", "1999") == -AX_E_NOT_FOUND);
    const struct ax_catalog_model *model = ax_map_get(&enter()->models, AX_STR("a"));
    assert_int_equal(model->version_count, 2000);
    leave();
    assert_int_equal(load("a", &told), AX_OK);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_policy_decides),
        TEST(what_replaces_comes_beside),
        TEST(unloading_waits_for_who_holds_it),
        TEST(folders_come_and_go),
        TEST(changes_in_quick_succession),
        TEST(refused_settings_leave_those_before),
        TEST(what_is_cold_comes_when_it_is_wanted),
        TEST(what_cannot_be_started),
        TEST(orders_behind_the_end_are_told),
        TEST(many_threads),
        TEST(many_versions),
    };
    return cmocka_run_group_tests_name("server/fleet", tests, make_folder, remove_folder);
}
