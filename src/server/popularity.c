/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An hour is open: what is counted belongs to it. When the wall clock is in another one, the open
 * hour is folded into its bucket, half of the bucket and half of what was new, and the next is
 * opened; so buckets age by how often they were seen and not by what the clock says, and a clock
 * that jumps opens another bucket and harms none. Of an hour of which less than five minutes were
 * seen nothing is kept.
 *
 * The file:
 *
 *      0  magic "AUSPEXPO"                   32  number of models, 8 bytes
 *      8  version, 4 bytes                   40  wall clock of the last tick, 8 bytes
 *     12  0x01020304, 4 bytes                48  sums of errors, 2 x 8 bytes
 *     16  bytes of this file                 64  how often each hour was seen, 168 x 2 bytes
 *     24  checksum of all from byte 32 on   400  minutes seen of the open hour, 8 bytes
 *                                           408  models: struct record, then the name
 *
 * The open hour is that of the last tick; so a process that is killed in the middle of it loses
 * what came since the file was written, and not the hour. All is in the machine's byte order, which
 * the mark tells. The file is replaced by a rename behind an fsync, so whoever reads finds an old
 * one or a new one; the checksum is for what disks do besides.
 */
#include "server/popularity.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOURS            168
#define DAY_HOURS        24
#define HOUR_US          ((int64_t)3600 * 1000000)
#define MINUTE_NS        (60 * (double)AX_NS_PER_S)
#define HOUR_MINUTES     60.0
#define OPEN_MINUTES_MIN 5.0
#define RECENT_MINUTES   15.0 /* after which a step in the rate is half seen */
#define SEEN_MAX         1000
#define RATE_MIN         0.001 /* a minute; below it a model is forgotten */
#define RATE_MAX         1e12
#define ERROR_KEPT       0.98 /* of the sums, an hour: about two days count */
#define ERROR_MAX        1e18
#define OPEN_MAX         1e15 /* requests */
#define MINUTES_MAX      1e9

#define MAGIC          "AUSPEXPO"
#define VERSION        2u
#define ORDER_MARK     0x01020304u
#define CHECKED_FROM   32
#define NAME_BYTES_MAX 128
#define LEFT_BEHIND_S  60 /* writing takes less */

struct entry {
    float rates[HOURS]; /* requests a minute */
    float recent;
    float last; /* the rate of the hour before the open one */
    uint64_t total;
    uint64_t fresh; /* counted since the last tick */
    uint64_t open;  /* counted in the open hour */
    struct ax_footprint footprint;
};

/* How far those who foretell an hour's rates were off, summed over models, with what is long ago
 * fading. Differences are of square roots, so that the few that are asked most, which are in memory
 * anyway, do not decide alone. */
struct errors {
    double cycle; /* what ax_popularity_expected said */
    double last;  /* that it would be as the hour before */
};

struct ax_popularity {
    struct ax_map models; /* name -> struct entry, owned */
    uint16_t seen[HOURS];
    size_t open_hour;    /* HOURS: none */
    double open_minutes; /* of it that were seen */
    int64_t wall_us;     /* of the last tick; 0: none yet */
    bool was_read;       /* from a file, and not ticked yet */
    bool has_last;       /* the hour before was seen, and entries have its rate */
    struct errors errors;
};

struct header {
    char magic[8];
    uint32_t version;
    uint32_t order_mark;
    uint64_t file_bytes;
    uint64_t checksum;
    uint64_t model_count;
    int64_t wall_us;
    double error_cycle, error_last;
    uint16_t seen[HOURS];
    double open_minutes;
};
static_assert(sizeof(struct header) == 408 && offsetof(struct header, model_count) == CHECKED_FROM,
              "the header's fields have fixed places");

struct record {
    uint64_t name_bytes;
    uint64_t memory_bytes, image_bytes; /* all zero: unknown */
    uint64_t image_digest[2];           /* low, high */
    float recent;
    float rates[HOURS];
    float open;
};
static_assert(sizeof(struct record) == 720, "without holes");

struct ax_popularity *ax_popularity_new(void)
{
    struct ax_popularity *popularity = ax_xalloc(sizeof(*popularity));
    ax_map_init(&popularity->models);
    popularity->open_hour = HOURS;
    return popularity;
}

