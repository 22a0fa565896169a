/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment made anew without the values of some rows.
 *
 * Groups and rows stay what they are, so that sequences have no gaps; a row that is erased has its
 * stamp, and each column is null. The file is made in memory, with a seed of its own, and takes the
 * place of the former by a rename: whoever is killed, or reads meanwhile, has the one or the other,
 * and is told by the seed which one it was.
 */
#include "base/file.h"
#include "feature/online/journal.h"
#include "feature/online/journal_segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

struct eraser {
    struct ax_journal_segment segment;
    uint64_t seed; /* of the file that is made */
    const uint64_t *sequences;
    size_t at, count;
    struct ax_buf out;     /* the file */
    struct ax_buf lengths; /* of a group's parts */
};

static void put_group(struct eraser *e, const struct ax_journal_group *group)
{
    const uint32_t *lengths = ax_journal_group_lengths(group);
    const char *part = (const char *)(group + 1);
    size_t begin = e->out.len;
    uint32_t none = 0;
    ax_buf_reset(&e->lengths);
    (void)ax_buf_append(&e->out, group, sizeof(*group));
    for (uint32_t i = 0; i < group->rows; i++) {
        size_t before = e->out.len;
        bool is_erased = e->at < e->count && e->sequences[e->at] == group->first + i;
        if (is_erased)
            ax_journal_put_blank(&e->out, &e->segment.layout,
                                 &((const struct ax_online_part *)part)->stamp);
        else
            (void)ax_buf_append(&e->out, part, lengths[i]);
        e->at += is_erased;
        uint32_t length = (uint32_t)(e->out.len - before);
        (void)ax_buf_append(&e->lengths, &length, sizeof(length));
        part += lengths[i];
    }
    if (group->rows % 2)
        (void)ax_buf_append(&e->lengths, &none, sizeof(none));
    (void)ax_buf_append_str(&e->out, ax_buf_str(&e->lengths));
    ax_buf_fail_with(&e->out, &e->lengths);
    if (e->out.failed)
        return;
    struct ax_journal_group *made = (void *)(e->out.ptr + begin);
    made->bytes = (uint32_t)(e->out.len - begin);
    ax_journal_group_seal(e->seed, begin, made);
}

/* What it becomes is no longer than it is. */
static enum ax_code make(struct eraser *e, struct ax_err *err)
{
    struct stat info;
    enum ax_journal_step step = AX_JOURNAL_GROUP;
    const struct ax_journal_group *group;
    if (fstat(e->segment.fd, &info))
        return ax_fail_errno(err, errno, "'%s'", e->segment.path);
    ax_buf_init(&e->out, (size_t)info.st_size);
    ax_buf_init(&e->lengths, AX_JOURNAL_GROUP_BYTES_MAX);
    (void)ax_buf_append(&e->out, e->segment.bytes.ptr, e->segment.at);
    if (ax_buf_check(&e->out, e->segment.path, err) ||
        ax_journal_head_reseed(e->out.ptr, e->out.len, &e->seed, err))
        return err->code;
    while (step == AX_JOURNAL_GROUP) {
        if (ax_journal_segment_step(&e->segment, 0, false, &step, &group, err))
            return err->code;
        if (step == AX_JOURNAL_GROUP)
            put_group(e, group);
    }
    if (step != AX_JOURNAL_END)
        return ax_fail(err, AX_E_INVALID, "'%s' is damaged at byte %" PRIu64 ": restore it",
                       e->segment.path, e->segment.at);
    return ax_buf_check(&e->out, e->segment.path, err);
}

enum ax_code ax_journal_segment_erase(const char *folder, uint64_t first, const uint64_t *sequences,
                                      size_t count, size_t *ret_count, struct ax_err *err)
{
    assert(folder && sequences && count && sequences[0] >= first && ret_count && err);
    struct eraser e = { .sequences = sequences, .count = count };
    if (ax_journal_segment_open(&e.segment, folder, first, O_RDONLY, err))
        return err->code;
    if (!make(&e, err) && !ax_file_replace(e.segment.path, ax_buf_str(&e.out), err))
        *ret_count = e.at;
    ax_journal_segment_done(&e.segment);
    ax_buf_done(&e.out);
    ax_buf_done(&e.lengths);
    return err->code;
}
