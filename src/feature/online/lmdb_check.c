/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking through the file of an LMDB environment, page by page.
 *
 * The format (LMDB 0.9, 64-bit, the machine's byte order): pages of one size, of which 0 and 1 are
 * meta pages; the one with the greater transaction is in force. It has the roots of two trees: of
 * pages that are free (keys are transactions, values lists of page numbers), and the main one. A
 * tree has branch pages above leaf pages; a leaf's value is in the page, or on pages of its own.
 *
 * Made sure of is: each page that is reached lies in the file, says its own number and the kind
 * that its place wants, and is reached once, by a tree or by the list of the free; nodes lie in
 * their page and not on each other; keys ascend through all of a tree and keep to what the branches
 * above say; depth and counts are those of the meta page. Values are not looked into. The tree is
 * walked with a stack of pages, as deep as LMDB itself goes.
 *
 * The file is mapped, not read: of a page only the lines with its nodes' heads and keys are wanted,
 * and to copy a page costs more than to look at it. LMDB maps it afterwards, too.
 */
#include "feature/online/lmdb_check.h"

#include "base/alloc.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC          UINT32_C(0xbeefc0de)
#define VERSION        UINT32_C(1)
#define PAGE_BYTES_MIN 512
#define PAGE_BYTES_MAX 32768
#define DEPTH_MAX      32
#define KEY_BYTES_MAX  511
#define NO_PAGE        UINT64_MAX
#define PREFETCH_BYTES 32 /* of a node: its head, and what tells most keys apart */

enum {
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    PAGE_META = 8,
};

enum { NODE_BIG = 1 };

enum { TREE_INTEGER_KEYS = 8 };

struct page_header {
    uint64_t number;
    uint16_t pad;
    uint16_t flags;
    uint16_t lower; /* of an overflow page, with `upper`, how many pages it has */
    uint16_t upper;
};

struct node_header {
    uint16_t low, high; /* a value's length, or a page's number with `flags` above */
    uint16_t flags;
    uint16_t key_len;
};

struct tree {
    uint32_t pad; /* of the free pages' tree: the size of a page */
    uint16_t flags;
    uint16_t depth;
    uint64_t branch_pages, leaf_pages, overflow_pages;
    uint64_t entries;
    uint64_t root;
};

struct meta {
    uint32_t magic, version;
    uint64_t address, map_bytes;
    struct tree free, main;
    uint64_t last_page;
    uint64_t transaction;
};

struct node {
    struct ax_str key;
    uint64_t page;  /* child, or of a big value */
    uint64_t bytes; /* of a value */
    uint64_t at;    /* of a value, in the file */
    bool is_big;
};

/* A page on the way down, and the next of its nodes. */
struct level {
    const unsigned char *page;
    uint64_t number;
    size_t count;
    size_t next;
};

struct checker {
    const unsigned char *file;
    uint64_t bytes; /* of the file */
    size_t page_bytes;
    uint64_t pages;       /* that the file may have; numbers are below it */
    unsigned char *seen;  /* a bit a page */
    unsigned char *units; /* of a page that is looked at, a byte for two of it: has a node */
    struct level levels[DEPTH_MAX];
    struct tree found; /* counts */
    bool is_free;      /* the tree of free pages */
    bool last_is_separator;
    struct ax_str last; /* the key that was met last */
    struct ax_err *err;
};

static enum ax_code page_fail(struct checker *checker, uint64_t page, const char *what)
{
    return ax_fail(checker->err, AX_E_INVALID, "page %" PRIu64 " %s", page, what);
}

/* Some bytes of the file, where they lie; NULL: they do not. */
static const unsigned char *look_at(struct checker *checker, uint64_t at, uint64_t len)
{
    if (at <= checker->bytes && len <= checker->bytes - at)
        return checker->file + at;
    (void)ax_fail(checker->err, AX_E_INVALID, "its file was cut short");
    return NULL;
}

static enum ax_code read_at(struct checker *checker, uint64_t at, void *out, size_t len)
{
    const unsigned char *from = look_at(checker, at, len);
    if (!from)
        return checker->err->code;
    memcpy(out, from, len);
    return AX_OK;
}

/* Count pages as reached, which none of them was before. */
static enum ax_code take_pages(struct checker *checker, uint64_t first, uint64_t count)
{
    if (first < 2 || first >= checker->pages || count > checker->pages - first)
        return page_fail(checker, first, "lies outside of its file");
    for (uint64_t page = first; page < first + count; page++) {
        unsigned char bit = (unsigned char)(1U << (page % 8));
        if (checker->seen[page / 8] & bit)
            return page_fail(checker, page, "is used twice");
        checker->seen[page / 8] |= bit;
    }
    return AX_OK;
}

/* ---- nodes ---- */

static struct node node_at(const struct checker *checker, const struct level *level, size_t index,
                           bool is_leaf)
{
    uint16_t offset;
    struct node_header header;
    memcpy(&offset, level->page + sizeof(struct page_header) + index * sizeof(offset),
           sizeof(offset));
    memcpy(&header, level->page + offset, sizeof(header));
    const unsigned char *key = level->page + offset + sizeof(header);
    uint64_t low = header.low | (uint64_t)header.high << 16;
    struct node node = { .key = { (const char *)key, header.key_len } };
    if (!is_leaf) {
        node.page = low | (uint64_t)header.flags << 32;
        return node;
    }
    node.bytes = low;
    node.is_big = header.flags == NODE_BIG;
    node.at = level->number * checker->page_bytes + offset + sizeof(header) + header.key_len;
    if (node.is_big)
        memcpy(&node.page, key + header.key_len, sizeof(node.page));
    return node;
}

/* Whether the node at an index lies in its page, behind the list, where no other one lies. */
static bool node_fits(struct checker *checker, const struct level *level, size_t index,
                      size_t upper, bool is_leaf)
{
    uint16_t offset;
    struct node_header header;
    memcpy(&offset, level->page + sizeof(struct page_header) + index * sizeof(offset),
           sizeof(offset));
    if (offset % 2 || offset < upper || offset + sizeof(header) > checker->page_bytes)
        return false;
    memcpy(&header, level->page + offset, sizeof(header));
    size_t bytes = sizeof(header) + header.key_len;
    if (is_leaf) {
        if (header.flags & ~NODE_BIG)
            return false;
        bytes += header.flags ? sizeof(uint64_t) : header.low | (size_t)header.high << 16;
    }
    bytes += bytes % 2;
    if (bytes > checker->page_bytes - offset)
        return false;
    if (memchr(checker->units + offset / 2, 1, bytes / 2))
        return false;
    memset(checker->units + offset / 2, 1, bytes / 2);
    return true;
}

/* The page at `level`, which its parent says to be number `number`. */
static enum ax_code load_page(struct checker *checker, struct level *level, uint64_t number,
                              bool is_leaf)
{
    struct page_header header;
    if (take_pages(checker, number, 1) ||
        !(level->page = look_at(checker, number * checker->page_bytes, checker->page_bytes)))
        return checker->err->code;
    memcpy(&header, level->page, sizeof(header));
    if (header.number != number || header.flags != (is_leaf ? PAGE_LEAF : PAGE_BRANCH))
        return page_fail(checker, number, "is not what its place wants");
    if (header.lower < sizeof(header) || header.lower % 2 || header.lower > header.upper ||
        header.upper > checker->page_bytes)
        return page_fail(checker, number, "has wrong bounds");
    level->number = number;
    level->next = 0;
    level->count = (header.lower - sizeof(header)) / sizeof(uint16_t);
    if (level->count < (is_leaf ? 1 : 2))
        return page_fail(checker, number, "has too few nodes");
    memset(checker->units, 0, checker->page_bytes / 2);
    for (size_t i = 0; i < level->count; i++)
        if (!node_fits(checker, level, i, header.upper, is_leaf))
            return page_fail(checker, number, "has a node in a wrong place");
    if (is_leaf)
        checker->found.leaf_pages++;
    else
        checker->found.branch_pages++;
    return AX_OK;
}

/* ---- keys and values ---- */

static int compare_keys(const struct checker *checker, struct ax_str a, struct ax_str b)
{
    uint64_t x, y;
    if (!checker->is_free)
        return ax_str_compare(a, b);
    memcpy(&x, a.ptr, sizeof(x));
    memcpy(&y, b.ptr, sizeof(y));
    return (x > y) - (x < y);
}

/* The next key of the tree: a leaf's, or a separator, which the keys behind it may be equal to. */
static enum ax_code meet_key(struct checker *checker, uint64_t page, struct ax_str key,
                             bool is_separator)
{
    if (checker->is_free ? key.len != sizeof(uint64_t) : !key.len || key.len > KEY_BYTES_MAX)
        return page_fail(checker, page, "has a key of a wrong length");
    if (checker->last.len) {
        int order = compare_keys(checker, key, checker->last);
        if (order < 0 || (order == 0 && !checker->last_is_separator))
            return page_fail(checker, page, "has keys in a wrong order");
    }
    checker->last = key;
    checker->last_is_separator = is_separator;
    return AX_OK;
}

/* A list of free pages: how many, and their numbers, descending. */
static enum ax_code check_list(struct checker *checker, uint64_t page, uint64_t at, uint64_t bytes)
{
    const unsigned char *list = look_at(checker, at, bytes);
    uint64_t count, number;
    if (!list || bytes % sizeof(count) || bytes < sizeof(count))
        return page_fail(checker, page, "has a list without a length");
    memcpy(&count, list, sizeof(count));
    if (count >= bytes / sizeof(count))
        return page_fail(checker, page, "has a list that is too long");
    uint64_t above = NO_PAGE;
    for (uint64_t i = 1; i <= count; i++, above = number) {
        memcpy(&number, list + i * sizeof(number), sizeof(number));
        if (number >= above)
            return page_fail(checker, page, "has a list in a wrong order");
        if (take_pages(checker, number, 1))
            return checker->err->code;
    }
    return AX_OK;
}

/* The pages of a value that has its own. */
static enum ax_code check_big(struct checker *checker, const struct node *node)
{
    struct page_header header;
    if (node->page < 2 || node->page >= checker->pages)
        return page_fail(checker, node->page, "lies outside of its file");
    if (read_at(checker, node->page * checker->page_bytes, &header, sizeof(header)))
        return checker->err->code;
    uint64_t count = header.lower | (uint64_t)header.upper << 16;
    if (header.number != node->page || header.flags != PAGE_OVERFLOW || count > checker->pages ||
        sizeof(header) + node->bytes > count * checker->page_bytes)
        return page_fail(checker, node->page, "is not what its place wants");
    checker->found.overflow_pages += count;
    if (!look_at(checker, node->page * checker->page_bytes, count * checker->page_bytes))
        return checker->err->code;
    return take_pages(checker, node->page, count);
}

static enum ax_code check_leaf(struct checker *checker, const struct level *level)
{
    for (size_t i = 0; i < level->count; i++) {
        struct node node = node_at(checker, level, i, true);
        if (meet_key(checker, level->number, node.key, false) ||
            (node.is_big && check_big(checker, &node)))
            return checker->err->code;
        uint64_t at =
            node.is_big ? node.page * checker->page_bytes + sizeof(struct page_header) : node.at;
        if (checker->is_free && check_list(checker, level->number, at, node.bytes))
            return checker->err->code;
    }
    checker->found.entries += level->count;
    return AX_OK;
}

/* ---- trees ---- */

/* The page of a child, if it lies in the file; else NULL. */
static const unsigned char *child_page(const struct checker *checker, const struct level *level,
                                       size_t index)
{
    if (index >= level->count)
        return NULL;
    uint64_t number = node_at(checker, level, index, false).page;
    return number < checker->bytes / checker->page_bytes
               ? checker->file + number * checker->page_bytes
               : NULL;
}

/* While a child is looked at, have the heads and keys of the next one's nodes come near, and the
 * list of the one behind it. Nothing of them is known to be so. Inlined, since gcc leaves out calls
 * of a function that does nothing else. */
static AX_ALWAYS_INLINE void prefetch_ahead(const struct checker *checker,
                                            const struct level *level)
{
    struct page_header header;
    uint16_t offset;
    const unsigned char *page = child_page(checker, level, level->next);
    const unsigned char *behind = child_page(checker, level, level->next + 1);
    if (behind)
        __builtin_prefetch(behind);
    if (!page)
        return;
    memcpy(&header, page, sizeof(header));
    size_t end = AX_MIN(header.lower, checker->page_bytes);
    for (size_t at = sizeof(header); at + sizeof(offset) <= end; at += sizeof(offset)) {
        memcpy(&offset, page + at, sizeof(offset));
        size_t node = AX_MIN(offset, checker->page_bytes - PREFETCH_BYTES);
        __builtin_prefetch(page + node);
        __builtin_prefetch(page + node + PREFETCH_BYTES - 1);
    }
}

/* Go down into the next child of the lowest page, or up when it has no more. */
static enum ax_code step(struct checker *checker, size_t depth, size_t *height)
{
    struct level *level = &checker->levels[*height - 1];
    if (level->next == level->count) {
        --*height;
        return AX_OK;
    }
    struct node node = node_at(checker, level, level->next, false);
    if (level->next++ && meet_key(checker, level->number, node.key, true))
        return checker->err->code;
    prefetch_ahead(checker, level);
    bool is_leaf = *height + 1 == depth;
    struct level *below = level + 1;
    if (load_page(checker, below, node.page, is_leaf))
        return checker->err->code;
    if (is_leaf)
        return check_leaf(checker, below);
    ++*height;
    return AX_OK;
}

static enum ax_code walk_tree(struct checker *checker, const struct tree *tree)
{
    bool is_leaf = tree->depth == 1;
    if (load_page(checker, &checker->levels[0], tree->root, is_leaf))
        return checker->err->code;
    if (is_leaf)
        return check_leaf(checker, &checker->levels[0]);
    for (size_t height = 1; height > 0;)
        if (step(checker, tree->depth, &height))
            return checker->err->code;
    return AX_OK;
}

static enum ax_code check_tree(struct checker *checker, const struct tree *tree, bool is_free)
{
    checker->is_free = is_free;
    checker->last = (struct ax_str){ 0 };
    checker->found = (struct tree){ 0 };
    if (tree->flags != (is_free ? TREE_INTEGER_KEYS : 0) || tree->depth > DEPTH_MAX ||
        (tree->depth == 0) != (tree->root == NO_PAGE))
        return ax_fail(checker->err, AX_E_INVALID, "a tree of its meta page is none");
    if (tree->depth && walk_tree(checker, tree))
        return checker->err->code;
    const struct tree *found = &checker->found;
    if (found->branch_pages != tree->branch_pages || found->leaf_pages != tree->leaf_pages ||
        found->overflow_pages != tree->overflow_pages || found->entries != tree->entries)
        return ax_fail(checker->err, AX_E_INVALID, "its meta page counts other pages");
    return AX_OK;
}

/* ---- the file ---- */

static enum ax_code read_meta(struct checker *checker, uint64_t at, struct meta *ret_meta)
{
    struct page_header header;
    struct meta meta;
    if (read_at(checker, at, &header, sizeof(header)) ||
        read_at(checker, at + sizeof(header), &meta, sizeof(meta)))
        return checker->err->code;
    if (header.flags != PAGE_META || meta.magic != MAGIC)
        return ax_fail(checker->err, AX_E_INVALID, "it is no file of LMDB");
    if (meta.version != VERSION)
        return ax_fail(checker->err, AX_E_INVALID, "it is of another version of LMDB");
    *ret_meta = meta;
    return AX_OK;
}

/* The meta page that LMDB takes, by its number of the transaction and by that number's parity. */
static enum ax_code choose_meta(struct checker *checker, struct meta *ret_meta)
{
    struct meta metas[2];
    if (read_meta(checker, 0, &metas[0]))
        return checker->err->code;
    uint32_t page_bytes = metas[0].free.pad;
    if (page_bytes < PAGE_BYTES_MIN || page_bytes > PAGE_BYTES_MAX ||
        (page_bytes & (page_bytes - 1)))
        return ax_fail(checker->err, AX_E_INVALID, "its pages have an impossible size");
    if (read_meta(checker, page_bytes, &metas[1]))
        return checker->err->code;
    size_t newest = metas[0].transaction < metas[1].transaction;
    if (metas[newest].transaction % 2 != newest || metas[1].free.pad != page_bytes)
        return ax_fail(checker->err, AX_E_INVALID, "its meta pages do not fit each other");
    checker->page_bytes = page_bytes;
    *ret_meta = metas[newest];
    return AX_OK;
}

static enum ax_code check_pages(struct checker *checker, const struct meta *meta,
                                uint64_t bytes_max)
{
    if (meta->last_page >= bytes_max / checker->page_bytes)
        return ax_fail(checker->err, AX_E_LIMIT,
                       "its last page is %" PRIu64 ", which is over the limit of %" PRIu64
                       " bytes; raise online_disk_bytes_max",
                       meta->last_page, bytes_max);
    checker->pages = meta->last_page + 1;
    checker->seen = ax_try_alloc((size_t)(checker->pages / 8 + 1), 1);
    checker->units = ax_try_alloc(checker->page_bytes / 2, 1);
    if (!checker->seen || !checker->units)
        return ax_fail(checker->err, AX_E_LIMIT, "no memory to check its %" PRIu64 " pages",
                       checker->pages);
    memset(checker->seen, 0, (size_t)(checker->pages / 8 + 1));
    if (check_tree(checker, &meta->main, false))
        return checker->err->code;
    return check_tree(checker, &meta->free, true);
}

static enum ax_code check_mapped(const unsigned char *file, uint64_t bytes, uint64_t bytes_max,
                                 struct ax_err *err)
{
    struct checker checker = { .file = file, .bytes = bytes, .err = err };
    struct meta meta;
    (void)(choose_meta(&checker, &meta) || check_pages(&checker, &meta, bytes_max));
    free(checker.seen);
    free(checker.units);
    return err->code;
}

static enum ax_code check_file(int fd, uint64_t bytes_max, struct ax_err *err)
{
    struct stat info;
    if (fstat(fd, &info))
        return ax_fail_errno(err, errno, "look at its file");
    if (!S_ISREG(info.st_mode))
        return ax_fail(err, AX_E_INVALID, "data.mdb is not a regular file");
    if (info.st_size == 0)
        return AX_OK;
    size_t bytes = (size_t)info.st_size;
    void *file = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED)
        return ax_fail_errno(err, errno, "map its file");
    (void)check_mapped(file, bytes, bytes_max, err);
    (void)munmap(file, bytes);
    return err->code;
}

enum ax_code ax_lmdb_check(const char *path, uint64_t bytes_max, struct ax_err *err)
{
    assert(path);
    /* Not to wait at a fifo. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? AX_OK : ax_fail_errno(err, errno, "open its file");
    (void)check_file(fd, bytes_max, err);
    (void)close(fd);
    return err->code;
}