void ax_popularity_free(struct ax_popularity *popularity)
{
    if (!popularity)
        return;
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&popularity->models, &at, &name, &value))
        free(value);
    ax_map_done(&popularity->models);
    free(popularity);
}

/* NULL when there is no room for another one. */
static struct entry *popularity_add(struct ax_popularity *popularity, struct ax_str model)
{
    struct entry *entry = ax_map_get(&popularity->models, model);
    if (entry || popularity->models.count == AX_POPULARITY_MODELS_MAX)
        return entry;
    entry = ax_xalloc(sizeof(*entry));
    (void)ax_map_put(&popularity->models, model, entry);
    return entry;
}

void ax_popularity_count(struct ax_popularity *popularity, struct ax_str model, uint64_t total)
{
    assert(popularity && model.len > 0 && model.len <= NAME_BYTES_MAX);
    struct entry *entry = popularity_add(popularity, model);
    if (!entry)
        return;
    entry->fresh += total >= entry->total ? total - entry->total : total;
    entry->total = total;
}

/* Hours are counted from a Thursday, 1970-01-01; which day a week begins with does not matter. */
static size_t hour_of(int64_t wall_us)
{
    int64_t hour = (wall_us / HOUR_US - (wall_us % HOUR_US < 0)) % HOURS;
    return (size_t)(hour < 0 ? hour + HOURS : hour);
}

static bool entry_is_forgotten(const struct entry *entry)
{
    float most = entry->recent;
    for (size_t i = 0; i < HOURS; i++)
        most = AX_MAX(most, entry->rates[i]);
    return most < (float)RATE_MIN && entry->open == 0;
}

/* The same hour of the other days, as far as they were seen; false: none was. */
static bool day_rate(const struct ax_popularity *popularity, const struct entry *entry, size_t hour,
                     double *ret_rate)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = DAY_HOURS; i < HOURS; i += DAY_HOURS) {
        size_t other = (hour + i) % HOURS;
        if (popularity->seen[other] == 0)
            continue;
        sum += (double)entry->rates[other];
        count++;
    }
    *ret_rate = count ? sum / (double)count : 0;
    return count > 0;
}

static double expected_rate(const struct ax_popularity *popularity, const struct entry *entry,
                            size_t hour)
{
    double by_day;
    bool has_day = day_rate(popularity, entry, hour, &by_day);
    double seen = (double)popularity->seen[hour];
    if (!has_day)
        return seen > 0 ? (double)entry->rates[hour] : (double)entry->recent;
    /* An hour of the week is trusted the more, the more often it was seen. */
    return ((double)entry->rates[hour] * seen + by_day) / (seen + 1);
}

/* Before the open hour is folded: compare what was foretold with what came. */
static void popularity_note_errors(struct ax_popularity *popularity)
{
    double cycle = 0;
    double last = 0;
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&popularity->models, &at, &name, &value)) {
        const struct entry *entry = value;
        double root = sqrt((double)entry->open / popularity->open_minutes);
        cycle += fabs(root - sqrt(expected_rate(popularity, entry, popularity->open_hour)));
        last += fabs(root - sqrt((double)entry->last));
    }
    struct errors *errors = &popularity->errors;
    errors->cycle = AX_MIN(errors->cycle * ERROR_KEPT + cycle, ERROR_MAX);
    errors->last = AX_MIN(errors->last * ERROR_KEPT + last, ERROR_MAX);
}

/* Put the open hour into its bucket, for all models: one that was not asked has a rate, too. */
static void popularity_fold(struct ax_popularity *popularity)
{
    size_t hour = popularity->open_hour;
    bool is_kept = popularity->open_minutes >= OPEN_MINUTES_MIN;
    if (is_kept && popularity->has_last)
        popularity_note_errors(popularity);
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&popularity->models, &at, &name, &value)) {
        struct entry *entry = value;
        double rate = is_kept ? (double)entry->open / popularity->open_minutes : 0;
        double kept = popularity->seen[hour] ? (double)entry->rates[hour] : rate;
        if (is_kept)
            entry->rates[hour] = (float)AX_MIN((kept + rate) / 2, RATE_MAX);
        entry->last = (float)AX_MIN(rate, RATE_MAX);
        entry->open = 0;
    }
    popularity->has_last = is_kept;
    if (is_kept && popularity->seen[hour] < SEEN_MAX)
        popularity->seen[hour]++;
}

