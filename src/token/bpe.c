#include "token/bpe.h"
#include "base/mem.h"
#include "token/byte_alphabet.h"
#include "token/bpe_table.h"

#include <string.h>

/// Bits of `maybe` per row of the table of merges, which is at most half full.
enum { MAYBE_BITS = 4 };

static uint32_t table_slots(int64_t count)
{
    uint32_t slots = 16;
    while (slots < 2 * count) slots *= 2;
    return slots;
}

/// A merge is ["left", "right"] or "left right".
static bool read_pair(Text *left, Text *right, const Json *merge)
{
    text_clear(left);
    text_clear(right);
    if (json_is_array(merge)) {
        text_append(left, json_text(json_at(merge, 0), ""));
        text_append(right, json_text(json_at(merge, 1), ""));
        return json_size(merge) == 2 && left->length_bytes && right->length_bytes;
    }
    const char *text = json_text(merge, ""), *space = strchr(text, ' ');
    if (!space || space == text || !space[1] || strchr(space + 1, ' ')) return false;
    text_append_bytes(left, text, (size_t)(space - text));
    text_append(right, space + 1);
    return true;
}

/// Of a pair that is listed twice the later place counts, as in `tokenizers`.
static void set_merge(Bpe *model, int32_t left, int32_t right, uint32_t rank, int32_t into)
{
    uint32_t mixed = bpe_mix(bpe_merge_key(left, right));
    uint32_t slot = mixed & model->merge_mask, bit = mixed & model->maybe_mask;
    model->maybe[bit / 64] |= (uint64_t)1 << bit % 64;
    while (model->merges[slot].left >= 0 &&
           (model->merges[slot].left != left || model->merges[slot].right != right))
        slot = (slot + 1) & model->merge_mask;
    model->merges[slot] = (BpeMerge){ left, right, rank, into };
}

static Status read_merges(Bpe *model, const ModelSource *source)
{
    Status status = OK;
    const Json *merges = json_get(source->spec, "merges");
    int64_t count = json_size(merges);
    Text parts[3] = { { 0 } };
    if (!json_is_array(merges))
        FAIL(FAILED, "%s: model.merges is missing: it must be a list of pairs", source->where);
    if (count >= INT32_MAX / 4) FAIL(FAILED, "%s: model.merges has too many pairs", source->where);
    model->merge_mask = table_slots(count) - 1;
    model->merges = MEM_NEW(BpeMerge, model->merge_mask + (size_t)1);
    model->maybe_mask = MAYBE_BITS * (model->merge_mask + 1) - 1;
    model->maybe = MEM_NEW(uint64_t, model->maybe_mask / 64 + 1);
    for (size_t i = 0; i <= model->merge_mask; i++) model->merges[i].left = -1;
    for (int64_t i = 0; i < count; i++) {
        int32_t ids[3];
        if (!read_pair(&parts[0], &parts[1], json_at(merges, i)))
            FAIL(FAILED, "%s: model.merges: entry %lld is not a pair of tokens", source->where,
                 (long long)i + 1);
        text_clear(&parts[2]);
        for (int k = 0; k < 2; k++) text_append(&parts[2], parts[k].data);
        for (int k = 0; k < 3; k++) {
            ids[k] = trie_find(&source->vocabulary->trie, parts[k].data);
            if (ids[k] < 0)
                FAIL(FAILED,
                     "%s: model.merges: entry %lld needs '%s', which is no token of the "
                     "vocabulary",
                     source->where, (long long)i + 1, parts[k].data);
        }
        set_merge(model, ids[0], ids[1], (uint32_t)i, ids[2]);
    }
done:
    for (int k = 0; k < 3; k++) text_release(&parts[k]);
    return status;
}

static void find_bytes(Bpe *model)
{
    for (int byte = 0; byte < 256; byte++) {
        Text name = { 0 };
        if (model->spelled)
            byte_alphabet_spell(&name, &(unsigned char){ (unsigned char)byte }, 1);
        else
            text_printf(&name, "<0x%02X>", byte);
        model->byte_ids[byte] = trie_find(&model->vocabulary->trie, name.data);
        text_release(&name);
    }
}

