/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every order is told exactly once, whatever memory and its giver do: loads whose versions
 * drive each other out, loads and wants that cannot begin, and those that are taken back; and a new
 * version that fails takes nothing away, whether the old one is in memory or not.
 * Method: the fixture's fleet with memory for one version, of which all take the same. Holding a
 * reference keeps a version draining, so that another one waits for its room until the test lets
 * go.
 */
#include "fleet_fixture.h"

#include "base/buf.h"
#include "server/fleet_control.h"

/* Want a version, and have its turn, so that it may go again. */
static void use(const char *model)
{
    struct told told;
    assert_int_equal(want(model, "", &told), AX_OK);
    struct ax_served *served = hold(model);
    ax_served_use(served, ax_clock_ns());
    ax_served_unref(served);
}

/* Start a fleet with memory for `count` versions like the one of `model` and a half. Nothing is
 * ready, and what they take is not known to it. */
static void start_unknowing(const char *model, size_t count)
{
    fixture.config.preload = AX_PRELOAD_NONE;
    start();
    use(model);
    const struct ax_catalog_version *version =
        ax_catalog_find(enter(), ax_str_from(model), AX_STR(""));
    assert_non_null(version->served);
    size_t bytes = version->resident_bytes;
    leave();
    assert_true(bytes > 0);
    ax_fleet_free(fixture.fleet);
    atomic_store(&fixture.complete_count, 0);
    fixture.config.model_memory_max = count * bytes + bytes / 2;
    start();
}

/* The same, and what each of these takes is known. */
static void start_short(const char *const *models, size_t model_count, size_t count)
{
    start_unknowing(models[0], count);
    for (size_t i = 0; i < model_count; i++)
        use(models[i]);
}

/* What is ordered, and what has become of it until it is told. */
static void give_want(struct told *told, const char *model)
{
    told_init(told);
    ax_fleet_want(fixture.fleet, ax_str_from(model), AX_STR(""), &told->waiter);
}

static void give_load(struct told *told, const char *model)
{
    told_init(told);
    ax_fleet_load(fixture.fleet, ax_str_from(model), NULL, &told->waiter);
}

/* The control thread has received all that was left before. */
static void wait_received(void)
{
    assert_int_equal(unload("nobody"), AX_E_NOT_FOUND);
}

static const char *const three[] = { "a", "b", "c" };

static void put_three(void)
{
    for (size_t i = 0; i < AX_COUNT(three); i++)
        put_version(three[i], 1, (double)i + 1);
}

/* Each version drives the one before out before its order is looked at, or not: both are told. */
static void loads_that_drive_each_other_out(void **state)
{
    struct told told[AX_COUNT(three)];
    (void)state;
    put_three();
    start_short(three, AX_COUNT(three), 1);
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < AX_COUNT(three); i++)
            give_load(&told[i], three[i]);
        for (size_t i = 0; i < AX_COUNT(three); i++)
            assert_int_equal(wait_told(&told[i]), AX_OK);
    }
}

static void a_load_of_more_versions_than_fit(void **state)
{
    struct told told;
    (void)state;
    put_version("a", 1, 1);
    put_version("b", 1, 1);
    start_short(three, 2, 2);
    put_version("b", 2, 2);
    put_version("b", 3, 3);
    put_file("b/serving.yaml", "versions: all\n");
    for (size_t round = 0; round < 5; round++)
        assert_int_equal(load("b", &told), AX_OK);
}

/* One that was ordered and can never fit is told so, with the option's name. */
static void a_load_beside_what_is_pinned(void **state)
{
    struct told told;
    (void)state;
    put_three();
    put_file("a/serving.yaml", "pinned: true\n");
    start_short(three, 1, 1);
    assert_int_equal(load("b", &told), AX_E_LIMIT);
    assert_non_null(strstr(told.err.msg, "--model-memory-max"));
}

/* `b` waits for the room of `a`, which is held; the order has its time. */
static void a_load_that_takes_too_long(void **state)
{
    struct told told, other;
    (void)state;
    put_three();
    fixture.config.load_timeout_ns = 50 * AX_NS_PER_MS;
    start_short(three, 2, 1);
    use("a");
    struct ax_served *held = hold("a");
    give_load(&told, "b");
    assert_int_equal(wait_told(&told), AX_E_TIMEOUT);
    assert_non_null(strstr(told.err.msg, "not loaded in time"));
    /* What it began goes on. */
    ax_served_unref(held);
    wait_for_states("b", "1 ready");
    give_load(&other, "b");
    assert_int_equal(wait_told(&other), AX_OK);
}

