/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks, their times as text, and ids.
 *
 * A UUID of version 7 is 48 bits of milliseconds, then (version and variant aside) 74 bits that the
 * maker chooses. Here those are one number: a new millisecond draws it anew with its top bit clear,
 * the same (or an earlier) millisecond adds a random step to it. So the ids of one thread rise, and
 * none can be guessed from the one before by adding one.
 */
#include "base/clock.h"
#include "base/calendar.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t clock_read(clockid_t id)
{
    struct timespec now;
    int failed = clock_gettime(id, &now);
    assert(!failed);
    return (uint64_t)now.tv_sec * AX_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t ax_clock_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

uint64_t ax_clock_thread_ns(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

int ax_clock_thread_id(void)
{
    clockid_t id;
    int failed = pthread_getcpuclockid(pthread_self(), &id);
    assert(!failed);
    return id;
}

uint64_t ax_clock_id_ns(int id)
{
    return clock_read(id);
}

int64_t ax_clock_wall_us(void)
{
    return (int64_t)(clock_read(CLOCK_REALTIME) / AX_NS_PER_US);
}

/* `count` decimal digits of `value`, and then `after`. */
static char *put_digits(char *at, uint64_t value, size_t count, char after)
{
    for (size_t i = count; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    at[count] = after;
    return at + count + 1;
}

void ax_clock_text(int64_t wall_us, char ret_text[AX_CLOCK_TEXT_SIZE])
{
    assert(ret_text);
    int64_t day = ax_calendar_day_of(wall_us);
    uint64_t us = (uint64_t)(wall_us - day * AX_US_PER_DAY);
    struct ax_date date = ax_calendar_date(day);
    assert(date.year >= 0 && date.year <= 9999);
    char *at = put_digits(ret_text, (uint64_t)date.year, 4, '-');
    at = put_digits(at, date.month, 2, '-');
    at = put_digits(at, date.day, 2, 'T');
    at = put_digits(at, us / 3600000000u, 2, ':');
    at = put_digits(at, us / 60000000u % 60, 2, ':');
    at = put_digits(at, us / 1000000u % 60, 2, '.');
    at = put_digits(at, us % 1000000u, 6, 'Z');
    *at = '\0';
}

struct uuid_state {
    uint64_t random[4]; /* xoshiro256++; all zero: not seeded */
    uint64_t ms;        /* of the last id */
    uint64_t high;      /* its upper 12 bits behind the version */
    uint64_t low;       /* its lower 62 bits */
};

static _Thread_local struct uuid_state uuid_state;

static uint64_t rotated(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t uuid_random(struct uuid_state *state)
{
    uint64_t *s = state->random;
    uint64_t result = rotated(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotated(s[3], 45);
    return result;
}

/* getrandom of 32 bytes cannot be cut short; it fails only where the call is forbidden. */
static void uuid_seed(struct uuid_state *state)
{
    if (getrandom(state->random, sizeof(state->random), 0) == (ssize_t)sizeof(state->random))
        return;
    state->random[0] = ax_clock_ns() ^ 0x9e3779b97f4a7c15u;
    state->random[1] = (uint64_t)(uintptr_t)state;
    state->random[2] = (uint64_t)ax_clock_wall_us();
    state->random[3] = 1;
}

static void uuid_step(struct uuid_state *state)
{
    uint64_t ms = (uint64_t)ax_clock_wall_us() / 1000;
    if (!(state->random[0] | state->random[1] | state->random[2] | state->random[3]))
        uuid_seed(state);
    if (ms > state->ms) {
        state->ms = ms;
        state->high = uuid_random(state) & 0x7FF;
        state->low = uuid_random(state) >> 2;
        return;
    }
    state->low += 1 + (uuid_random(state) >> 16);
    state->high += state->low >> 62;
    state->low &= UINT64_MAX >> 2;
    if (state->high > 0xFFF) {
        state->high = 0;
        state->ms++;
    }
}

void ax_uuid7_text(char ret_text[AX_UUID_TEXT_SIZE])
{
    assert(ret_text);
    static const char digits[] = "0123456789abcdef";
    struct uuid_state *state = &uuid_state;
    uuid_step(state);
    uint64_t halves[2] = { state->ms << 16 | 7u << 12 | state->high,
                           UINT64_C(2) << 62 | state->low };
    char *at = ret_text;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *at++ = '-';
        *at++ = digits[halves[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    *at = '\0';
}
