/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what was folded into the disk is there, all of a fold or nothing, whenever the process is
 * killed, the disk or the limit is full or memory is refused; and a file that is damaged, foreign
 * or of another format is told as that, and crashes nobody.
 * Method: random folds beside an array, opened again in between. A child folds and kills itself
 * (SIGKILL) at its first call that changes a file, then at its second, and so on: this program's
 * own pwrite and the like stand in front of the C library's, for LMDB, too. Damage: bytes of each
 * page are overwritten in turn; what opens and reads then gives what was there, and can be folded
 * into.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../../src/feature/online/lmdb.c" /* NOLINT(bugprone-suspicious-include) */

#include "base/random.h"

#include "test_folder.h"
#include "torture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ENTITIES = 2,
    KEYS = 200, /* an entity */
    FOLDS = 40,
    PAYLOAD_MAX = 2500, /* words of 8 bytes */
};

#define BYTES_MAX  ((uint64_t)64 << 20)
#define PAGE_BYTES ((size_t)4096)

/* ---- calls that change files ---- */

static unsigned calls_left;  /* 0: nobody is killed */
static bool is_meta_refused; /* writes of the two pages in front are */

static void count_call(void)
{
    if (calls_left && --calls_left == 0)
        (void)kill(getpid(), SIGKILL);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    count_call();
    if (is_meta_refused && at < (off_t)(2 * PAGE_BYTES)) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    count_call();
    return syscall(SYS_pwritev, fd, parts, count, at, 0);
}

/* What a killed process has written is the kernel's: no disk is waited for. */
int fdatasync(int fd)
{
    (void)fd;
    count_call();
    return 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

/* ---- rows ---- */

/* Key `index`: the empty one, some of up to 1 KiB that begin alike, else short ones with NULs. */
static struct ax_str key_text(size_t index, char *text)
{
    size_t len = index % 5 == 0 ? index * 5 : 3;
    memset(text, 'k', len);
    if (index) {
        text[len - 2] = (char)(index / 256);
        text[len - 1] = (char)(index % 256);
    }
    return (struct ax_str){ text, len };
}

/* A row whose bytes follow from its key, its size and `mark`. */
static struct ax_online_row *make_row(size_t index, size_t words, uint64_t mark)
{
    char text[AX_ONLINE_KEY_BYTES_MAX];
    struct ax_str key = key_text(index, text);
    size_t bytes = sizeof(struct ax_online_part) + words * 8;
    struct ax_online_part *part = ax_xalloc(bytes);
    part->stamp = (struct ax_online_stamp){ .time = (int64_t)index, .sequence = mark };
    for (size_t i = 0; i < words; i++)
        part->validity[i] = mark * 31 + i;
    struct ax_online_row *row = ax_xalloc(ax_online_row_with(NULL, key, 1, part, bytes, NULL));
    (void)ax_online_row_with(NULL, key, 1, part, bytes, row);
    free(part);
    return row;
}

static uint64_t row_mark(const struct ax_online_row *row)
{
    return ax_online_row_part(row, 1)->stamp.sequence;
}

/* What should be there. */
struct reference {
    struct ax_online_row *rows[ENTITIES][KEYS];
    size_t met[ENTITIES]; /* in a walk */
    size_t at;            /* the entity that is walked */
};

static void reference_put(struct reference *reference, size_t entity, size_t index,
                          struct ax_online_row *row)
{
    free(reference->rows[entity][index]);
    reference->rows[entity][index] = row;
}

static void reference_done(struct reference *reference)
{
    for (size_t i = 0; i < (size_t)ENTITIES * KEYS; i++)
        free(reference->rows[i / KEYS][i % KEYS]);
}

static void same_row(const struct ax_online_row *row, const struct ax_online_row *wanted)
{
    assert_int_equal(row != NULL, wanted != NULL);
    if (row) {
        assert_int_equal(row->bytes, wanted->bytes);
        assert_memory_equal(row, wanted, row->bytes);
    }
}

static enum ax_code visit_row(void *arg, const struct ax_online_row *row, struct ax_err *err)
{
    struct reference *reference = arg;
    (void)err;
    size_t index = (size_t)ax_online_row_part(row, 1)->stamp.time;
    assert_true(index < KEYS);
    same_row(row, reference->rows[reference->at][index]);
    reference->met[reference->at]++;
    return AX_OK;
}

static enum ax_code walk_all(struct ax_online_disk *disk, uint32_t entity, ax_online_row_fn visit,
                             void *arg, struct ax_err *err)
{
    struct ax_online_disk_walk *walk = NULL;
    const struct ax_online_row *const *rows;
    size_t count = 1;
    if (ax_online_disk_walk_begin(disk, entity, &walk, err))
        return err->code;
    while (count && !ax_online_disk_walk_next(walk, &rows, &count, err)) {
        for (size_t i = 0; i < count && !err->code; i++)
            (void)(visit(arg, rows[i], err) != AX_OK);
        if (err->code)
            break;
    }
    ax_online_disk_walk_end(walk);
    return err->code;
}

/* Every row by walks, and by gets unless one fails; damage is what `is_damaged` lets pass. */
static bool reads(struct ax_online_disk *disk, struct reference *reference, bool is_damaged)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_arena arena;
    ax_arena_init(&arena, (size_t)1 << 16, (size_t)64 << 20);
    for (size_t e = 0; e < ENTITIES; e++) {
        size_t count = 0;
        reference->met[e] = 0;
        reference->at = e;
        enum ax_code code = walk_all(disk, (uint32_t)e + 1, visit_row, reference, &err);
        for (size_t i = 0; !code && i < KEYS; i++) {
            char text[AX_ONLINE_KEY_BYTES_MAX];
            const struct ax_online_row *row = NULL;
            code = ax_online_disk_get(disk, (uint32_t)e + 1, key_text(i, text), &arena, &row, &err);
            if (!code)
                same_row(row, reference->rows[e][i]);
            count += row != NULL;
        }
        if (!code)
            assert_int_equal(reference->met[e], count);
    }
    ax_arena_done(&arena);
    assert_true(err.code == AX_OK || (is_damaged && err.code == AX_E_INVALID));
    return err.code == AX_OK;
}