static void what_is_taken_back(void **state)
{
    struct told first, second, load_told;
    (void)state;
    put_three();
    fixture.config.load_timeout_ns = 3600 * AX_NS_PER_S;
    start_short(three, AX_COUNT(three), 1);
    use("a");
    struct ax_served *held = hold("a");
    give_want(&first, "b");
    give_want(&second, "b");
    give_load(&load_told, "c");
    wait_received();
    assert_int_equal(atomic_load(&first.count), 0);
    ax_fleet_withdraw(fixture.fleet, &first.waiter);
    ax_fleet_withdraw(fixture.fleet, &load_told.waiter);
    assert_int_equal(wait_told(&first), AX_E_CANCELLED);
    assert_int_equal(wait_told(&load_told), AX_E_CANCELLED);
    assert_int_equal(atomic_load(&second.count), 0);
    /* Once more, and behind its being told, changes nothing. */
    ax_fleet_withdraw(fixture.fleet, &first.waiter);
    ax_fleet_withdraw(fixture.fleet, &second.waiter);
    assert_int_equal(wait_told(&second), AX_E_CANCELLED);
    /* Nobody wants `b` any more, so it does not come; `c` was ordered, so it does. */
    ax_served_unref(held);
    wait_for_states("c", "1 ready");
    wait_received();
    wait_for_states("b", "1 unloaded");
    assert_reason("b", "is loaded when it is asked for");
    assert_int_equal(atomic_load(&first.count), 1);
    assert_int_equal(atomic_load(&load_told.count), 1);
}

/* Taken back before it was given: an order for what exists begins nothing. */
static void what_is_taken_back_at_first(void **state)
{
    struct told told;
    (void)state;
    put_version("a", 1, 1);
    fixture.config.preload = AX_PRELOAD_NONE;
    start();
    told_init(&told);
    ax_fleet_withdraw(fixture.fleet, &told.waiter);
    ax_fleet_want(fixture.fleet, AX_STR("a"), AX_STR(""), &told.waiter);
    assert_int_equal(wait_told(&told), AX_E_CANCELLED);
    wait_received();
    wait_for_states("a", "1 unloaded");
    /* A load of the folder was ordered all the same. */
    told_init(&told);
    ax_fleet_withdraw(fixture.fleet, &told.waiter);
    ax_fleet_load(fixture.fleet, AX_STR("a"), NULL, &told.waiter);
    (void)wait_told(&told);
    wait_for_states("a", "1 ready");
}

/* A want whose time is over will be asked again: its version comes. */
static void a_want_that_waited_too_long(void **state)
{
    struct told told;
    (void)state;
    put_three();
    start_short(three, 2, 1);
    use("a");
    struct ax_served *held = hold("a");
    told_init(&told);
    told.waiter.until_ns = ax_clock_ns() + 30 * AX_NS_PER_MS;
    ax_fleet_want(fixture.fleet, AX_STR("b"), AX_STR(""), &told.waiter);
    assert_int_equal(wait_told(&told), AX_E_TIMEOUT);
    ax_served_unref(held);
    wait_for_states("b", "1 ready");
}

/* ---- memory ---- */

/* A version that takes much more than those of put_version. */
static void put_large(const char *model)
{
    struct ax_buf text;
    char path[64];
    ax_buf_init(&text, (size_t)64 << 10);
    (void)ax_buf_append_str(&text, AX_STR("rules: 1\ninputs: {a: FP64}\n"
                                          "outputs: {prediction: FP64}\ncases:\n"));
    for (unsigned i = 0; i < 500; i++)
        (void)ax_buf_printf(&text, "  - {when: a > %u, then: %u}\n", 1000 + i, i);
    (void)ax_buf_append_str(&text, AX_STR("  - {otherwise: 0}\n"));
    assert_int_equal(ax_buf_append_char(&text, '\0'), 0);
    (void)snprintf(path, sizeof(path), "%s/1/rules.yaml", model);
    put_file(path, ax_buf_str(&text).ptr);
    ax_buf_done(&text);
}