static void popularity_forget(struct ax_popularity *popularity)
{
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&popularity->models, &at, &name, &value))
        if (entry_is_forgotten(value))
            free(ax_map_remove(&popularity->models, name));
}

/* What was asked before a time without us is no longer what is asked of late. */
static void entry_age(struct entry *entry, double minutes)
{
    entry->recent *= (float)(RECENT_MINUTES / (RECENT_MINUTES + minutes));
}

static void entry_tick(struct entry *entry, double minutes)
{
    if (minutes > 0) {
        double moved = ((double)entry->fresh / minutes - (double)entry->recent) * minutes /
                       (minutes + RECENT_MINUTES);
        entry->recent = (float)AX_MIN((double)entry->recent + moved, RATE_MAX);
    }
    entry->open += entry->fresh;
    entry->fresh = 0;
}

/* Minutes between the last tick of the process before this one and now, by the wall clock. */
static double minutes_away(const struct ax_popularity *popularity, int64_t wall_us)
{
    if (!popularity->was_read || popularity->wall_us >= wall_us)
        return 0;
    /* Neither is trusted further than that. */
    double away_us = (double)wall_us - (double)popularity->wall_us;
    return AX_MIN(away_us, (double)HOURS * (double)HOUR_US) / (60 * 1e6);
}

bool ax_popularity_tick(struct ax_popularity *popularity, int64_t wall_us, uint64_t elapsed_ns)
{
    assert(popularity);
    double minutes = (double)elapsed_ns / MINUTE_NS;
    double away = minutes_away(popularity, wall_us);
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&popularity->models, &at, &name, &value)) {
        entry_age(value, away);
        entry_tick(value, minutes);
    }
    popularity->wall_us = wall_us;
    popularity->was_read = false;
    popularity->open_minutes += minutes;
    size_t hour = hour_of(wall_us);
    bool was_open = popularity->open_hour < HOURS;
    /* The same hour of another week is another one. */
    bool is_over = was_open && (popularity->open_hour != hour || away >= HOUR_MINUTES);
    if (is_over) {
        popularity_fold(popularity);
        popularity_forget(popularity);
        popularity->open_minutes = 0;
        popularity->has_last &= away < HOUR_MINUTES;
    }
    popularity->open_hour = hour;
    return is_over;
}

double ax_popularity_recent(const struct ax_popularity *popularity, struct ax_str model)
{
    assert(popularity);
    const struct entry *entry = ax_map_get(&popularity->models, model);
    return entry ? (double)entry->recent : 0;
}

double ax_popularity_expected(const struct ax_popularity *popularity, struct ax_str model,
                              int64_t wall_us)
{
    assert(popularity);
    const struct entry *entry = ax_map_get(&popularity->models, model);
    return entry ? expected_rate(popularity, entry, hour_of(wall_us)) : 0;
}

bool ax_popularity_has_cycle(const struct ax_popularity *popularity)
{
    assert(popularity);
    return popularity->errors.cycle < popularity->errors.last;
}

double ax_popularity_worth(const struct ax_popularity *popularity, struct ax_str model,
                           int64_t wall_us)
{
    double recent = ax_popularity_recent(popularity, model);
    double expected = ax_popularity_expected(popularity, model, wall_us);
    return AX_MAX(recent, expected);
}

void ax_popularity_note(struct ax_popularity *popularity, struct ax_str model,
                        const struct ax_footprint *footprint)
{
    assert(popularity && model.len > 0 && model.len <= NAME_BYTES_MAX && footprint);
    struct entry *entry = popularity_add(popularity, model);
    if (entry)
        entry->footprint = *footprint;
}

static bool footprint_is_known(const struct ax_footprint *footprint)
{
    return footprint->memory_bytes || footprint->image_bytes;
}

bool ax_popularity_footprint(const struct ax_popularity *popularity, struct ax_str model,
                             struct ax_footprint *ret_footprint)
{
    assert(popularity && ret_footprint);
    const struct entry *entry = ax_map_get(&popularity->models, model);
    if (!entry || !footprint_is_known(&entry->footprint))
        return false;
    *ret_footprint = entry->footprint;
    return true;
}

