#include "token/bpe_table.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "token/byte_alphabet.h"

#include <string.h>

/// Words of fewer pieces are merged by looking through all pairs: faster than a heap.
enum { SHORT_WORD = 48 };

void bpe_work_release(struct BpeWork *work)
{
    text_release(&work->spelling);
    mem_free(work->places);
    mem_free(work->heap);
    mem_free(work->after);
    mem_free(work->before);
    mem_free(work->pieces);
    *work = (struct BpeWork){ 0 };
}

static void reserve(struct BpeWork *work, size_t bytes)
{
    if (bytes <= work->capacity) return;
    size_t room = work->capacity = 2 * bytes > 256 ? 2 * bytes : 256;
    work->pieces = mem_resize(work->pieces, room, sizeof *work->pieces);
    work->before = mem_resize(work->before, room, sizeof *work->before);
    work->after = mem_resize(work->after, room, sizeof *work->after);
    work->heap = mem_resize(work->heap, 3 * room, sizeof *work->heap);
    work->places = mem_resize(work->places, 2 * room, sizeof *work->places);
}

static inline void set_pair(const Bpe *model, BpePiece *piece, const BpePiece *next)
{
    const BpeMerge *merge = bpe_merge_find(model, piece->id, next->id);
    piece->rank = merge ? merge->rank : BPE_NO_RANK;
    piece->into = merge ? merge->into : -1;
}

/// Merges `count` pieces in place; returns how many are left.
static size_t merge_short(const Bpe *model, BpePiece *pieces, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) set_pair(model, &pieces[i], &pieces[i + 1]);
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (pieces[i].rank < pieces[best].rank) best = i;
        if (pieces[best].rank == BPE_NO_RANK) break;
        pieces[best].id = pieces[best].into;
        pieces[best].end = pieces[best + 1].end;
        count--;
        memmove(pieces + best + 1, pieces + best + 2, (count - best - 1) * sizeof *pieces);
        if (best) set_pair(model, &pieces[best - 1], &pieces[best]);
        if (best + 1 < count) set_pair(model, &pieces[best], &pieces[best + 1]);
    }
    return count;
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

static void sift_up(uint64_t *heap, size_t at)
{
    uint64_t item = heap[at];
    for (size_t parent; at && heap[parent = (at - 1) / 2] > item; at = parent)
        heap[at] = heap[parent];
    heap[at] = item;
}

/// Looks the pair at `at` up, and puts it into the heap if it can merge.
static size_t push_pair(const Bpe *model, struct BpeWork *work, size_t heap_count, int32_t at)
{
    BpePiece *piece = &work->pieces[at];
    set_pair(model, piece, &work->pieces[work->after[at]]);
    if (piece->rank == BPE_NO_RANK) return heap_count;
    work->heap[heap_count] = (uint64_t)piece->rank << 32 | (uint32_t)at;
    return heap_count + 1;
}

/// Merges the piece at `at` with the next, which is dead then: nothing in the heap fits it.
static void merge_next(struct BpeWork *work, int32_t at)
{
    BpePiece *piece = &work->pieces[at];
    int32_t gone = work->after[at];
    piece->id = piece->into;
    piece->end = work->pieces[gone].end;
    piece->rank = work->pieces[gone].rank = BPE_NO_RANK;
    work->after[at] = work->after[gone];
    if (work->after[at] >= 0) work->before[work->after[at]] = at;
}

/// As merge_short, in n log n steps: a heap of (rank, place), in which entries that no longer fit
/// their place are passed over.
static size_t merge_long(const Bpe *model, struct BpeWork *work, size_t count)
{
    size_t in_heap = 0, left = 0;
    for (size_t i = 0; i < count; i++) {
        work->before[i] = (int32_t)i - 1;
        work->after[i] = i + 1 < count ? (int32_t)i + 1 : -1;
        work->pieces[i].rank = BPE_NO_RANK;
    }
    for (size_t i = 0; i + 1 < count; i++) in_heap = push_pair(model, work, in_heap, (int32_t)i);
    for (size_t i = in_heap / 2; i-- > 0;) sift_down(work->heap, in_heap, i);
    while (in_heap) {
        uint64_t top = work->heap[0];
        int32_t at = (int32_t)(uint32_t)top;
        work->heap[0] = work->heap[--in_heap];
        if (in_heap) sift_down(work->heap, in_heap, 0);
        if (work->pieces[at].rank != top >> 32) continue;
        merge_next(work, at);
        int32_t changed[] = { work->before[at], at };
        for (int k = 0; k < 2; k++) {
            if (changed[k] < 0 || work->after[changed[k]] < 0) continue;
            size_t before = in_heap;
            in_heap = push_pair(model, work, in_heap, changed[k]);
            if (in_heap > before) sift_up(work->heap, before);
        }
    }
    for (int32_t at = 0; at >= 0; at = work->after[at]) work->pieces[left++] = work->pieces[at];
    return left;
}

static size_t merge(const Bpe *model, struct BpeWork *work, size_t count)
{
    return count < SHORT_WORD ? merge_short(model, work->pieces, count)
                              : merge_long(model, work, count);
}

/// A piece for each byte; false if one has no token.
static bool begin_bytes(const Bpe *model, BpePiece *pieces, const unsigned char *s, size_t count)
{
    bool whole = true;
    for (size_t i = 0; i < count; i++) {
        pieces[i].id = model->byte_ids[s[i]];
        pieces[i].end = (int32_t)i + 1;
        whole &= pieces[i].id >= 0;
    }
    return whole;
}

/// The pieces of a word that is being begun.
typedef struct {
    BpePiece *pieces;
    size_t count;
    int32_t end, unknown; ///< length so far, and of the unknown characters not yet in it
} Begun;

static void add_piece(Begun *begun, int32_t id, int32_t bytes)
{
    begun->end += bytes;
    begun->pieces[begun->count++] = (BpePiece){ .id = id, .end = begun->end };
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
static size_t begin_characters(const Bpe *model, BpePiece *pieces, const unsigned char *s,
                               size_t count)
{
    Begun begun = { .pieces = pieces };
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
    return begun.count;
}

int32_t bpe_single(const Bpe *model, struct BpeWork *work, const unsigned char *bytes, size_t count)
{
    reserve(work, count);
    if (!model->spelled)
        count = begin_characters(model, work->pieces, bytes, count);
    else if (!begin_bytes(model, work->pieces, bytes, count))
        return -1;
    return count && merge(model, work, count) == 1 ? work->pieces[0].id : -1;
}

/// Appends the merged pieces; `places` (or NULL: the same) tells bytes of the word from theirs.
static void append(Pieces *out, const Normalized *text, size_t first, const BpePiece *pieces,
                   size_t count, const int32_t *places)
{
    for (size_t i = 0; i < count; i++) {
        size_t start = i ? (size_t)pieces[i - 1].end : 0, last = (size_t)pieces[i].end - 1;
        if (places) {
            start = (size_t)places[start];
            last = (size_t)places[last];
        }
        pieces_add(out, pieces[i].id, text->starts[first + start],
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
    size_t count = begin_characters(model, work->pieces, (unsigned char *)spelling->data,
                                    spelling->length_bytes);
    if (count) append(out, text, first, work->pieces, merge(model, work, count), work->places);
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
        count = begin_characters(bpe, work->pieces, s, bytes);
    else if (!begin_bytes(bpe, work->pieces, s, bytes)) {
        cut_spelled(bpe, work, out, text, first, bytes);
        return;
    }
    if (count) append(out, text, first, work->pieces, merge(bpe, work, count), NULL);
}