/* `c` waits for the room of `a`; `d` is small and fits beside both of them, so it does not wait. */
static void what_fits_does_not_wait_for_what_does_not(void **state)
{
    struct told large, small;
    (void)state;
    put_large("a");
    put_version("b", 1, 2);
    put_large("c");
    put_version("d", 1, 4);
    start_short(three, AX_COUNT(three), 1);
    use("a");
    struct ax_served *held = hold("a");
    give_want(&large, "c");
    wait_received();
    for (unsigned i = 0; i < 3; i++) {
        give_want(&small, "d");
        assert_int_equal(wait_told(&small), AX_OK);
        assert_int_equal(unload("d"), AX_OK);
        wait_for_states("d", "1 unloaded");
        assert_int_equal(load("d", &small), AX_OK);
    }
    assert_int_equal(atomic_load(&large.count), 0);
    ax_served_unref(held);
    assert_int_equal(wait_told(&large), AX_OK);
    assert_true(ask("d", "") == 4);
}

/* Many small ones that keep coming do not take the room that a large one waits for. */
static void who_waits_for_room_gets_it(void **state)
{
    struct told large, small[40];
    char name[8];
    (void)state;
    put_large("a");
    put_version("b", 1, 2);
    put_large("c");
    for (unsigned i = 0; i < AX_COUNT(small); i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        put_version(name, 1, i);
    }
    start_short(three, AX_COUNT(three), 1);
    use("a");
    struct ax_served *held = hold("a");
    give_want(&large, "c");
    for (unsigned i = 0; i < AX_COUNT(small); i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        give_want(&small[i], name);
    }
    wait_received();
    ax_served_unref(held);
    assert_int_equal(wait_told(&large), AX_OK);
    for (unsigned i = 0; i < AX_COUNT(small); i++)
        assert_int_equal(wait_told(&small[i]), AX_OK);
}

/* How many of the three are in memory. */
static size_t count_ready(void)
{
    char reason[512];
    size_t count = 0;
    for (size_t i = 0; i < AX_COUNT(three); i++)
        count += strcmp(states_of(three[i], reason, sizeof(reason)), "1 ready") == 0;
    return count;
}

/* Files are smaller than what is made of them, so all three begin at once. Each answers, and then
 * those go for which there is no room, without anybody asking for more. */
static void what_was_let_in_by_a_guess(void **state)
{
    struct told told[AX_COUNT(three)];
    (void)state;
    put_three();
    fixture.config.load_threads = AX_COUNT(three);
    start_unknowing("a", 1);
    for (size_t i = 0; i < AX_COUNT(three); i++)
        give_want(&told[i], three[i]);
    for (size_t i = 0; i < AX_COUNT(three); i++)
        assert_int_equal(wait_told(&told[i]), AX_OK);
    uint64_t end_ns = ax_clock_ns() + WAIT_NS;
    while (count_ready() > 1 && ax_clock_ns() < end_ns)
        (void)poll(NULL, 0, 1);
    assert_int_equal(count_ready(), 1);
}

/* `b` fails beside `a`, which is pinned, and comes when `a` has gone. */
static void what_failed_for_memory_is_tried_again(void **state)
{
    struct told told;
    (void)state;
    put_three();
    put_file("a/serving.yaml", "pinned: true\n");
    start_short(three, 1, 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(want("b", "", &told), AX_E_UNAVAILABLE);
        assert_non_null(strstr(told.err.msg, "--model-memory-max"));
    }
    wait_for_states("b", "1 failed");
    struct ax_served *held = hold("a");
    assert_int_equal(unload("a"), AX_OK);
    wait_for_states("a", "1 draining");
    wait_for_states("b", "1 failed");
    ax_served_unref(held);
    wait_for_states("b", "1 unloaded");
    assert_int_equal(want("b", "", &told), AX_OK);
    /* And again, when it is pinned no more. */
    assert_int_equal(load("a", &told), AX_OK);
    assert_int_equal(want("b", "", &told), AX_E_UNAVAILABLE);
    put_file("a/serving.yaml", "pinned: false\n");
    ax_fleet_changed(fixture.fleet, AX_STR("a"));
    wait_for_states("b", "1 unloaded");
    assert_int_equal(want("b", "", &told), AX_OK);
}

