/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times: the monotonic clock for durations, the wall clock for what people and files see.
 */
#ifndef AX_BASE_CLOCK_H
#define AX_BASE_CLOCK_H

#include "base/str.h"

#define AX_NS_PER_US 1000u
#define AX_NS_PER_MS 1000000u
#define AX_NS_PER_S  1000000000u

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t ax_clock_ns(void);

/* Nanoseconds of processor time that this thread has had: what others took does not count. A system
 * call. */
uint64_t ax_clock_thread_ns(void);

/* The clock of the calling thread's processor time, for others to read while the thread lives. */
int ax_clock_thread_id(void);
uint64_t ax_clock_id_ns(int id);

/* Microseconds since 1970-01-01T00:00:00Z, UTC. */
int64_t ax_clock_wall_us(void);

/* RFC 3339 with microseconds and 'Z' ("2013-12-01T10:00:00.000000Z"); any int64 whose year lies in
 * 0..9999. `ret_text` gets the text and a NUL. */
#define AX_CLOCK_TEXT_SIZE 32
void ax_clock_text(int64_t wall_us, char ret_text[AX_CLOCK_TEXT_SIZE]);

/* A UUID of version 7 (RFC 9562): 48 bits of wall-clock milliseconds, then a counter and random
 * bits, so that ids of one thread rise. 36 characters and a NUL. No system call but at the first
 * use of a thread. */
#define AX_UUID_TEXT_SIZE 37
void ax_uuid7_text(char ret_text[AX_UUID_TEXT_SIZE]);

#endif
