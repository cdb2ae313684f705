#include "token/pretokenize.h"

#include <string.h>

WordWalk pretokenizer_begin(const PreTokenizer *words, Normalized *text, Normalized *respaced,
                            size_t first, size_t end)
{
    bool prefix = words->prefix == PREFIX_ALWAYS ||
                  (words->prefix == PREFIX_FIRST && text->starts[first] == 0);
    if (words->respaced) {
        normalized_respace(respaced, text, first, end, prefix);
        text = respaced;
        first = NORMALIZED_FIRST;
        end = respaced->count;
    } else if (prefix && text->bytes[first] != ' ') {
        normalized_prepend(text, first--, ' ');
    }
    WordWalk walk = { .words = words, .text = text, .at = first, .ends = { end } };
    for (int i = 1; i <= words->count; i++) walk.ends[i] = first;
    return walk;
}

bool pretokenizer_next(WordWalk *walk, size_t *first, size_t *end)
{
    int rule = walk->words->count - 1;
    while (rule > 0 && walk->at == walk->ends[rule]) rule--;
    if (walk->at == walk->ends[0]) return false;
    for (; rule < walk->words->count; rule++)
        walk->ends[rule + 1] = walk->words->rules[rule](&walk->words->classes, walk->text->bytes,
                                                        &walk->at, walk->ends[rule]);
    *first = walk->at;
    *end = walk->at = walk->ends[walk->words->count];
    return *first < *end;
}

static Status add_rule(PreTokenizer *words, SplitRule rule, const char *where)
{
    if (words->count == SPLIT_STEPS)
        return status_fail(FAILED, "%s: pre_tokenizer: more than %d steps", where, SPLIT_STEPS);
    if (words->bytes)
        return status_fail(FAILED, "%s: pre_tokenizer: nothing may follow ByteLevel", where);
    if (words->count && (rule == split_bert || words->rules[0] == split_bert))
        return status_fail(FAILED, "%s: pre_tokenizer: BertPreTokenizer must stand alone", where);
    words->rules[words->count++] = rule;
    return OK;
}

static Status read_bert(PreTokenizer *words, const Json *spec, const char *where)
{
    (void)spec;
    return add_rule(words, split_bert, where);
}

static Status read_bytes(PreTokenizer *words, const Json *spec, const char *where)
{
    Status status = OK;
    bool regex = json_bool(json_get(spec, "use_regex"), true);
    bool prefix = json_bool(json_get(spec, "add_prefix_space"), true);
    if (prefix && words->count)
        FAIL(FAILED, "%s: pre_tokenizer: ByteLevel with add_prefix_space must come first", where);
    TRY(add_rule(words, regex ? split_gpt2 : split_whole, where));
    if (prefix) words->prefix = PREFIX_ALWAYS;
    words->bytes = true;
done:
    return status;
}

const char *metaspace_scheme(const Json *spec)
{
    bool prefix = json_bool(json_get(spec, "add_prefix_space"), true);
    return json_text(json_get(spec, "prepend_scheme"), prefix ? "always" : "never");
}

static Status read_metaspace(PreTokenizer *words, const Json *spec, const char *where)
{
    static const char *const schemes[] = { "never", "first", "always" };
    Status status = OK;
    const char *scheme = metaspace_scheme(spec);
    const char *replacement = json_text(json_get(spec, "replacement"), "(none)");
    bool split = json_bool(json_get(spec, "split"), true);
    SpacePrefix known = PREFIX_NEVER;
    while (known < PREFIX_ALWAYS && strcmp(scheme, schemes[known]) != 0) known++;
    if (strcmp(replacement, NORMALIZED_SPACE))
        FAIL(FAILED, "%s: pre_tokenizer: Metaspace with replacement %s is not supported (only %s)",
             where, replacement, NORMALIZED_SPACE);
    if (strcmp(scheme, schemes[known]))
        FAIL(FAILED, "%s: pre_tokenizer: Metaspace with prepend_scheme %s is not known", where,
             scheme);
    if (words->count) FAIL(FAILED, "%s: pre_tokenizer: Metaspace must come first", where);
    TRY(add_rule(words, split ? split_spaces : split_whole, where));
    words->prefix = known;
    words->respaced = true;
done:
    return status;
}

static Status read_digits(PreTokenizer *words, const Json *spec, const char *where)
{
    bool each = json_bool(json_get(spec, "individual_digits"), false);
    return add_rule(words, each ? split_each_digit : split_digits, where);
}

static Status read_split(PreTokenizer *words, const Json *spec, const char *where)
{
    const char *regex = json_text(json_get(json_get(spec, "pattern"), "Regex"), NULL);
    const char *behavior = json_text(json_get(spec, "behavior"), "(none)");
    if (!regex)
        return status_fail(FAILED, "%s: pre_tokenizer: Split without a Regex is not supported",
                           where);
    if (strcmp(behavior, "Isolated") || json_bool(json_get(spec, "invert"), false))
        return status_fail(FAILED,
                           "%s: pre_tokenizer: Split with behavior %s%s is not supported (only "
                           "Isolated)",
                           where, behavior,
                           json_bool(json_get(spec, "invert"), false) ? ", inverted" : "");
    SplitRule rule = split_rule_of(regex);
    if (!rule)
        return status_fail(FAILED,
                           "%s: pre_tokenizer: the regular expression %s is not known (only those "
                           "of GPT-2, GPT-4o, Llama 3 and Qwen2)",
                           where, regex);
    return add_rule(words, rule, where);
}

static Status read_sequence(PreTokenizer *words, const Json *spec, const char *where);

static const struct {
    const char *type;
    Status (*read)(PreTokenizer *words, const Json *spec, const char *where);
} types[] = {
    { "BertPreTokenizer", read_bert }, { "ByteLevel", read_bytes }, { "Metaspace", read_metaspace },
    { "Split", read_split },           { "Digits", read_digits },   { "Sequence", read_sequence },
};

static Status read_type(PreTokenizer *words, const Json *spec, const char *where)
{
    const char *type = json_text(json_get(spec, "type"), "(none)");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(type, types[i].type)) return types[i].read(words, spec, where);
    return status_fail(FAILED,
                       "%s: pre_tokenizer type %s is not supported (only BertPreTokenizer, "
                       "ByteLevel, Metaspace, Split, Digits and Sequence)",
                       where, type);
}

static Status read_sequence(PreTokenizer *words, const Json *spec, const char *where)
{
    const Json *steps = json_get(spec, "pretokenizers");
    Status status = OK;
    for (int64_t i = 0; i < json_size(steps); i++) TRY(read_type(words, json_at(steps, i), where));
done:
    return status;
}

Status pretokenizer_init(PreTokenizer *words, const Json *spec, const char *where)
{
    Status status = OK;
    *words = (PreTokenizer){ 0 };
    code_classes_init(&words->classes);
    if (!json_is_null(spec)) TRY(read_type(words, spec, where));
    if (!words->count) TRY(add_rule(words, split_whole, where));
done:
    return status;
}

void pretokenizer_release(PreTokenizer *words)
{
    code_classes_release(&words->classes);
}
