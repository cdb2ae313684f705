#include "token/tokenizer.h"
#include "base/mem.h"
#include "token/tokenizer_parts.h"

#include <string.h>

typedef struct EncodingScratch Scratch;

void encoding_release(Encoding *encoding)
{
    if (encoding->scratch) {
        normalized_release(&encoding->scratch->normalized);
        normalized_release(&encoding->scratch->respaced);
        pieces_release(&encoding->scratch->pieces);
        bpe_work_release(&encoding->scratch->work);
    }
    mem_free(encoding->scratch);
    mem_free(encoding->ends);
    mem_free(encoding->starts);
    mem_free(encoding->types);
    mem_free(encoding->ids);
    *encoding = (Encoding){ 0 };
}

/// A space that a text was given stays.
static void trim_piece(const Tokenizer *tokenizer, Scratch *scratch, size_t at, TokenSpaces spaces)
{
    int32_t *start = &scratch->pieces.starts[at], *end = &scratch->pieces.ends[at];
    bool may_be_given = at == scratch->text_first || !*start;
    if (may_be_given && tokenizer->templates.prefix_stays && spaces.leading == 1)
        spaces.leading = 0;
    trim_place(start, end, spaces, scratch->normalized.source);
}

/// An added token, found as `text` (bytes).
static void add_token(const Tokenizer *tokenizer, Scratch *scratch, int32_t id, int32_t start,
                      int32_t end, const unsigned char *text, size_t bytes)
{
    pieces_reserve(&scratch->pieces, 1);
    pieces_add(&scratch->pieces, id, start, end);
    if (tokenizer->spaces)
        trim_piece(tokenizer, scratch, scratch->pieces.count - 1, token_spaces(text, bytes));
}

/// Words of the normalized text [first, end) until there are `limit` pieces.
static void cut_words(const Tokenizer *tokenizer, Scratch *scratch, size_t first, size_t end,
                      size_t limit)
{
    if (first == end) return;
    size_t word, word_end, before = scratch->pieces.count;
    WordWalk walk =
        pretokenizer_begin(&tokenizer->words, &scratch->normalized, &scratch->respaced, first, end);
    pieces_reserve(&scratch->pieces, walk.ends[0] - walk.at);
    while (scratch->pieces.count < limit && pretokenizer_next(&walk, &word, &word_end))
        tokenizer->type->cut(tokenizer->model, &scratch->work, &scratch->pieces, walk.text, word,
                             word_end);
    for (size_t i = before; tokenizer->spaces && i < scratch->pieces.count; i++)
        trim_piece(tokenizer, scratch, i, tokenizer->spaces[scratch->pieces.ids[i]]);
}

/// A stretch of text without plain added tokens.
static void encode_stretch(const Tokenizer *tokenizer, Scratch *scratch, size_t first, size_t end,
                           size_t limit)
{
    Normalized *text = &scratch->normalized;
    size_t match, at = NORMALIZED_FIRST;
    normalizer_run(&tokenizer->normalizer, text, first, end);
    AddedWalk walk = { text->bytes, text->count, .covered = at, .search = at };
    const AddedToken *token;
    while ((token = added_tokens_next(&tokenizer->added, &tokenizer->added.normalized, &walk,
                                      &match))) {
        cut_words(tokenizer, scratch, at, match, limit);
        at = walk.covered;
        add_token(tokenizer, scratch, token->id, text->starts[match], normalized_end(text, at - 1),
                  text->bytes + match, at - match);
    }
    cut_words(tokenizer, scratch, at, text->count, limit);
}