/* ---- standing in ---- */

static void put_broken(const char *model, unsigned version)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/%u/rules.yaml", model, version);
    put_file(path, "rules: [");
}

/* Each model answers, if it is asked. */
static bool is_ready(void)
{
    bool ready = ax_catalog_is_ready(enter());
    leave();
    return ready;
}

/* The fleet has looked at the model again. */
static void look_at(const char *model)
{
    ax_fleet_changed(fixture.fleet, ax_str_from(model));
    wait_received();
}

/* `b` has the memory; `a` is cold. */
static void drive_out_a(void)
{
    struct told told;
    assert_int_equal(want("b", "", &told), AX_OK);
    use("b");
    assert_true(ask("a", "") == -AX_E_UNAVAILABLE);
}

static void assert_comes(const char *model, double answer)
{
    struct told told;
    assert_int_equal(want(model, "", &told), AX_OK);
    assert_true(ask(model, "") == answer);
    use(model);
}

/* A new version that fails takes nothing away from a model whose old one is not in memory. */
static void what_was_in_force_comes_back(void **state)
{
    struct told told;
    (void)state;
    put_three();
    put_file("a/serving.yaml", "versions: [1]\n");
    start_short(three, 2, 1);
    drive_out_a();
    put_broken("a", 2);
    put_file("a/serving.yaml", "versions: [2]\n");
    look_at("a");
    wait_for_states("a", "1 unloaded, 2 unloaded");
    for (size_t i = 0; i < 3; i++) {
        assert_comes("a", 1);
        wait_for_states("a", "1 ready, 2 failed");
        drive_out_a();
        wait_for_states("a", "1 unloaded, 2 failed");
        assert_true(is_ready());
    }
    /* Who names one gets that one. */
    assert_int_equal(want("a", "2", &told), AX_E_UNAVAILABLE);
    assert_non_null(strstr(told.err.msg, "rules:"));
    assert_int_equal(want("a", "1", &told), AX_OK);
    assert_true(ask("a", "1") == 1);
    /* A load tells of the failure, whoever stands in. */
    drive_out_a();
    assert_int_equal(load("a", &told), AX_E_INVALID);
    assert_comes("a", 1);
    drive_out_a();
    /* Until the new one is ready; then it is not in force any more, whatever becomes of that. */
    put_version("a", 2, 2);
    look_at("a");
    assert_int_equal(want("a", "", &told), AX_OK);
    wait_for_states("a", "1 unloaded, 2 ready");
    use("a");
    assert_true(ask("a", "") == 2);
    assert_true(ask("a", "1") == -AX_E_NOT_FOUND);
    drive_out_a();
    put_broken("a", 2);
    look_at("a");
    assert_int_equal(want("a", "", &told), AX_E_UNAVAILABLE);
    wait_for_states("a", "1 unloaded, 2 failed");
}

/* Only as it was: with other files it is another one, and without its folder none. */
static void what_was_in_force_and_is_not_any_more(void **state)
{
    struct told told;
    (void)state;
    put_three();
    put_file("a/serving.yaml", "versions: [1]\n");
    start_short(three, 2, 1);
    drive_out_a();
    put_broken("a", 2);
    put_file("a/serving.yaml", "versions: [2]\n");
    look_at("a");
    assert_comes("a", 1);
    /* Changed while it answers, it does so until it is driven out. */
    put_version("a", 1, 1.5);
    look_at("a");
    assert_comes("a", 1);
    drive_out_a();
    assert_int_equal(want("a", "", &told), AX_E_UNAVAILABLE);
    wait_for_states("a", "1 unloaded, 2 failed");
    /* And while it is cold. */
    put_file("a/serving.yaml", "versions: [1]\n");
    look_at("a");
    assert_comes("a", 1.5);
    drive_out_a();
    put_file("a/serving.yaml", "versions: [2]\n");
    put_version("a", 1, 1.75);
    look_at("a");
    assert_int_equal(want("a", "", &told), AX_E_UNAVAILABLE);
    /* An order to unload ends it, too. */
    assert_comes("b", 2);
    assert_int_equal(unload("b"), AX_OK);
    put_broken("b", 2);
    put_file("b/serving.yaml", "versions: [2]\n");
    assert_int_equal(load("b", &told), AX_E_INVALID);
    assert_int_equal(want("b", "", &told), AX_E_UNAVAILABLE);
    wait_for_states("b", "1 unloaded, 2 failed");
}

