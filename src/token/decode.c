#include "token/decode.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "token/byte_alphabet.h"
#include "token/pretokenize.h"

#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD";

void decoding_release(Decoding *state)
{
    text_release(&state->bytes);
    *state = (Decoding){ 0 };
}

/// Appends text, less what is stripped from the begin of all.
static void put(const Decoder *decoder, Decoding *state, Text *out, const char *s, size_t bytes)
{
    const char *strip = decoder->steps.strip;
    size_t length = strlen(strip);
    while (!state->unstripped && state->stripped < decoder->steps.strip_count && bytes >= length &&
           !memcmp(s, strip, length)) {
        state->stripped++;
        s += length;
        bytes -= length;
    }
    state->unstripped |= bytes > 0;
    text_append_bytes(out, s, bytes);
}

/// True for the begin of a character that lacks its last bytes.
static bool is_open(const unsigned char *s, size_t left, int decoded)
{
    size_t needed = *s >= 0xF0 ? 4 : *s >= 0xE0 ? 3 : 2;
    return *s >= 0xC2 && *s <= 0xF4 && (size_t)decoded == left && left < needed;
}

/// Moves characters from state->bytes to *out; one that is still open stays, unless `all`.
static void put_characters(const Decoder *decoder, Decoding *state, Text *out, bool all)
{
    const unsigned char *s = (const unsigned char *)text_chars(&state->bytes);
    size_t at = 0, sound = 0, count = state->bytes.length_bytes;
    int taken;
    for (; at < count; at += (size_t)taken) {
        if (utf8_decode(&taken, s + at, count - at) != UTF8_ILL_FORMED) continue;
        put(decoder, state, out, (const char *)s + sound, at - sound);
        sound = at;
        if (!all && is_open(s + at, count - at, taken)) break;
        put(decoder, state, out, replacement, sizeof replacement - 1);
        sound = at + (size_t)taken;
    }
    put(decoder, state, out, (const char *)s + sound, at - sound);
    if (at < count) memmove(state->bytes.data, s + at, count - at);
    state->bytes.length_bytes = count - at;
}

/// A run of byte tokens is text as a whole, or every byte is replaced.
static void put_run(const Decoder *decoder, Decoding *state, Text *out)
{
    const unsigned char *s = (const unsigned char *)text_chars(&state->bytes);
    size_t count = state->bytes.length_bytes;
    bool sound = true;
    int taken;
    for (size_t at = 0; sound && at < count; at += (size_t)taken)
        sound = utf8_decode(&taken, s + at, count - at) != UTF8_ILL_FORMED;
    if (sound) put(decoder, state, out, (const char *)s, count);
    for (size_t i = 0; !sound && i < count; i++)
        put(decoder, state, out, replacement, sizeof replacement - 1);
    text_clear(&state->bytes);
}

void decoder_next(const Decoder *decoder, Decoding *state, Text *out, int64_t id, bool skip_special)
{
    if (id < 0 || id >= decoder->count || !decoder->tokens[id].known) return;
    const DecodedToken *token = &decoder->tokens[id];
    if (skip_special && token->special) return;
    const char *pool = text_chars(&decoder->pool);
    const char *s = pool + (state->begun ? token->later : token->first);
    size_t bytes = state->begun ? token->later_bytes : token->first_bytes;
    state->begun = true;
    if (decoder->steps.spelled) {
        text_append_bytes(&state->bytes, s, bytes);
        put_characters(decoder, state, out, false);
    } else if (token->byte >= 0) {
        text_append_bytes(&state->bytes, &(char){ (char)token->byte }, 1);
    } else {
        put_run(decoder, state, out);
        put(decoder, state, out, s, bytes);
    }
}

void decoder_end(const Decoder *decoder, Decoding *state, Text *out)
{
    if (decoder->steps.spelled)
        put_characters(decoder, state, out, true);
    else
        put_run(decoder, state, out);
}

static void replace(Text *text, const char *from, const char *to)
{
    const char *s = text_chars(text), *found = strstr(s, from);
    if (!found) return;
    Text out = { 0 };
    for (; found; found = strstr(s, from)) {
        text_append_bytes(&out, s, (size_t)(found - s));
        text_append(&out, to);
        s = found + strlen(from);
    }
    text_append(&out, s);
    text_release(text);
    *text = out;
}

