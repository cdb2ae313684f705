#include "token/bpe_table.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "token/byte_alphabet.h"

#include <string.h>

/// Words of fewer pieces are merged by looking through all ranks: faster than a heap.
enum { SHORT_WORD = 24 };

void bpe_work_release(struct BpeWork *work)
{
    text_release(&work->spelling);
    mem_free(work->places);
    mem_free(work->heap);
    mem_free(work->after);
    mem_free(work->before);
    mem_free(work->into);
    mem_free(work->ranks);
    mem_free(work->ends);
    mem_free(work->ids);
    *work = (struct BpeWork){ 0 };
}

static void reserve(struct BpeWork *work, size_t bytes)
{
    if (bytes <= work->capacity) return;
    size_t room = work->capacity = 2 * bytes > 256 ? 2 * bytes : 256;
    int32_t **const lists[] = { &work->ids, &work->ends, &work->into, &work->before, &work->after };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        *lists[i] = mem_resize(*lists[i], room, sizeof **lists[i]);
    work->ranks = mem_resize(work->ranks, room, sizeof *work->ranks);
    work->heap = mem_resize(work->heap, 3 * room, sizeof *work->heap);
    work->places = mem_resize(work->places, 2 * room, sizeof *work->places);
}

static inline void set_pair(struct BpeWork *work, size_t at, BpePair pair)
{
    work->ranks[at] = pair.rank;
    work->into[at] = pair.into;
}

static inline void find_pair(const Bpe *model, struct BpeWork *work, int32_t at)
{
    set_pair(work, (size_t)at, bpe_pair(model, work->ids[at], work->ids[work->after[at]]));
}

/// Merges the piece at `at` with the next, which has no rank from then on, and finds what it
/// and the piece before it can become now.
static inline void merge_next(const Bpe *model, struct BpeWork *work, int32_t at)
{
    int32_t gone = work->after[at], next = work->after[gone], before = work->before[at];
    work->ids[at] = work->into[at];
    work->ends[at] = work->ends[gone];
    work->after[at] = next;
    work->ranks[gone] = work->ranks[at] = BPE_NO_RANK;
    if (next >= 0) {
        work->before[next] = at;
        find_pair(model, work, at);
    }
    if (before >= 0) find_pair(model, work, before);
}

static void merge_short(const Bpe *model, struct BpeWork *work, size_t count)
{
    for (;;) {
        uint32_t best = BPE_NO_RANK;
        int32_t at = 0;
        for (size_t i = 0; i < count; i++) best = work->ranks[i] < best ? work->ranks[i] : best;
        if (best == BPE_NO_RANK) return;
        while (work->ranks[at] != best) at++;
        merge_next(model, work, at);
    }
}

static void sift_down(uint64_t *heap, size_t count, size_t at)
{
    uint64_t item = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= item) break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

static void push(struct BpeWork *work, size_t *count, int32_t place)
{
    if (place < 0 || work->ranks[place] == BPE_NO_RANK) return;
    uint64_t item = (uint64_t)work->ranks[place] << 32 | (uint32_t)place;
    size_t at = (*count)++;
    for (size_t parent; at && work->heap[parent = (at - 1) / 2] > item; at = parent)
        work->heap[at] = work->heap[parent];
    work->heap[at] = item;
}

/// As merge_short, in n log n steps: a heap of (rank, place), in which entries that no longer fit
/// their place are passed over.
static void merge_long(const Bpe *model, struct BpeWork *work, size_t count)
{
    size_t entries = 0;
    for (size_t i = 0; i < count; i++) push(work, &entries, (int32_t)i);
    while (entries) {
        uint64_t top = work->heap[0];
        int32_t at = (int32_t)(uint32_t)top;
        work->heap[0] = work->heap[--entries];
        if (entries) sift_down(work->heap, entries, 0);
        if (work->ranks[at] != top >> 32) continue;
        merge_next(model, work, at);
        push(work, &entries, work->before[at]);
        push(work, &entries, at);
    }
}

/// Merges `count` >= 1 pieces whose ranks are found; returns how many are left, at the begin.
static size_t merge(const Bpe *model, struct BpeWork *work, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        work->before[i] = (int32_t)i - 1;
        work->after[i] = (int32_t)i + 1;
    }
    work->after[count - 1] = -1;
    work->ranks[count - 1] = BPE_NO_RANK;
    (count < SHORT_WORD ? merge_short : merge_long)(model, work, count);
    for (int32_t at = 0; at >= 0; at = work->after[at], left++) {
        work->ids[left] = work->ids[at];
        work->ends[left] = work->ends[at];
    }
    return left;
}

/// A piece for each byte; false if one has no token.
static bool begin_bytes(const Bpe *model, struct BpeWork *work, const unsigned char *s,
                        size_t count)
{
    bool whole = true;
    for (size_t i = 0; i < count; i++) {
        work->ids[i] = model->byte_ids[s[i]];
        work->ends[i] = (int32_t)i + 1;
        whole &= work->ids[i] >= 0;
    }
    for (size_t i = 0; i + 1 < count; i++)
        set_pair(work, i, model->byte_pairs[s[i] << 8 | s[i + 1]]);
    return whole;
}

/// The pieces of a word that is being begun.
typedef struct {
    struct BpeWork *work;
    size_t count;
    int32_t end, unknown; ///< length so far, and of the unknown characters not yet in it
} Begun;