/* Those that wait when the new one fails go on waiting for the old one; each is told once. */
static void who_waits_for_what_fails(void **state)
{
    struct told told[40], named;
    (void)state;
    put_three();
    start_short(three, 2, 1);
    drive_out_a();
    put_broken("a", 2);
    look_at("a");
    struct ax_served *held = hold("b");
    for (size_t i = 0; i < AX_COUNT(told); i++)
        give_want(&told[i], "a");
    told_init(&named);
    ax_fleet_want(fixture.fleet, AX_STR("a"), AX_STR("2"), &named.waiter);
    wait_received();
    ax_served_unref(held);
    for (size_t i = 0; i < AX_COUNT(told); i++)
        assert_int_equal(wait_told(&told[i]), AX_OK);
    assert_int_equal(wait_told(&named), AX_E_UNAVAILABLE);
    assert_true(ask("a", "") == 1);
    wait_received();
    for (size_t i = 0; i < AX_COUNT(told); i++)
        assert_int_equal(atomic_load(&told[i].count), 1);
}

/* It comes when it is asked for, and goes on counting then. */
static bool is_kept(const char *model, const char *version)
{
    const struct ax_catalog_version *found =
        ax_catalog_find(enter(), ax_str_from(model), ax_str_from(version));
    bool is_cold = found && found->is_cold;
    bool has_account = found && found->account;
    leave();
    return is_cold && has_account;
}

/* While the new one is on its way, the one in force comes when it is asked for, by its number too,
 * and goes on counting; whoever asks has both loaded. */
static void what_was_in_force_answers_until_the_new_one_does(void **state)
{
    struct told told;
    (void)state;
    put_three();
    start_short(three, 2, 1);
    drive_out_a();
    /* The new one is not begun before somebody asks. */
    put_broken("a", 2);
    look_at("a");
    wait_for_states("a", "1 unloaded, 2 unloaded");
    assert_true(is_kept("a", "1"));
    assert_true(is_ready());
    const struct ax_catalog *catalog = enter();
    assert_string_equal(ax_catalog_find(catalog, AX_STR("a"), AX_STR(""))->text, "1");
    leave();
    assert_int_equal(want("a", "1", &told), AX_OK);
    wait_for_states("a", "1 ready, 2 failed");
    use("a");
    drive_out_a();
    put_version("a", 2, 2);
    look_at("a");
    assert_int_equal(want("a", "", &told), AX_OK);
    wait_for_states("a", "1 unloaded, 2 ready");
    assert_true(ask("a", "1") == -AX_E_NOT_FOUND);
}

/* What the policy does not name answers only as it was, also when nobody has looked at its files
 * since they changed. */
static void what_was_in_force_and_has_changed_unseen(void **state)
{
    struct told told;
    (void)state;
    put_three();
    put_file("a/serving.yaml", "versions: [1]\n");
    start_short(three, 2, 1);
    put_broken("a", 2);
    put_file("a/serving.yaml", "versions: [2]\n");
    look_at("a");
    assert_comes("a", 1);
    drive_out_a();
    assert_true(is_kept("a", "1"));
    put_version("a", 1, 1.5);
    assert_int_equal(want("a", "", &told), AX_E_UNAVAILABLE);
    assert_int_equal(want("a", "1", &told), AX_E_UNAVAILABLE);
    assert_true(ask("a", "") == -AX_E_UNAVAILABLE);
}

/* As many stand in as have failed, and the newest of those that answered. */
static void one_of_several_fails(void **state)
{
    (void)state;
    put_three();
    put_file("a/serving.yaml", "versions: latest:2\n");
    put_version("a", 2, 2);
    start();
    wait_for_states("a", "1 ready, 2 ready");
    put_broken("a", 3);
    look_at("a");
    wait_for_states("a", "1 ready, 2 ready, 3 failed");
    assert_true(ask("a", "1") == 1);
    assert_true(ask("a", "") == 2);
    put_version("a", 4, 4);
    look_at("a");
    wait_for_states("a", "1 unloaded, 2 ready, 3 failed, 4 ready");
    assert_true(ask("a", "1") == -AX_E_NOT_FOUND);
    put_version("a", 3, 3);
    look_at("a");
    wait_for_states("a", "1 unloaded, 2 unloaded, 3 ready, 4 ready");
}