/* ---- disks ---- */

static char *make_path(const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = ax_xalloc(size);
    (void)snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static struct ax_online_disk *open_disk(const char *path, uint64_t bytes_max)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_disk *disk = NULL;
    if (ax_online_disk_open(path, bytes_max, &disk, &err))
        fail_msg("%s", err.msg);
    return disk;
}

static void open_fails(const char *path, uint64_t bytes_max, enum ax_code code, const char *text)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_disk *disk = NULL;
    assert_int_equal(ax_online_disk_open(path, bytes_max, &disk, &err), code);
    assert_null(disk);
    if (!strstr(err.msg, text))
        fail_msg("'%s' is not in: %s", text, err.msg);
}

static uint64_t position(struct ax_online_disk *disk)
{
    struct ax_err err = AX_ERR_INIT;
    uint64_t next = 99;
    bool is_told;
    assert_int_equal(ax_online_disk_position(disk, AX_STR("journal"), &next, &is_told, &err),
                     AX_OK);
    assert_true(is_told || !next);
    return next;
}

/* A view's, whose bytes are those of a number. */
static struct ax_online_disk_form form_of(const uint64_t *number)
{
    return (struct ax_online_disk_form){ AX_STR("card"),
                                         AX_STR("spend"),
                                         { (const char *)number, sizeof(*number) } };
}

/* The number in the form of that view; 0: there is none. */
static uint64_t form(struct ax_online_disk *disk, const char *entity, const char *view)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_str bytes = AX_STR("?");
    struct ax_arena arena;
    uint64_t number = 0;
    ax_arena_init(&arena, 64, 4096);
    assert_int_equal(
        ax_online_disk_form(disk, ax_str_from(entity), ax_str_from(view), &arena, &bytes, &err),
        AX_OK);
    assert_true(!bytes.ptr || bytes.len == sizeof(number));
    if (bytes.ptr)
        memcpy(&number, bytes.ptr, sizeof(number));
    ax_arena_done(&arena);
    return number;
}