/// Appends the pieces of one text, or at least the first `limit`.
static void encode_text(const Tokenizer *tokenizer, Scratch *scratch, const char *bytes,
                        size_t count, size_t limit)
{
    CHECK(count <= INT32_MAX, "a text of %zu bytes", count);
    Normalized *text = &scratch->normalized;
    size_t match, at = 0;
    text->source = (const unsigned char *)bytes;
    text->source_bytes = count;
    scratch->text_first = scratch->pieces.count;
    AddedWalk walk = { .bytes = text->source, .count = count };
    const AddedToken *token;
    while ((token = added_tokens_next(&tokenizer->added, &tokenizer->added.plain, &walk, &match))) {
        if (at < match) encode_stretch(tokenizer, scratch, at, match, limit);
        at = walk.covered;
        add_token(tokenizer, scratch, token->id, (int32_t)match, (int32_t)at, text->source + match,
                  at - match);
    }
    if (at < count) encode_stretch(tokenizer, scratch, at, count, limit);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/// longest_first as `tokenizers` does it: the longer text gives way, then both are halved, and the
/// odd token stays with the longer one (the second if equal).
static void truncate_pair(size_t *first, size_t *second, size_t room)
{
    bool swap = *first > *second;
    size_t shorter = swap ? *second : *first, longer = swap ? *first : *second;
    if (shorter + longer <= room) return;
    if (shorter <= room / 2) {
        longer = room - shorter;
    } else {
        shorter = room / 2;
        longer = room - shorter;
    }
    *first = swap ? longer : shorter;
    *second = swap ? shorter : longer;
}

static void append_token(Encoding *out, int32_t id, int32_t type)
{
    out->ids[out->count] = id;
    out->types[out->count] = type;
    out->starts[out->count] = 0;
    out->ends[out->count++] = 0;
}

static void append_pieces(Encoding *out, const Pieces *pieces, size_t first, size_t count,
                          int32_t type)
{
    if (!count) return; // there may be no array then
    memcpy(out->ids + out->count, pieces->ids + first, count * sizeof *out->ids);
    memcpy(out->starts + out->count, pieces->starts + first, count * sizeof *out->starts);
    memcpy(out->ends + out->count, pieces->ends + first, count * sizeof *out->ends);
    for (size_t i = 0; i < count; i++) out->types[(size_t)out->count + i] = type;
    out->count += (int64_t)count;
}

static void reserve(Encoding *out, size_t count)
{
    if ((int64_t)count <= out->capacity) return;
    out->capacity = (int64_t)(2 * count);
    out->ids = mem_resize(out->ids, 2 * count, sizeof *out->ids);
    out->types = mem_resize(out->types, 2 * count, sizeof *out->types);
    out->starts = mem_resize(out->starts, 2 * count, sizeof *out->starts);
    out->ends = mem_resize(out->ends, 2 * count, sizeof *out->ends);
}

/// The first `first` pieces, and `second` of those from `split` on, put into the template.
static void assemble(Encoding *out, const Template *form, const Pieces *pieces, size_t first,
                     size_t split, size_t second)
{
    out->count = 0;
    reserve(out, first + second + (size_t)form->specials);
    for (int i = 0; i < form->count; i++) {
        TemplateItem item = form->items[i];
        if (item.id == TEMPLATE_FIRST)
            append_pieces(out, pieces, 0, first, item.type);
        else if (item.id == TEMPLATE_SECOND)
            append_pieces(out, pieces, split, second, item.type);
        else
            append_token(out, item.id, item.type);
    }
}

void tokenizer_encode(const Tokenizer *tokenizer, Encoding *out, const char *text,
                      size_t text_bytes, const char *pair, size_t pair_bytes, int64_t max_length)
{
    if (!out->scratch) out->scratch = MEM_NEW(Scratch, 1);
    Scratch *scratch = out->scratch;
    const Template *form = pair ? &tokenizer->templates.pair : &tokenizer->templates.single;
    int64_t left = max_length > form->specials ? max_length - form->specials : 0;
    size_t room = max_length > 0 ? (size_t)left : SIZE_MAX;
    scratch->pieces.count = 0;
    pieces_reserve(&scratch->pieces, 1);
    scratch->normalized.ill_formed = 0;
    // Two texts need their whole lengths: which of them is longer decides. Of one, a piece more
    // than there is room for tells that it is cut.
    encode_text(tokenizer, scratch, text, text_bytes,
                pair || room == SIZE_MAX ? SIZE_MAX : room + 1);
    size_t split = scratch->pieces.count;
    if (pair) encode_text(tokenizer, scratch, pair, pair_bytes, SIZE_MAX);
    size_t first = split, second = scratch->pieces.count - split;
    out->truncated = scratch->pieces.count > room;
    if (pair)
        truncate_pair(&first, &second, room);
    else
        first = least(first, room);
    assemble(out, form, &scratch->pieces, first, split, second);
    out->ill_formed = scratch->normalized.ill_formed;
}

bool tokenizer_marks_start(const Tokenizer *tokenizer)
{
    const Templates *forms = &tokenizer->templates;
    return forms->single.items[0].id >= 0 && forms->pair.items[0].id >= 0;
}

int64_t tokenizer_size(const Tokenizer *tokenizer)
{
    return tokenizer->size;
}

const char *tokenizer_token(const Tokenizer *tokenizer, int64_t id)
{
    return id >= 0 && id < tokenizer->size ? tokenizer->tokens[id] : NULL;
}

int32_t tokenizer_id(const Tokenizer *tokenizer, const char *token)
{
    int32_t id = trie_find(&tokenizer->vocabulary.trie, token);
    if (id >= 0) return id;
    for (int64_t i = 0; i < tokenizer->added.count; i++)
        if (!strcmp(tokenizer->added.tokens[i].content, token))
            return tokenizer->added.tokens[i].id;
    return -1;
}

/// Usual names, the surest first.
static const char *const role_names[TOKEN_ROLES][6] = {
    [TOKEN_BEGIN] = { "<s>", "<|begin_of_text|>", "<|endoftext|>" },
    [TOKEN_END] = { "</s>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>" },
    [TOKEN_PAD] = { "[PAD]", "<pad>", "<|finetune_right_pad_id|>", "<|pad|>" },
    [TOKEN_UNKNOWN] = { "[UNK]", "<unk>" },
    [TOKEN_CLASS] = { "[CLS]", "<s>" },
    [TOKEN_SEPARATOR] = { "[SEP]", "</s>" },
    [TOKEN_MASK] = { "[MASK]", "<mask>" },
};

int32_t tokenizer_role(const Tokenizer *tokenizer, TokenRole role)
{
    if (role == TOKEN_UNKNOWN && tokenizer->unknown >= 0) return tokenizer->unknown;
    for (const char *const *name = role_names[role]; *name; name++)
        for (int64_t i = 0; i < tokenizer->added.count; i++) {
            const AddedToken *token = &tokenizer->added.tokens[i];
            if (token->special && !strcmp(token->content, *name)) return token->id;
        }
    return -1;
}

void tokenizer_decode_next(Text *out, Decoding *state, const Tokenizer *tokenizer, int32_t id,
                           bool skip_special)
{
    decoder_next(&tokenizer->decoder, state, out, id, skip_special);
}

void tokenizer_decode_end(Text *out, Decoding *state, const Tokenizer *tokenizer)
{
    decoder_end(&tokenizer->decoder, state, out);
}

void tokenizer_decode(Text *out, const Tokenizer *tokenizer, const int32_t *ids, int64_t count,
                      bool skip_special)
{
    Decoding state = { 0 };
    text_clear(out);
    for (int64_t i = 0; i < count; i++)
        tokenizer_decode_next(out, &state, tokenizer, ids[i], skip_special);
    tokenizer_decode_end(out, &state, tokenizer);
    decoding_release(&state);
}

bool tokenizer_is_special(const Tokenizer *tokenizer, int64_t id)
{
    for (int64_t i = 0; i < tokenizer->added.count; i++)
        if (tokenizer->added.tokens[i].id == id) return tokenizer->added.tokens[i].special;
    return false;
}