static void find_byte_pairs(Bpe *model)
{
    model->byte_pairs = MEM_NEW(BpePair, 256 * 256);
    for (int i = 0; i < 256 * 256; i++) {
        int32_t left = model->byte_ids[i / 256], right = model->byte_ids[i % 256];
        bool both = left >= 0 && right >= 0;
        model->byte_pairs[i] = both ? bpe_pair(model, left, right) : (BpePair){ BPE_NO_RANK, -1 };
    }
}

static void set_word(Bpe *model, const unsigned char *bytes, size_t count, int32_t id)
{
    unsigned char padded[2 * BPE_WORD_BYTES] = { 0 };
    memcpy(padded, bytes, count);
    BpeWord word = bpe_word(padded, count);
    uint32_t slot = bpe_word_slot(model, &word);
    while (model->words[slot].bytes) slot = (slot + 1) & model->word_mask;
    word.id = id;
    model->words[slot] = word;
}

/// The words that the merges (or their neglect) make one token.
static void find_words(Bpe *model)
{
    Text bytes = { 0 };
    struct BpeWork work = { 0 };
    const Vocabulary *vocabulary = model->vocabulary;
    uint32_t slots = table_slots(vocabulary->count);
    model->words = MEM_NEW(BpeWord, slots);
    model->word_mask = slots - 1;
    for (int64_t id = 0; id < vocabulary->count; id++) {
        text_clear(&bytes);
        size_t length = strlen(vocabulary->tokens[id]);
        if (length > model->longest) model->longest = length;
        if (!model->spelled) text_append(&bytes, vocabulary->tokens[id]);
        if (model->spelled && !byte_alphabet_read(&bytes, vocabulary->tokens[id])) continue;
        const unsigned char *s = (const unsigned char *)text_chars(&bytes);
        if (!bytes.length_bytes || bytes.length_bytes > BPE_WORD_BYTES) continue;
        if (model->ignore_merges || bpe_single(model, &work, s, bytes.length_bytes) == id)
            set_word(model, s, bytes.length_bytes, (int32_t)id);
    }
    bpe_work_release(&work);
    text_release(&bytes);
}

static Status check_options(const ModelSource *source)
{
    static const char *const affixes[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    for (int i = 0; i < 2; i++)
        if (*json_text(json_get(source->spec, affixes[i]), ""))
            return status_fail(FAILED, "%s: model.%s is not supported for BPE", source->where,
                               affixes[i]);
    if (json_number(json_get(source->spec, "dropout"), 0) != 0)
        return status_fail(FAILED, "%s: model.dropout is not supported: ids would be random",
                           source->where);
    return OK;
}

static Status read_options(Bpe *model, const ModelSource *source)
{
    const Json *spec = source->spec;
    const char *unknown = json_text(json_get(spec, "unk_token"), NULL);
    model->fuse_unknown = json_bool(json_get(spec, "fuse_unk"), false);
    model->byte_fallback = json_bool(json_get(spec, "byte_fallback"), false);
    model->ignore_merges = json_bool(json_get(spec, "ignore_merges"), false);
    model->unknown = unknown ? trie_find(&source->vocabulary->trie, unknown) : -1;
    if (unknown && model->unknown < 0)
        return status_fail(FAILED, "%s: model.unk_token '%s' is not in the vocabulary",
                           source->where, unknown);
    if (model->byte_fallback && model->spelled)
        return status_fail(FAILED, "%s: model.byte_fallback beside ByteLevel is not supported",
                           source->where);
    return OK;
}

Status bpe_new(void **out, const ModelSource *source)
{
    Status status = OK;
    Bpe *model = MEM_NEW(Bpe, 1);
    model->vocabulary = source->vocabulary;
    model->spelled = source->bytes;
    TRY(check_options(source));
    TRY(read_options(model, source));
    TRY(read_merges(model, source));
    find_bytes(model);
    if (model->spelled) find_byte_pairs(model);
    find_words(model);
    *out = model;
    model = NULL;
done:
    bpe_free(model);
    return status;
}

void bpe_free(void *model)
{
    Bpe *bpe = model;
    if (!bpe) return;
    mem_free(bpe->words);
    mem_free(bpe->byte_pairs);
    mem_free(bpe->maybe);
    mem_free(bpe->merges);
    mem_free(bpe);
}