/* One row, and the journal's position. */
static enum ax_code fold_one(struct ax_online_disk *disk, size_t index,
                             const struct ax_online_row *row, uint64_t next, struct ax_err *err)
{
    char text[AX_ONLINE_KEY_BYTES_MAX];
    struct ax_online_disk_item item = { 1, key_text(index, text), row };
    struct ax_online_disk_position at = { AX_STR("journal"), next };
    struct ax_online_disk_fold fold = {
        .items = &item, .item_count = 1, .positions = &at, .position_count = 1
    };
    return ax_online_disk_fold(disk, &fold, err);
}

/* Items of random keys, some of them twice, some of them ended. */
static void fold_random(struct ax_online_disk *disk, struct reference *reference,
                        struct ax_random *random, uint64_t number)
{
    enum { ITEMS = 60 };
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_disk_item items[ITEMS];
    char texts[ITEMS][AX_ONLINE_KEY_BYTES_MAX];
    for (size_t i = 0; i < ITEMS; i++) {
        size_t entity = ax_random_below(random, ENTITIES);
        size_t index = ax_random_below(random, KEYS);
        size_t words_max = ax_random_below(random, 20) ? 40 : PAYLOAD_MAX;
        struct ax_online_row *row =
            ax_random_below(random, 4)
                ? make_row(index, ax_random_below(random, words_max), number * ITEMS + i)
                : NULL;
        /* Of a key that is there twice the array keeps the last row alone. */
        for (size_t j = 0; j < i; j++)
            if (items[j].entity == entity + 1 && items[j].row == reference->rows[entity][index])
                items[j].row = NULL;
        reference_put(reference, entity, index, row);
        items[i] =
            (struct ax_online_disk_item){ (uint32_t)entity + 1, key_text(index, texts[i]), row };
    }
    struct ax_online_disk_position at = { AX_STR("journal"), number };
    struct ax_online_disk_fold fold = {
        .items = items, .item_count = ITEMS, .positions = &at, .position_count = 1
    };
    if (ax_online_disk_fold(disk, &fold, &err))
        fail_msg("%s", err.msg);
}

static void folds_are_there_when_it_is_opened_again(void **state)
{
    (void)state;
    char *path = make_path("random");
    struct reference *reference = ax_xalloc(sizeof(*reference));
    struct ax_random random;
    ax_random_init(&random, 7, 0);
    struct ax_online_disk *disk = open_disk(path, BYTES_MAX);
    assert_int_equal(position(disk), 0);
    for (uint64_t i = 1; i <= FOLDS; i++) {
        fold_random(disk, reference, &random, i);
        if (i % 4 == 0) {
            ax_online_disk_close(disk);
            disk = open_disk(path, BYTES_MAX);
        }
        assert_int_equal(position(disk), i);
        assert_true(reads(disk, reference, false));
    }
    ax_online_disk_close(disk);
    reference_done(reference);
    free(reference);
    free(path);
}

static void numbers_stay(void **state)
{
    (void)state;
    static const struct {
        const char *entity, *view, *digest;
        uint32_t number;
    } layouts[] = {
        { "card", "spend", "a", 1 }, { "card", "spend", "b", 2 }, { "card", "spen", "da", 3 },
        { "shop", "spend", "a", 4 }, { "card", "spend", "a", 1 },
    };
    char *path = make_path("numbers");
    for (size_t round = 0; round < 2; round++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_online_disk *disk = open_disk(path, BYTES_MAX);
        uint32_t number = 0;
        assert_int_equal(ax_online_disk_entity(disk, AX_STR("card"), &number, &err), AX_OK);
        assert_int_equal(number, 1);
        assert_int_equal(ax_online_disk_entity(disk, AX_STR("shop"), &number, &err), AX_OK);
        assert_int_equal(number, 2);
        for (size_t i = 0; i < AX_COUNT(layouts); i++) {
            assert_int_equal(ax_online_disk_layout(disk, ax_str_from(layouts[i].entity),
                                                   ax_str_from(layouts[i].view),
                                                   ax_str_from(layouts[i].digest), &number, &err),
                             AX_OK);
            assert_int_equal(number, layouts[i].number);
        }
        char text[AX_ONLINE_DISK_NAME_BYTES_MAX + 1];
        memset(text, 'n', sizeof(text));
        struct ax_str name = { text, sizeof(text) };
        assert_int_equal(ax_online_disk_entity(disk, name, &number, &err), AX_E_TOO_LARGE);
        ax_online_disk_close(disk);
    }
    free(path);
}