static void add_piece(Begun *begun, int32_t id, int32_t bytes)
{
    begun->end += bytes;
    begun->work->ids[begun->count] = id;
    begun->work->ends[begun->count++] = begun->end;
}

static void add_unknown(const Bpe *model, Begun *begun)
{
    if (begun->unknown) add_piece(begun, model->unknown, begun->unknown);
    begun->unknown = 0;
}

/// A character without a token: its bytes if they have some, else unknown, else nothing.
static void add_rare(const Bpe *model, Begun *begun, const unsigned char *s, int bytes)
{
    bool whole = model->byte_fallback;
    for (int i = 0; i < bytes; i++) whole = whole && model->byte_ids[s[i]] >= 0;
    for (int i = 0; whole && i < bytes; i++) add_piece(begun, model->byte_ids[s[i]], 1);
    if (whole || model->unknown < 0) return;
    if (!model->fuse_unknown) add_unknown(model, begun);
    begun->unknown += bytes;
}

/// A piece for each character of a well-formed text. Characters without a token may be left out:
/// the others then move up, as in `tokenizers`.
static size_t begin_characters(const Bpe *model, struct BpeWork *work, const unsigned char *s,
                               size_t count)
{
    Begun begun = { .work = work };
    int bytes;
    for (size_t at = 0; at < count; at += (size_t)bytes) {
        size_t matched = 0;
        utf8_decode(&bytes, s + at, count - at);
        int32_t id = trie_longest(&model->vocabulary->trie, 0, s + at, (size_t)bytes, &matched);
        if (id < 0 || matched != (size_t)bytes) {
            add_rare(model, &begun, s + at, bytes);
            continue;
        }
        add_unknown(model, &begun);
        add_piece(&begun, id, bytes);
    }
    add_unknown(model, &begun);
    for (size_t i = 0; i + 1 < begun.count; i++)
        set_pair(work, i, bpe_pair(model, work->ids[i], work->ids[i + 1]));
    return begun.count;
}

int32_t bpe_single(const Bpe *model, struct BpeWork *work, const unsigned char *bytes, size_t count)
{
    reserve(work, count);
    if (!model->spelled)
        count = begin_characters(model, work, bytes, count);
    else if (!begin_bytes(model, work, bytes, count))
        return -1;
    return count && merge(model, work, count) == 1 ? work->ids[0] : -1;
}

/// Merges and appends `count` pieces; `places` (or NULL: the same) tells bytes of the word from
/// theirs.
static void append(const Bpe *model, struct BpeWork *work, Pieces *out, const Normalized *text,
                   size_t first, size_t count, const int32_t *places)
{
    if (count) count = merge(model, work, count);
    for (size_t i = 0; i < count; i++) {
        size_t start = i ? (size_t)work->ends[i - 1] : 0, last = (size_t)work->ends[i] - 1;
        if (places) {
            start = (size_t)places[start];
            last = (size_t)places[last];
        }
        pieces_add(out, work->ids[i], text->starts[first + start],
                   normalized_end(text, first + last));
    }
}

/// A spelled word with a byte that has no token: as its characters are.
static void cut_spelled(const Bpe *model, struct BpeWork *work, Pieces *out, const Normalized *text,
                        size_t first, size_t bytes)
{
    Text *spelling = &work->spelling;
    text_clear(spelling);
    for (size_t i = 0; i < bytes; i++) {
        size_t from = spelling->length_bytes;
        byte_alphabet_spell(spelling, text->bytes + first + i, 1);
        for (size_t k = from; k < spelling->length_bytes; k++) work->places[k] = (int32_t)i;
    }
    size_t count =
        begin_characters(model, work, (unsigned char *)spelling->data, spelling->length_bytes);
    append(model, work, out, text, first, count, work->places);
}

/// A whole word of the vocabulary that is too long for the table.
static int32_t find_long(const Bpe *model, struct BpeWork *work, const unsigned char *s,
                         size_t bytes)
{
    size_t matched = 0;
    if (bytes > model->longest) return -1;
    text_clear(&work->spelling);
    if (model->spelled)
        byte_alphabet_spell(&work->spelling, s, bytes);
    else
        text_append_bytes(&work->spelling, s, bytes);
    int32_t id = trie_longest(&model->vocabulary->trie, 0, (unsigned char *)work->spelling.data,
                              work->spelling.length_bytes, &matched);
    return matched == work->spelling.length_bytes ? id : -1;
}

void bpe_cut(const void *model, struct BpeWork *work, Pieces *out, const Normalized *text,
             size_t first, size_t end)
{
    const Bpe *bpe = model;
    const unsigned char *s = text->bytes + first;
    size_t bytes = end - first, count = bytes;
    int32_t id = -1;
    if (bytes <= BPE_WORD_BYTES)
        id = bpe_word_find(bpe, s, bytes);
    else if (bpe->ignore_merges)
        id = find_long(bpe, work, s, bytes);
    if (id >= 0) {
        pieces_add(out, id, text->starts[first], normalized_end(text, end - 1));
        return;
    }
    reserve(work, bytes);
    if (!bpe->spelled)
        count = begin_characters(bpe, work, s, bytes);
    else if (!begin_bytes(bpe, work, s, bytes)) {
        cut_spelled(bpe, work, out, text, first, bytes);
        return;
    }
    append(bpe, work, out, text, first, count, NULL);
}