/* ---- the file ---- */

static void print_entry(struct ax_buf *out, struct ax_str name, const struct entry *entry)
{
    const struct ax_footprint *footprint = &entry->footprint;
    struct record record = {
        .name_bytes = name.len,
        .memory_bytes = footprint->memory_bytes,
        .image_bytes = footprint->image_bytes,
        .image_digest = { footprint->image_digest.low, footprint->image_digest.high },
        .recent = entry->recent,
        .open = (float)AX_MIN((double)entry->open, OPEN_MAX),
    };
    memcpy(record.rates, entry->rates, sizeof(record.rates));
    (void)ax_buf_append(out, &record, sizeof(record));
    (void)ax_buf_append_str(out, name);
}

static uint64_t checksum_of(struct ax_str file)
{
    return ax_hash((struct ax_str){ file.ptr + CHECKED_FROM, file.len - CHECKED_FROM });
}

void ax_popularity_print(const struct ax_popularity *popularity, struct ax_buf *out)
{
    assert(popularity && out && out->len == 0);
    struct header header = { .magic = MAGIC,
                             .version = VERSION,
                             .order_mark = ORDER_MARK,
                             .model_count = popularity->models.count,
                             .wall_us = popularity->wall_us,
                             .error_cycle = popularity->errors.cycle,
                             .error_last = popularity->errors.last,
                             .open_minutes = AX_MIN(popularity->open_minutes, MINUTES_MAX) };
    memcpy(header.seen, popularity->seen, sizeof(header.seen));
    (void)ax_buf_append(out, &header, sizeof(header));
    size_t at = 0;
    struct ax_str name;
    void *value;
    while (ax_map_next(&popularity->models, &at, &name, &value))
        print_entry(out, name, value);
    if (out->failed)
        return;
    header.file_bytes = out->len;
    header.checksum = checksum_of(ax_buf_str(out));
    memcpy(out->ptr, &header, sizeof(header));
}

static enum ax_code popularity_fail(struct ax_err *err, const char *what)
{
    return ax_fail(err, AX_E_INVALID, "the file of popularity %s", what);
}

static bool error_is_sound(double error)
{
    return error >= 0 && error <= ERROR_MAX; /* and no NaN */
}

static enum ax_code check_header(struct ax_str file, struct header *ret_header, struct ax_err *err)
{
    struct header header;
    if (file.len < sizeof(header))
        return popularity_fail(err, "is cut off");
    memcpy(&header, file.ptr, sizeof(header));
    if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0)
        return popularity_fail(err, "is none of ours");
    if (header.version != VERSION || header.order_mark != ORDER_MARK)
        return popularity_fail(err, "is of another version or machine");
    if (header.file_bytes != file.len || header.checksum != checksum_of(file))
        return popularity_fail(err, "is damaged");
    for (size_t i = 0; i < HOURS; i++)
        if (header.seen[i] > SEEN_MAX)
            return popularity_fail(err, "has hours that were seen too often");
    if (!error_is_sound(header.error_cycle) || !error_is_sound(header.error_last))
        return popularity_fail(err, "has a sum of errors that is none");
    if (!(header.open_minutes >= 0 && header.open_minutes <= MINUTES_MAX))
        return popularity_fail(err, "has an hour of a length that is none");
    if (header.model_count > AX_POPULARITY_MODELS_MAX)
        return popularity_fail(err, "has too many models");
    *ret_header = header;
    return AX_OK;
}

static bool rate_is_sound(float rate)
{
    return rate >= 0 && rate <= (float)RATE_MAX; /* and no NaN */
}

/* A number of requests. */
static bool open_is_sound(float open)
{
    return open >= 0 && !signbit(open) && open <= (float)OPEN_MAX && floorf(open) == open;
}

