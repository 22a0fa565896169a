/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones: a reader of TZif files, and two searches over one table.
 *
 * A file is a header and a block of data with times of four bytes, for old programs, and then both
 * again with times of eight, and at last a line with the rule for all time behind. Only the second
 * block is used. What becomes of it is a table of changes, in order of time: from `at` on the
 * clocks are `offset` ahead. The rule is written out for 400 years behind the last change of the
 * file; since the calendar repeats after 400 years, to the weekday, later moments are looked up as
 * many times 400 years earlier.
 *
 * From local time to UTC: at a change the clocks jump from `at + before` to `at + offset`. When
 * they are put forward, what lies between is shown never, and is to be read by the offset before;
 * when they are put back, what lies between is shown twice, and the second time is meant, which is
 * read by the offset after. So in both cases the new offset holds from what the clocks show behind
 * the jump, `at + offset`, and one search over that column does it. It has to rise for that, and
 * what is shown twice has to be shown a second time before the next change. So it is unless a zone
 * changes its clocks twice within hours: such a file is refused.
 *
 * Names are looked up in one folder, whose files they may not leave: no dots, and so no "..", no
 * empty part, no slash in front.
 */
#include "base/zone.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/calendar.h"
#include "base/file.h"
#include "base/map.h"
#include "base/zone_rule.h"

#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ZONE_FOLDER      "/usr/share/zoneinfo/"
#define ZONE_PATH_SIZE   (sizeof(ZONE_FOLDER) + AX_ZONE_NAME_BYTES_MAX)
#define HEADER_BYTES     ((size_t)44)
#define CHANGES_MAX      3000
#define CYCLE_YEARS      400
#define CYCLE_S          INT64_C(12622780800)
#define RULE_YEARS_MORE  3
#define RULE_CHANGES_MAX ((size_t)2 * (CYCLE_YEARS + RULE_YEARS_MORE + 2))
#define ZONES_MAX        1000
/* Times further away are before all that the calendar can tell. Some files begin with -2^59. */
#define CHANGE_S_MIN (INT64_MIN / AX_US_PER_S / 2)
#define CHANGE_S_MAX (INT64_MAX / AX_US_PER_S / 2)

struct zone_change {
    int64_t at_s; /* UTC */
    int32_t offset_s;
};

struct ax_zone {
    int32_t first_offset_s; /* before the first change */
    bool is_cyclic;         /* the rule changes the clocks each year */
    int64_t cycle_end_s; /* then: up to here the table may be asked, and a cycle before it follows
                          * the rule alone */
    size_t count;
    struct zone_change *changes;
};

/* ---- Reading ---- */

struct zone_header {
    size_t isut_count, isstd_count, leap_count, time_count, type_count, char_count;
};