/* The same where memory has driven it out meanwhile. */
static void one_of_several_fails_and_is_driven_out(void **state)
{
    struct told told;
    (void)state;
    put_three();
    put_file("a/serving.yaml", "versions: latest:2\n");
    start_short(three, 2, 1);
    drive_out_a();
    put_version("a", 2, 2);
    look_at("a");
    assert_int_equal(want("a", "2", &told), AX_OK);
    assert_int_equal(want("a", "1", &told), AX_OK);
    assert_int_equal(want("b", "", &told), AX_OK);
    wait_for_states("a", "1 unloaded, 2 unloaded");
    put_broken("a", 3);
    assert_int_equal(load("a", &told), AX_E_INVALID);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(want("a", "1", &told), AX_OK);
        assert_true(ask("a", "1") == 1);
        if (i == 1)
            assert_comes("b", 2);
        if (i == 1)
            assert_true(is_kept("a", "1"));
        assert_comes("a", 2);
        assert_comes("b", 2);
    }
}

/* Where the newest are wanted, it is the newest that can be loaded, also at a start; but not
 * where versions are named. */
static void the_newest_that_loads(void **state)
{
    struct told told;
    (void)state;
    put_version("a", 1, 1);
    put_version("a", 2, 2);
    put_broken("a", 3);
    put_broken("a", 4);
    put_version("b", 1, 1);
    put_broken("b", 2);
    put_file("b/serving.yaml", "versions: [2]\n");
    start();
    wait_for_states("a", "1 unloaded, 2 ready, 3 failed, 4 failed");
    wait_for_states("b", "1 unloaded, 2 failed");
    assert_true(ask("a", "") == 2);
    assert_true(ask("a", "1") == -AX_E_NOT_FOUND);
    assert_int_equal(want("b", "", &told), AX_E_UNAVAILABLE);
    /* What answers goes on until one is ready that the policy wants. */
    put_version("a", 3, 3);
    look_at("a");
    wait_for_states("a", "1 unloaded, 2 ready, 3 unloaded, 4 failed");
    put_version("a", 4, 4);
    look_at("a");
    wait_for_states("a", "1 unloaded, 2 unloaded, 3 unloaded, 4 ready");
    assert_true(ask("a", "2") == -AX_E_NOT_FOUND);
}

/* What answers stands in though its files are broken by now; when it is driven out, another one
 * does at once. */
static void another_one_stands_in(void **state)
{
    (void)state;
    put_three();
    put_version("a", 2, 2);
    start_short(three, AX_COUNT(three), 2);
    assert_comes("a", 2);
    put_broken("a", 2);
    look_at("a");
    put_broken("a", 3);
    look_at("a");
    wait_for_states("a", "1 unloaded, 2 ready, 3 failed");
    assert_reason("a", "rules:");
    assert_true(ask("a", "") == 2);
    assert_comes("c", 3);
    assert_comes("b", 2);
    assert_comes("c", 3);
    wait_for_states("a", "1 unloaded, 2 failed, 3 failed");
    assert_true(is_ready());
    assert_comes("a", 1);
}

/* While something is tried that has failed, a request waits for what comes when it is given up. */
static void what_is_tried_may_be_given_up(void **state)
{
    (void)state;
    struct ax_repository_version listed = { .number = 1, .text = "1" };
    struct ax_repository_model listing = { .versions = &listed, .version_count = 1 };
    ax_model_settings_init(&listing.settings);
    struct ax_fleet_model *model = ax_fleet_model_new("a");
    ax_fleet_model_list(model, &listing);
    (void)ax_fail(&model->versions[0]->err, AX_E_INVALID, "broken");
    for (unsigned i = 0; i < 4; i++) {
        model->is_trying = i & 1;
        model->is_wanted = i & 2;
        struct ax_catalog_model *made = ax_fleet_model_catalog(model);
        assert_int_equal(made->versions[0].state, AX_VERSION_FAILED);
        assert_int_equal(ax_catalog_model_highest(made) != NULL, i == 3);
        ax_catalog_model_unref(made);
    }
    ax_fleet_model_free(model);
}