static void forms_are_those_that_were_folded_last(void **state)
{
    (void)state;
    char *path = make_path("forms");
    for (uint64_t round = 1; round <= 3; round++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_online_disk *disk = open_disk(path, BYTES_MAX);
        assert_int_equal(form(disk, "card", "spend"), round - 1);
        assert_int_equal(form(disk, "cards", "pend"), 0);
        struct ax_online_disk_form one = form_of(&round);
        struct ax_online_disk_fold fold = { .forms = &one, .form_count = 1 };
        assert_int_equal(ax_online_disk_fold(disk, &fold, &err), AX_OK);
        assert_int_equal(form(disk, "card", "spend"), round);
        char text[AX_ONLINE_DISK_NAME_BYTES_MAX];
        memset(text, 'n', sizeof(text));
        one.view = (struct ax_str){ text, sizeof(text) };
        assert_int_equal(ax_online_disk_fold(disk, &fold, &err), AX_E_TOO_LARGE);
        ax_online_disk_close(disk);
    }
    free(path);
}

/* ---- limits ---- */

/* Fold rows until it fails, and says so; how many were folded. */
static size_t fold_until_full(struct ax_online_disk *disk, struct reference *reference,
                              const char *reason)
{
    for (size_t i = 0; i < KEYS; i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_online_row *row = make_row(i, PAYLOAD_MAX, i + 1);
        if (fold_one(disk, i, row, i + 1, &err)) {
            assert_int_equal(err.code, AX_E_LIMIT);
            if (!strstr(err.msg, reason))
                fail_msg("'%s' is not in: %s", reason, err.msg);
            free(row);
            return i;
        }
        reference_put(reference, 0, i, row);
    }
    fail_msg("it is not full");
    return 0;
}

static void a_full_one_is_read(void **state)
{
    (void)state;
    char *path = make_path("full");
    char *file = make_path("full/data.mdb");
    struct reference *reference = ax_xalloc(sizeof(*reference));
    struct ax_online_disk *disk = open_disk(path, (uint64_t)1 << 20);
    size_t count = fold_until_full(
        disk, reference, "is full: it may have 1048576 bytes; raise online_disk_bytes_max");
    assert_true(count > 20);
    assert_int_equal(position(disk), count);
    assert_true(reads(disk, reference, false));
    ax_online_disk_close(disk);
    open_fails(path, AX_ONLINE_DISK_BYTES_MIN, AX_E_LIMIT,
               "over the limit of 65536 bytes; raise online_disk_bytes_max");

    disk = open_disk(path, BYTES_MAX);
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_row *row = make_row(count, PAYLOAD_MAX, 1);
    assert_int_equal(fold_one(disk, count, row, 7, &err), AX_OK);
    reference_put(reference, 0, count, row);
    assert_true(reads(disk, reference, false));
    ax_online_disk_close(disk);
    struct stat info; /* it grows as it is needed */
    assert_int_equal(stat(file, &info), 0);
    assert_in_range(info.st_size, (uint64_t)1 << 20, (uint64_t)2 << 20);
    reference_done(reference);
    free(reference);
    free(file);
    free(path);
}