static uint32_t read_u32(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int64_t read_i64(const char *at)
{
    return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

static enum ax_code zone_damaged(struct ax_err *err, const char *what)
{
    return ax_fail(err, AX_E_INVALID, "damaged time zone file: %s", what);
}

static enum ax_code read_header(struct ax_str bytes, struct zone_header *ret, struct ax_err *err)
{
    if (bytes.len < HEADER_BYTES || memcmp(bytes.ptr, "TZif", 4) != 0)
        return zone_damaged(err, "no TZif header");
    if (bytes.ptr[4] < '2' || bytes.ptr[4] > '4')
        return ax_fail(err, AX_E_UNSUPPORTED, "time zone file of a version that is not 2 to 4");
    const char *at = bytes.ptr + 20;
    *ret = (struct zone_header){
        .isut_count = read_u32(at),
        .isstd_count = read_u32(at + 4),
        .leap_count = read_u32(at + 8),
        .time_count = read_u32(at + 12),
        .type_count = read_u32(at + 16),
        .char_count = read_u32(at + 20),
    };
    return AX_OK;
}

/* Bytes of the block behind a header whose times have `width` bytes; counts are 32 bits, so that
 * this does not overflow. */
static size_t block_bytes(const struct zone_header *header, size_t width)
{
    return header->time_count * (width + 1) + header->type_count * 6 + header->char_count +
           header->leap_count * (width + 4) + header->isstd_count + header->isut_count;
}

/* `changes` is in order. A change to what holds already is none; one at the same moment as the one
 * before takes its place. */
static void zone_add(struct ax_zone *zone, int64_t at_s, int32_t offset_s)
{
    if (zone->count && zone->changes[zone->count - 1].at_s == at_s)
        zone->count--;
    int32_t before = zone->count ? zone->changes[zone->count - 1].offset_s : zone->first_offset_s;
    if (before != offset_s)
        zone->changes[zone->count++] = (struct zone_change){ at_s, offset_s };
}

static enum ax_code read_changes(struct ax_zone *zone, const struct zone_header *header,
                                 const char *block, struct ax_err *err)
{
    const char *indexes = block + header->time_count * 8;
    const char *types = indexes + header->time_count;
    int32_t offsets[256] = { 0 };
    for (size_t i = 0; i < header->type_count; i++) {
        offsets[i] = (int32_t)read_u32(types + i * 6);
        if (offsets[i] < -AX_ZONE_OFFSET_S_MAX || offsets[i] > AX_ZONE_OFFSET_S_MAX)
            return zone_damaged(err, "an offset of more than a day");
    }
    zone->first_offset_s = offsets[0];
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < header->time_count; i++) {
        int64_t at_s = read_i64(block + i * 8);
        size_t type = (unsigned char)indexes[i];
        if (type >= header->type_count)
            return zone_damaged(err, "a change to a type that is not there");
        if (i && at_s <= last)
            return zone_damaged(err, "changes are not in order");
        last = at_s;
        if (at_s > CHANGE_S_MAX)
            return zone_damaged(err, "a change after all years");
        zone_add(zone, AX_MAX(at_s, CHANGE_S_MIN), offsets[type]);
    }
    return AX_OK;
}

/* The changes of one year in order of time. Summer may begin late in the year and end early. */
static void add_year(struct ax_zone *zone, const struct ax_zone_rule *rule, int64_t year,
                     int64_t after_s)
{
    struct zone_change begin = { ax_zone_day_at(&rule->begin, year, rule->standard_s),
                                 rule->summer_s };
    struct zone_change end = { ax_zone_day_at(&rule->end, year, rule->summer_s), rule->standard_s };
    bool swapped = end.at_s < begin.at_s;
    struct zone_change pair[2] = { swapped ? end : begin, swapped ? begin : end };
    for (unsigned i = 0; i < 2; i++)
        if (pair[i].at_s > after_s)
            zone_add(zone, pair[i].at_s, pair[i].offset_s);
}

static enum ax_code read_rule(struct ax_zone *zone, struct ax_str line, struct ax_err *err)
{
    struct ax_zone_rule rule;
    if (line.len < 2 || line.ptr[0] != '\n' || line.ptr[line.len - 1] != '\n')
        return zone_damaged(err, "no line with a rule at its end");
    struct ax_str text = { line.ptr + 1, line.len - 2 };
    if (!text.len)
        return AX_OK; /* Nothing is known about what comes behind: the last offset holds on. */
    if (!ax_zone_rule_read(text, &rule))
        return ax_fail(err, AX_E_INVALID, "damaged time zone file: '%.*s' is no rule",
                       AX_STR_ARG(ax_str_cut(text, 60)));
    int64_t last_s = zone->count ? zone->changes[zone->count - 1].at_s : CHANGE_S_MIN;
    if (!rule.has_summer) {
        if (!zone->count)
            zone->first_offset_s = rule.standard_s;
        else
            zone_add(zone, last_s + 1, rule.standard_s);
        return AX_OK;
    }
    int64_t from_s = AX_MAX(last_s, INT64_C(0));
    int64_t year = ax_calendar_date(from_s / 86400).year;
    if (year > 9999)
        return zone_damaged(err, "a change after all years");
    zone->is_cyclic = true;
    /* Two years are left at both ends: for what is local time and not UTC, and for the file's last
     * change. */
    zone->cycle_end_s = ax_calendar_days((struct ax_date){ year + CYCLE_YEARS + 2, 1, 1 }) * 86400;
    for (int64_t i = -1; i <= CYCLE_YEARS + RULE_YEARS_MORE; i++)
        add_year(zone, &rule, year + i, last_s);
    return AX_OK;
}

static enum ax_code check_order(const struct ax_zone *zone, struct ax_err *err)
{
    int32_t before_s = zone->first_offset_s;
    for (size_t i = 1; i < zone->count; i++) {
        const struct zone_change *a = &zone->changes[i - 1], *b = &zone->changes[i];
        bool is_cut_short = a->at_s + before_s > b->at_s + a->offset_s;
        before_s = a->offset_s;
        if (a->at_s >= b->at_s || a->at_s + a->offset_s >= b->at_s + b->offset_s || is_cut_short)
            return ax_fail(err, AX_E_UNSUPPORTED,
                           "time zone file whose clocks are changed twice within hours");
    }
    return AX_OK;
}

static enum ax_code read_block(struct ax_zone *zone, struct ax_str bytes, struct ax_err *err)
{
    struct zone_header header;
    if (read_header(bytes, &header, err))
        return err->code;
    size_t block = block_bytes(&header, 4);
    if (block > bytes.len - HEADER_BYTES)
        return zone_damaged(err, "it is cut off");
    bytes = (struct ax_str){ bytes.ptr + HEADER_BYTES + block, bytes.len - HEADER_BYTES - block };
    if (read_header(bytes, &header, err))
        return err->code;
    block = block_bytes(&header, 8);
    if (block > bytes.len - HEADER_BYTES)
        return zone_damaged(err, "it is cut off");
    if (header.type_count < 1 || header.type_count > 256)
        return zone_damaged(err, "no types of time, or over 256");
    if (header.time_count > CHANGES_MAX)
        return ax_fail(err, AX_E_UNSUPPORTED, "time zone file with over %d changes", CHANGES_MAX);
    if (header.leap_count)
        return ax_fail(err, AX_E_UNSUPPORTED, "time zone file with leap seconds");
    zone->changes = ax_try_alloc(header.time_count + RULE_CHANGES_MAX, sizeof(*zone->changes));
    if (!zone->changes)
        return ax_fail(err, AX_E_LIMIT, "no memory for a time zone");
    struct ax_str line = { bytes.ptr + HEADER_BYTES + block, bytes.len - HEADER_BYTES - block };
    if (read_changes(zone, &header, bytes.ptr + HEADER_BYTES, err) || read_rule(zone, line, err))
        return err->code;
    return check_order(zone, err);
}

enum ax_code ax_zone_read(struct ax_str bytes, struct ax_zone **ret_zone, struct ax_err *err)
{
    assert((bytes.ptr || !bytes.len) && ret_zone);
    struct ax_zone *zone = ax_xalloc(sizeof(*zone));
    if (read_block(zone, bytes, err)) {
        ax_zone_free(zone);
        return err->code;
    }
    *ret_zone = zone;
    return AX_OK;
}

void ax_zone_free(struct ax_zone *zone)
{
    if (!zone)
        return;
    free(zone->changes);
    free(zone);
}

/* ---- Asking ---- */

/* `s`, or a moment so many whole cycles before it that the table has what holds then. */
static int64_t fold(const struct ax_zone *zone, int64_t s)
{
    if (!zone->is_cyclic || s <= zone->cycle_end_s)
        return s;
    return s - (s - zone->cycle_end_s + CYCLE_S - 1) / CYCLE_S * CYCLE_S;
}

/* The offset that holds at `s`: of UTC, or of what the clocks show. */
static int32_t offset_at(const struct ax_zone *zone, int64_t s, bool is_local)
{
    s = fold(zone, s);
    size_t low = 0, high = zone->count; /* changes below `low` have been, from `high` on have not */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct zone_change *change = &zone->changes[middle];
        if (change->at_s + (is_local ? change->offset_s : 0) <= s)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? zone->changes[low - 1].offset_s : zone->first_offset_s;
}

static int64_t floor_seconds(int64_t us)
{
    return us / AX_US_PER_S - (us % AX_US_PER_S < 0);
}

static int64_t add_saturated(int64_t us, int64_t more)
{
    int64_t sum;
    if (AX_ADD_OVERFLOWS(us, more, &sum))
        return more < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

int64_t ax_zone_to_local(const struct ax_zone *zone, int64_t utc_us)
{
    assert(zone);
    return add_saturated(utc_us, offset_at(zone, floor_seconds(utc_us), false) * AX_US_PER_S);
}

int64_t ax_zone_to_utc(const struct ax_zone *zone, int64_t local_us)
{
    assert(zone);
    return add_saturated(local_us, -offset_at(zone, floor_seconds(local_us), true) * AX_US_PER_S);
}

/* ---- By name ---- */

static pthread_mutex_t zones_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct ax_map zones; /* name -> struct ax_zone; guarded by zones_mutex */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-';
}

static enum ax_code check_name(struct ax_str name, struct ax_err *err)
{
    static const char *const not_zones[] = { "localtime", "posixrules", "leapseconds", "Factory" };
    bool right = name.len && name.len <= AX_ZONE_NAME_BYTES_MAX && name.ptr[name.len - 1] != '/';
    for (size_t i = 0; right && i < name.len; i++)
        right =
            is_name_char(name.ptr[i]) || (name.ptr[i] == '/' && i > 0 && name.ptr[i - 1] != '/');
    for (size_t i = 0; right && i < AX_COUNT(not_zones); i++)
        right = !ax_str_is(name, not_zones[i]);
    if (right)
        return AX_OK;
    return ax_fail(err, AX_E_INVALID,
                   "time zone '%.*s': write a name like 'Europe/Berlin' or 'UTC'",
                   AX_STR_ARG(ax_str_cut(name, AX_ZONE_NAME_BYTES_MAX)));
}

/* A file or folder called so would be nearer to `part`; of two that are as near, the one in front.
 */
static void take_nearer(struct ax_str part, struct ax_str entry, char best[AX_ZONE_NAME_BYTES_MAX])
{
    struct ax_str names[2] = { entry, ax_str_from(best) };
    if (*best && ax_str_compare(names[0], names[1]) > 0) {
        names[0] = names[1];
        names[1] = entry;
    }
    long nearest = ax_str_nearest(part, names, *best ? 2 : 1);
    if (nearest >= 0 && names[nearest].ptr == entry.ptr) {
        memcpy(best, entry.ptr, entry.len);
        best[entry.len] = '\0';
    }
}

/* The entry of a folder that is called so, or else is nearest to that. */
static void find_entry(const char *folder, struct ax_str part, char best[AX_ZONE_NAME_BYTES_MAX])
{
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    *best = '\0';
    while (entries && (entry = readdir(entries)) && !ax_str_is(part, best)) {
        struct ax_str name = ax_str_from(entry->d_name);
        if (name.len < AX_ZONE_NAME_BYTES_MAX && !memchr(name.ptr, '.', name.len))
            take_nearer(part, name, best);
    }
    if (entries)
        (void)closedir(entries);
}

/* Fill in the path of the zone that could have been meant: the nearest area, and its nearest place.
 * False when there is none. */
static bool find_nearest(struct ax_str name, char path[ZONE_PATH_SIZE])
{
    char best[AX_ZONE_NAME_BYTES_MAX];
    struct stat info;
    size_t len = sizeof(ZONE_FOLDER) - 1;
    memcpy(path, ZONE_FOLDER, sizeof(ZONE_FOLDER));
    while (name.len) {
        const char *slash = memchr(name.ptr, '/', name.len);
        struct ax_str part = { name.ptr, slash ? (size_t)(slash - name.ptr) : name.len };
        size_t skipped = part.len + (slash != NULL);
        find_entry(path, part, best);
        int added = snprintf(path + len, ZONE_PATH_SIZE - len, "%s%s", best, slash ? "/" : "");
        if (!*best || added < 0 || (size_t)added >= ZONE_PATH_SIZE - len)
            return false;
        len += (size_t)added;
        name = (struct ax_str){ name.ptr + skipped, name.len - skipped };
    }
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static enum ax_code fail_unknown(struct ax_str name, struct ax_err *err)
{
    char path[ZONE_PATH_SIZE];
    if (find_nearest(name, path))
        return ax_fail(err, AX_E_NOT_FOUND,
                       "no time zone '%.*s' in " ZONE_FOLDER "; nearest is '%s'", AX_STR_ARG(name),
                       path + sizeof(ZONE_FOLDER) - 1);
    return ax_fail(err, AX_E_NOT_FOUND,
                   "no time zone '%.*s' in " ZONE_FOLDER "; names are like 'Europe/Berlin'",
                   AX_STR_ARG(name));
}

static enum ax_code read_named(struct ax_str name, struct ax_zone **ret_zone, struct ax_err *err)
{
    char path[ZONE_PATH_SIZE];
    memcpy(path, ZONE_FOLDER, sizeof(ZONE_FOLDER) - 1);
    memcpy(path + sizeof(ZONE_FOLDER) - 1, name.ptr, name.len);
    path[sizeof(ZONE_FOLDER) - 1 + name.len] = '\0';
    struct ax_buf bytes;
    ax_buf_init(&bytes, AX_ZONE_FILE_BYTES_MAX);
    enum ax_code code = ax_file_read(path, &bytes, err);
    if (code == AX_E_NOT_FOUND || code == AX_E_INVALID) {
        ax_err_clear(err);
        ax_buf_done(&bytes);
        return fail_unknown(name, err);
    }
    if (!code)
        code = ax_zone_read(ax_buf_str(&bytes), ret_zone, err);
    ax_buf_done(&bytes);
    return code ? ax_err_context(err, "time zone '%.*s'", AX_STR_ARG(name)) : AX_OK;
}

/* The zone that is in the map from now on: another thread may have read it, too. */
static struct ax_zone *keep(struct ax_str name, struct ax_zone *read)
{
    pthread_mutex_lock(&zones_mutex);
    struct ax_zone *zone = ax_map_get(&zones, name);
    if (!zone) {
        (void)ax_map_put(&zones, name, read);
        zone = read;
    }
    pthread_mutex_unlock(&zones_mutex);
    if (zone != read)
        ax_zone_free(read);
    return zone;
}

enum ax_code ax_zone_get(struct ax_str name, const struct ax_zone **ret_zone, struct ax_err *err)
{
    assert((name.ptr || !name.len) && ret_zone);
    if (check_name(name, err))
        return err->code;
    pthread_mutex_lock(&zones_mutex);
    struct ax_zone *zone = ax_map_get(&zones, name);
    bool is_full = zones.count >= ZONES_MAX;
    pthread_mutex_unlock(&zones_mutex);
    if (!zone && is_full)
        return ax_fail(err, AX_E_LIMIT, "over %d time zones are in use", ZONES_MAX);
    if (!zone) {
        if (read_named(name, &zone, err))
            return err->code;
        zone = keep(name, zone);
    }
    *ret_zone = zone;
    return AX_OK;
}