static void not_more_than_some_are_tried(void **state)
{
    (void)state;
    put_version("few", 1, 1);
    put_version("many", 1, 1);
    for (unsigned i = 2; i <= 66; i++) {
        if (i <= 65)
            put_broken("few", i);
        put_broken("many", i);
    }
    start();
    assert_true(ask("few", "") == 1);
    assert_true(ask("many", "") == -AX_E_UNAVAILABLE);
    assert_true(ask("many", "1") == -AX_E_NOT_FOUND);
}

/* ---- at the end, and past the limit ---- */

#define MANY AX_FLEET_ORDERS_MAX

static struct told *many;

/* The fleet ends though as many orders wait as may, and all of them are told. */
static void stopping_is_never_refused(void **state)
{
    struct told refused;
    size_t cancelled_count = 0;
    (void)state;
    put_three();
    fixture.config.load_waiters_max = (size_t)2 * MANY;
    start_short(three, 2, 1);
    use("a");
    struct ax_served *held = hold("a");
    many = ax_xalloc(MANY * sizeof(*many));
    for (size_t i = 0; i < MANY; i++)
        give_want(&many[i], "b");
    give_load(&refused, "b");
    assert_int_equal(wait_told(&refused), AX_E_LIMIT);
    assert_true(ax_fleet_stop(fixture.fleet, UINT64_MAX));
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(atomic_load(&many[i].count), 1);
        cancelled_count += many[i].err.code == AX_E_CANCELLED;
    }
    assert_int_equal(cancelled_count, MANY);
    ax_served_unref(held);
    free(many);
}

/* ---- taking back while it is told ---- */

#define RACERS      4
#define RACE_ROUNDS 300

static void race_run(void *arg)
{
    const char *model = arg;
    for (size_t i = 0; i < RACE_ROUNDS; i++) {
        struct told told;
        if (i % 3)
            give_want(&told, model);
        else
            give_load(&told, model);
        if (i % 2)
            (void)poll(NULL, 0, 0);
        ax_fleet_withdraw(fixture.fleet, &told.waiter);
        enum ax_code code = wait_told(&told);
        assert_true(code == AX_OK || code == AX_E_CANCELLED);
    }
}

static void taking_back_while_it_is_told(void **state)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_thread threads[RACERS];
    struct told told;
    (void)state;
    put_three();
    start_short(three, AX_COUNT(three), 1);
    for (size_t i = 0; i < RACERS; i++)
        assert_int_equal(ax_thread_start(&threads[i], "race", race_run,
                                         (void *)(uintptr_t)three[i % AX_COUNT(three)], &err),
                         0);
    for (size_t i = 0; i < RACERS; i++)
        ax_thread_join(&threads[i]);
    assert_int_equal(want("c", "", &told), AX_OK);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(loads_that_drive_each_other_out),
        TEST(a_load_of_more_versions_than_fit),
        TEST(a_load_beside_what_is_pinned),
        TEST(a_load_that_takes_too_long),
        TEST(what_is_taken_back),
        TEST(what_is_taken_back_at_first),
        TEST(a_want_that_waited_too_long),
        TEST(what_fits_does_not_wait_for_what_does_not),
        TEST(who_waits_for_room_gets_it),
        TEST(what_was_let_in_by_a_guess),
        TEST(what_failed_for_memory_is_tried_again),
        TEST(what_was_in_force_comes_back),
        TEST(what_was_in_force_and_is_not_any_more),
        TEST(who_waits_for_what_fails),
        TEST(what_was_in_force_answers_until_the_new_one_does),
        TEST(what_was_in_force_and_has_changed_unseen),
        TEST(one_of_several_fails),
        TEST(one_of_several_fails_and_is_driven_out),
        TEST(the_newest_that_loads),
        TEST(another_one_stands_in),
        TEST(what_is_tried_may_be_given_up),
        TEST(not_more_than_some_are_tried),
        TEST(stopping_is_never_refused),
        TEST(taking_back_while_it_is_told),
    };
    return cmocka_run_group_tests_name("server/fleet_orders", tests, make_folder, remove_folder);
}