/// The order counts: it is that of `tokenizers`.
static void clean_up(Text *text)
{
    static const char *const pairs[][2] = {
        { " .", "." },   { " ?", "?" },     { " !", "!" },     { " ,", "," },
        { " ' ", "'" },  { " n't", "n't" }, { " 'm", "'m" },   { " do not", " don't" },
        { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        replace(text, pairs[i][0], pairs[i][1]);
}

static void make_text(Text *out, const DecodeSteps *steps, const char *token, bool later)
{
    size_t prefix = strlen(steps->prefix);
    bool continues = later && prefix && !strncmp(token, steps->prefix, prefix);
    text_clear(out);
    if (steps->spelled && byte_alphabet_read(out, token)) return;
    if (later && steps->spaced && !continues) text_append(out, " ");
    text_append(out, token + (continues ? prefix : 0));
    if (steps->cleanup) clean_up(out);
    if (*steps->from) replace(out, steps->from, later || !steps->bare ? steps->to : "");
}

/// "<0x..>" with two digits; -1 for anything else.
static int16_t byte_of(const char *token)
{
    char *end;
    if (strlen(token) != 6 || strncmp(token, "<0x", 3) || token[5] != '>') return -1;
    long value = strtol(token + 3, &end, 16);
    return end == token + 5 && token[3] != '-' && token[3] != '+' && token[3] != ' '
               ? (int16_t)value
               : -1;
}

static void make_token(Decoder *decoder, const char *token, int64_t id)
{
    Text texts[2] = { { 0 } };
    size_t places[2];
    for (int later = 0; later < 2; later++) {
        make_text(&texts[later], &decoder->steps, token, later);
        places[later] = decoder->pool.length_bytes;
        text_append_bytes(&decoder->pool, text_chars(&texts[later]), texts[later].length_bytes);
    }
    decoder->tokens[id] = (DecodedToken){
        .first = places[0],
        .later = places[1],
        .first_bytes = texts[0].length_bytes,
        .later_bytes = texts[1].length_bytes,
        .byte = decoder->steps.byte_fallback ? byte_of(token) : -1,
        .known = true,
    };
    for (int later = 0; later < 2; later++) text_release(&texts[later]);
}

static Status copy_short(char *out, size_t room, const Json *value, const char *what,
                         const char *where)
{
    const char *text = json_text(value, "");
    if (!*text || strlen(text) >= room)
        return status_fail(FAILED, "%s: decoder: %s must be a short text", where, what);
    strcpy(out, text);
    return OK;
}

static Status read_bytes(DecodeSteps *steps, const Json *spec, const char *where)
{
    (void)spec, (void)where;
    steps->spelled = true;
    return OK;
}

static Status read_wordpiece(DecodeSteps *steps, const Json *spec, const char *where)
{
    steps->spaced = true;
    steps->cleanup = json_bool(json_get(spec, "cleanup"), true);
    return copy_short(steps->prefix, sizeof steps->prefix, json_get(spec, "prefix"), "prefix",
                      where);
}

static Status read_replace(DecodeSteps *steps, const Json *spec, const char *where)
{
    Status status = OK;
    if (*steps->from || steps->byte_fallback)
        FAIL(FAILED, "%s: decoder: Replace must stand once, before ByteFallback", where);
    TRY(copy_short(steps->from, sizeof steps->from, json_get(json_get(spec, "pattern"), "String"),
                   "the String that Replace looks for", where));
    TRY(copy_short(steps->to, sizeof steps->to, json_get(spec, "content"), "content", where));
done:
    return status;
}

static Status read_metaspace(DecodeSteps *steps, const Json *spec, const char *where)
{
    steps->bare = strcmp(metaspace_scheme(spec), "never");
    strcpy(steps->to, " ");
    return copy_short(steps->from, sizeof steps->from, json_get(spec, "replacement"), "replacement",
                      where);
}

static Status read_fallback(DecodeSteps *steps, const Json *spec, const char *where)
{
    (void)spec, (void)where;
    steps->byte_fallback = true;
    return OK;
}

static Status read_fuse(DecodeSteps *steps, const Json *spec, const char *where)
{
    (void)spec, (void)where;
    steps->fused = true;
    return OK;
}

static Status read_strip(DecodeSteps *steps, const Json *spec, const char *where)
{
    if (!steps->fused || *steps->strip || json_int(json_get(spec, "stop"), -1) != 0)
        return status_fail(
            FAILED, "%s: decoder: Strip is supported once, after Fuse and with stop 0", where);
    steps->strip_count = json_int(json_get(spec, "start"), 0);
    return copy_short(steps->strip, sizeof steps->strip, json_get(spec, "content"), "content",
                      where);
}

static Status read_sequence(DecodeSteps *steps, const Json *spec, const char *where);

static const struct {
    const char *type;
    bool alone; ///< does not mix with others
    Status (*read)(DecodeSteps *steps, const Json *spec, const char *where);
} types[] = {
    { "ByteLevel", true, read_bytes },     { "WordPiece", true, read_wordpiece },
    { "Metaspace", true, read_metaspace }, { "Replace", false, read_replace },
    { "Fuse", false, read_fuse },          { "ByteFallback", false, read_fallback },
    { "Strip", false, read_strip },        { "Sequence", true, read_sequence },
};

static Status read_type(DecodeSteps *steps, const Json *spec, bool alone, const char *where)
{
    const char *type = json_text(json_get(spec, "type"), "(none)");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(type, types[i].type)) continue;
        if (alone || !types[i].alone) return types[i].read(steps, spec, where);
        return status_fail(FAILED, "%s: decoder: %s beside others is not supported", where, type);
    }
    return status_fail(FAILED,
                       "%s: decoder type %s is not supported (only ByteLevel, WordPiece, "
                       "Metaspace, Replace, ByteFallback, Fuse, Strip and Sequence)",
                       where, type);
}

static Status read_sequence(DecodeSteps *steps, const Json *spec, const char *where)
{
    Status status = OK;
    const Json *parts = json_get(spec, "decoders");
    for (int64_t i = 0; i < json_size(parts); i++)
        TRY(read_type(steps, json_at(parts, i), json_size(parts) == 1, where));
done:
    return status;
}

Status decoder_init(Decoder *decoder, const Json *spec, const char *const *tokens, int64_t count,
                    const char *where)
{
    Status status = OK;
    *decoder = (Decoder){ 0 };
    if (json_is_null(spec))
        decoder->steps.spaced = true;
    else
        TRY(read_type(&decoder->steps, spec, true, where));
    decoder->tokens = MEM_NEW(DecodedToken, count);
    decoder->count = count;
    for (int64_t id = 0; id < count; id++)
        if (tokens[id]) make_token(decoder, tokens[id], id);
done:
    return status;
}

void decoder_release(Decoder *decoder)
{
    text_release(&decoder->pool);
    mem_free(decoder->tokens);
    *decoder = (Decoder){ 0 };
}

void decoder_set_special(Decoder *decoder, int64_t id)
{
    decoder->tokens[id].special = true;
}
