/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of libc that may not be called, forced into every file of ours by
 * the build. Each is unbounded, not thread-safe, unable to report an error, or
 * depends on the locale or the time zone of whoever started the process.
 *
 * The headers that declare them come first: after the pragma the mere name is
 * an error, in a declaration too.
 */
#ifndef AX_BASE_BANNED_H
#define AX_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With _FORTIFY_SOURCE some of them are macros. */
#undef sprintf
#undef strcat
#undef strcpy
#undef stpcpy
#undef strncat
#undef strncpy
#undef vsprintf

/* No bound on what is written. */
#pragma GCC poison strcpy strcat stpcpy sprintf vsprintf gets
/* Bounded, but leaves text without its end, or counts the wrong thing. */
#pragma GCC poison strncpy strncat
/* State shared between threads. */
#pragma GCC poison strtok strerror localtime gmtime ctime asctime rand srand
/* The machine's time zone. */
#pragma GCC poison localtime_r mktime ctime_r
/* No way to tell a bad number from 0. */
#pragma GCC poison atoi atol atoll atof

#endif