/* Read the model that `file` begins with, and take it off. */
static enum ax_code parse_entry(struct ax_str *file, struct ax_popularity *popularity,
                                struct ax_err *err)
{
    struct record record;
    if (file->len < sizeof(record))
        return popularity_fail(err, "is cut off");
    memcpy(&record, file->ptr, sizeof(record));
    *file = (struct ax_str){ file->ptr + sizeof(record), file->len - sizeof(record) };
    if (record.name_bytes == 0 || record.name_bytes > NAME_BYTES_MAX ||
        record.name_bytes > file->len)
        return popularity_fail(err, "has a name without end");
    bool is_sound = rate_is_sound(record.recent) && open_is_sound(record.open);
    for (size_t i = 0; i < HOURS; i++)
        is_sound &= rate_is_sound(record.rates[i]);
    if (!is_sound)
        return popularity_fail(err, "has a rate that is none");
    struct ax_str name = { file->ptr, (size_t)record.name_bytes };
    *file = (struct ax_str){ file->ptr + name.len, file->len - name.len };
    if (ax_map_get(&popularity->models, name))
        return popularity_fail(err, "has a model twice");
    struct entry *entry = popularity_add(popularity, name);
    memcpy(entry->rates, record.rates, sizeof(entry->rates));
    entry->recent = record.recent;
    entry->open = (uint64_t)record.open;
    entry->footprint = (struct ax_footprint){
        .memory_bytes = record.memory_bytes,
        .image_bytes = record.image_bytes,
        .image_digest = { record.image_digest[0], record.image_digest[1] },
    };
    return AX_OK;
}

enum ax_code ax_popularity_parse(struct ax_str file, struct ax_popularity **ret_popularity,
                                 struct ax_err *err)
{
    assert((file.ptr || !file.len) && ret_popularity && err);
    struct header header;
    if (check_header(file, &header, err))
        return err->code;
    struct ax_popularity *popularity = ax_popularity_new();
    memcpy(popularity->seen, header.seen, sizeof(header.seen));
    popularity->wall_us = header.wall_us;
    popularity->was_read = true;
    popularity->open_minutes = header.open_minutes;
    if (header.open_minutes > 0)
        popularity->open_hour = hour_of(header.wall_us);
    popularity->errors = (struct errors){ header.error_cycle, header.error_last };
    struct ax_str left = { file.ptr + sizeof(header), file.len - sizeof(header) };
    for (uint64_t i = 0; i < header.model_count && !err->code; i++)
        (void)parse_entry(&left, popularity, err);
    if (!err->code && left.len > 0)
        (void)popularity_fail(err, "has more than its models");
    if (err->code) {
        ax_popularity_free(popularity);
        return err->code;
    }
    *ret_popularity = popularity;
    return AX_OK;
}

/* Whether a name is one that ax_file_replace gives a file until it is whole. */
static bool is_left_behind(int folder, const char *name, time_t now_s)
{
    struct stat info;
    return strncmp(name, "." AX_POPULARITY_NAME ".", sizeof("." AX_POPULARITY_NAME)) == 0 &&
           fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
           info.st_mtime + LEFT_BEHIND_S < now_s;
}

void ax_popularity_sweep(const char *state, int64_t wall_us)
{
    assert(state);
    DIR *listing = opendir(state);
    if (!listing)
        return;
    for (const struct dirent *file; (file = readdir(listing));)
        if (is_left_behind(dirfd(listing), file->d_name, (time_t)(wall_us / 1000000)))
            (void)unlinkat(dirfd(listing), file->d_name, 0);
    (void)closedir(listing);
}

enum ax_code ax_popularity_read(const char *path, struct ax_popularity **ret_popularity,
                                struct ax_err *err)
{
    assert(path && ret_popularity && err);
    struct ax_buf file;
    ax_buf_init(&file, AX_POPULARITY_FILE_MAX);
    enum ax_code code = ax_file_read(path, &file, err);
    if (!code)
        code = ax_popularity_parse(ax_buf_str(&file), ret_popularity, err);
    ax_buf_done(&file);
    return code;
}

enum ax_code ax_popularity_write(const struct ax_popularity *popularity, const char *path,
                                 struct ax_err *err)
{
    assert(popularity && path && err);
    struct ax_buf file;
    ax_buf_init(&file, AX_POPULARITY_FILE_MAX);
    ax_popularity_print(popularity, &file);
    enum ax_code code = ax_buf_check(&file, "the file of popularity", err);
    if (!code)
        code = ax_file_replace(path, ax_buf_str(&file), err);
    ax_buf_done(&file);
    return code;
}