/* Opened again it has the reference, and the position 7. Both end, and the path. */
static void end_opened_again(struct ax_online_disk *disk, char *path, struct reference *reference)
{
    ax_online_disk_close(disk);
    disk = open_disk(path, BYTES_MAX);
    assert_int_equal(position(disk), 7);
    assert_true(reads(disk, reference, false));
    ax_online_disk_close(disk);
    reference_done(reference);
    free(reference);
    free(path);
}

static void what_was_before_a_full_disk_stays(void **state)
{
    (void)state;
    char *path = make_path("disk");
    struct reference *reference = ax_xalloc(sizeof(*reference));
    struct ax_online_disk *disk = open_disk(path, BYTES_MAX);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit low = { (rlim_t)1 << 20, old.rlim_max };
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    struct sigaction before;
    assert_int_equal(sigaction(SIGXFSZ, &ignored, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    size_t count = fold_until_full(disk, reference, "the disk is full, or fails");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(sigaction(SIGXFSZ, &before, NULL), 0);
    assert_true(count > 20);
    assert_int_equal(position(disk), count);
    assert_true(reads(disk, reference, false));
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_row *row = make_row(count, PAYLOAD_MAX, 1);
    assert_int_equal(fold_one(disk, count, row, 7, &err), AX_OK);
    reference_put(reference, 0, count, row);
    end_opened_again(disk, path, reference);
}

/* Nobody knows then what of the page is on the disk. */
static void after_a_meta_page_that_failed_it_takes_nothing(void **state)
{
    (void)state;
    char *path = make_path("meta");
    struct reference *reference = ax_xalloc(sizeof(*reference));
    struct ax_online_disk *disk = open_disk(path, BYTES_MAX);
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_row *row = make_row(0, 10, 1);
    assert_int_equal(fold_one(disk, 0, row, 7, &err), AX_OK);
    reference_put(reference, 0, 0, row);
    row = make_row(0, 10, 2);
    is_meta_refused = true;
    assert_int_equal(fold_one(disk, 0, row, 8, &err), AX_E_LIMIT);
    is_meta_refused = false;
    err = (struct ax_err)AX_ERR_INIT;
    assert_int_equal(fold_one(disk, 0, row, 8, &err), AX_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "takes nothing more since a write failed; start again"));
    free(row);
    end_opened_again(disk, path, reference);
}

static void refused_memory_is_told(void **state)
{
    (void)state;
    char *path = make_path("refused");
    struct reference *reference = ax_xalloc(sizeof(*reference));
    for (unsigned long i = 1;; i++) {
        struct ax_err err = AX_ERR_INIT;
        struct ax_online_disk *disk = NULL;
        ax_torture_refuse(i);
        struct ax_online_row *row = make_row(0, 4, i);
        enum ax_code code = ax_online_disk_open(path, BYTES_MAX, &disk, &err);
        if (!code && !fold_one(disk, 0, row, i, &err)) {
            reference_put(reference, 0, 0, row);
            row = NULL;
            reference->at = 0;
            code = walk_all(disk, 1, visit_row, reference, &err);
        }
        bool struck = ax_torture_struck();
        ax_torture_refuse(0);
        free(row);
        ax_online_disk_close(disk);
        if (!struck) {
            assert_int_equal(code, AX_OK);
            assert_true(i > 3);
            break;
        }
        assert_int_equal(err.code, AX_E_LIMIT);
    }
    reference_done(reference);
    free(reference);
    free(path);
}

/* ---- kill -9 ---- */

/* Folds 1, 2, … put all rows of entity 1 to their number; *done counts those that came back. */
static void fold_all_keys(const char *path, _Atomic uint64_t *done)
{
    enum { ROWS = 40, TIMES = 8 };
    static char texts[ROWS][AX_ONLINE_KEY_BYTES_MAX];
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_disk *disk = NULL;
    if (ax_online_disk_open(path, BYTES_MAX, &disk, &err))
        return;
    for (uint64_t next = 1; next <= TIMES; next++) {
        struct ax_online_disk_item items[ROWS];
        struct ax_online_disk_position at = { AX_STR("journal"), next };
        for (size_t i = 0; i < ROWS; i++)
            items[i] =
                (struct ax_online_disk_item){ 1, key_text(i, texts[i]), make_row(i, i * 20, next) };
        struct ax_online_disk_form form = form_of(&next);
        struct ax_online_disk_fold fold = { items, ROWS, &at, 1, &form, 1 };
        if (ax_online_disk_fold(disk, &fold, &err))
            return;
        *done = next;
    }
    calls_left = 0;
}

static enum ax_code visit_mark(void *arg, const struct ax_online_row *row, struct ax_err *err)
{
    (void)err;
    assert_int_equal(row_mark(row), *(uint64_t *)arg);
    return AX_OK;
}

static void rows_and_positions_agree_after_a_kill(void **state)
{
    (void)state;
    _Atomic uint64_t *done =
        mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(done != MAP_FAILED);
    unsigned kills = 0;
    for (bool was_killed = true; was_killed; kills++) {
        char *path = make_path("killed");
        *done = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            calls_left = kills + 1;
            fold_all_keys(path, done);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        was_killed = WIFSIGNALED(status);
        struct ax_err err = AX_ERR_INIT;
        struct ax_online_disk *disk = open_disk(path, BYTES_MAX);
        uint64_t next = position(disk);
        assert_true(next == *done || next == *done + 1);
        assert_int_equal(form(disk, "card", "spend"), next);
        assert_int_equal(walk_all(disk, 1, visit_mark, &next, &err), AX_OK);
        struct ax_online_row *row = make_row(0, 3, 1);
        assert_int_equal(fold_one(disk, 0, row, 100, &err), AX_OK);
        free(row);
        ax_online_disk_close(disk);
        assert_int_equal(ax_file_remove_tree(path, &err), AX_OK);
        free(path);
    }
    assert_true(kills > 20);
    assert_int_equal(munmap(done, sizeof(*done)), 0);
}

/* ---- damage ---- */

static void put_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Opens it, reads it, and folds into it: INVALID at some point, or what was there. */
static bool is_noticed(const char *path, struct reference *reference)
{
    struct ax_err err = AX_ERR_INIT;
    struct ax_online_disk *disk = NULL;
    if (ax_online_disk_open(path, BYTES_MAX, &disk, &err)) {
        assert_true(err.code == AX_E_INVALID || err.code == AX_E_LIMIT);
        if (err.code == AX_E_INVALID)
            assert_non_null(strstr(err.msg, "auspex materialize --rebuild"));
        return true;
    }
    bool is_whole = reads(disk, reference, true);
    static char texts[KEYS][AX_ONLINE_KEY_BYTES_MAX];
    struct ax_online_disk_item items[KEYS];
    for (size_t i = 0; i < KEYS; i++)
        items[i] = (struct ax_online_disk_item){ 1, key_text(i, texts[i]),
                                                 i % 4 ? NULL : make_row(i, i, 1) };
    struct ax_online_disk_fold fold = { .items = items, .item_count = KEYS };
    if (ax_online_disk_fold(disk, &fold, &err))
        is_whole = false;
    for (size_t i = 0; i < KEYS; i++)
        free((void *)(uintptr_t)items[i].row);
    ax_online_disk_close(disk);
    return !is_whole;
}

static void damage_crashes_nobody(void **state)
{
    (void)state;
    char *path = make_path("damaged");
    char *file = make_path("damaged/data.mdb");
    struct reference *reference = ax_xalloc(sizeof(*reference));
    struct ax_random random;
    ax_random_init(&random, 3, 0);
    struct ax_online_disk *disk = open_disk(path, BYTES_MAX);
    for (uint64_t i = 1; i <= 3; i++)
        fold_random(disk, reference, &random, i);
    ax_online_disk_close(disk);
    struct ax_err err = AX_ERR_INIT;
    struct ax_buf whole;
    ax_buf_init(&whole, BYTES_MAX);
    assert_int_equal(ax_file_read(file, &whole, &err), AX_OK);
    unsigned char *bytes = (unsigned char *)whole.ptr;
    size_t noticed = 0, tries = 0;
    for (size_t page = 0; page < whole.len / PAGE_BYTES; page++) {
        for (size_t i = 0; i < 12; i++) {
            /* Headers and lists of nodes first; then the nodes. */
            size_t at = page * PAGE_BYTES + (i < 9 ? ax_random_below(&random, i < 6 ? 24 : 160)
                                                   : ax_random_below(&random, PAGE_BYTES));
            unsigned char old = bytes[at];
            bytes[at] ^= (unsigned char)(1 + ax_random_below(&random, 255));
            put_file(file, bytes, whole.len);
            noticed += is_noticed(path, reference);
            tries++;
            bytes[at] = old;
        }
        put_file(file, bytes, page * PAGE_BYTES + ax_random_below(&random, PAGE_BYTES));
        noticed += is_noticed(path, reference);
        tries++;
    }
    assert_true(noticed > tries / 3);
    put_file(file, bytes, whole.len);
    assert_false(is_noticed(path, reference));
    ax_buf_done(&whole);
    reference_done(reference);
    free(reference);
    free(file);
    free(path);
}

/* ---- files of others ---- */

static void foreign_files_are_told(void **state)
{
    (void)state;
    struct ax_err err = AX_ERR_INIT;
    char *path = make_path("foreign");
    char *file = make_path("foreign/data.mdb");
    assert_int_equal(ax_file_make_folder(path, &err), AX_OK);
    char text[10000];
    memset(text, 'x', sizeof(text));
    put_file(file, text, sizeof(text));
    open_fails(path, BYTES_MAX, AX_E_INVALID, "no file of LMDB");
    put_file(file, text, 10);
    open_fails(path, BYTES_MAX, AX_E_INVALID, "cut short");
    put_file(file, text, 0);
    ax_online_disk_close(open_disk(path, BYTES_MAX));
    assert_int_equal(remove(file), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    open_fails(path, BYTES_MAX, AX_E_INVALID, "not a regular file");
    assert_int_equal(rmdir(file), 0);

    /* Of another program, and of a later auspex. */
    static const struct {
        uint64_t magic;
        uint32_t version;
        const char *text;
    } formats[] = {
        { FORMAT_MAGIC + 1, FORMAT_VERSION, "of another program" },
        { FORMAT_MAGIC, FORMAT_VERSION + 1, "has format 2, this auspex knows 1" },
        { FORMAT_MAGIC, FORMAT_VERSION, NULL },
    };
    for (size_t i = 0; i < AX_COUNT(formats); i++) {
        struct ax_online_disk *disk = open_disk(path, BYTES_MAX);
        struct disk_format format = { .magic = formats[i].magic, .version = formats[i].version };
        MDB_txn *txn;
        assert_int_equal(begin_txn(disk, 0, &txn, &err), AX_OK);
        assert_int_equal(end_txn(disk, txn, write_format(disk, txn, &format, &err), &err), AX_OK);
        ax_online_disk_close(disk);
        if (formats[i].text)
            open_fails(path, BYTES_MAX, AX_E_INVALID, formats[i].text);
        else
            ax_online_disk_close(open_disk(path, BYTES_MAX));
        assert_int_equal(remove(file), 0);
    }
    free(file);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_are_there_when_it_is_opened_again),
        cmocka_unit_test(numbers_stay),
        cmocka_unit_test(forms_are_those_that_were_folded_last),
        cmocka_unit_test(a_full_one_is_read),
        cmocka_unit_test(what_was_before_a_full_disk_stays),
        cmocka_unit_test(after_a_meta_page_that_failed_it_takes_nothing),
        cmocka_unit_test(refused_memory_is_told),
        cmocka_unit_test(rows_and_positions_agree_after_a_kill),
        cmocka_unit_test(damage_crashes_nobody),
        cmocka_unit_test(foreign_files_are_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
