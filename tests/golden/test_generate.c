/* TEST labels=model timeout=300 */
#include "base/mem.h"
#include "infer/generate.h"
#include "infer/rows.h"
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// SmolLM2 against transformers (make_smollm2.py).
static Model *model;
static Tokenizer *tokenizer;
static Json *golden;

static bool load(void)
{
    char path[] = "/tmp/temper-smollm2-XXXXXX", source[1024];
    const char *models = getenv("TEMPER_MODELS");
    Comm self = comm_self();
    snprintf(source, sizeof source, "%s/smollm2-135m.gguf", models ? models : "models");
    if (access(source, R_OK)) return false;
    int file = mkstemp(path);
    if (file >= 0) close(file);
    bool loaded =
        model_import(path, source) == OK && model_load(&self, &model, path, "causal_lm") == OK &&
        tokenizer_new(&tokenizer, model->tokenizer_json, strlen(model->tokenizer_json), source) ==
            OK &&
        json_parse_file(&golden, TEST_FOLDER "/smollm2.json") == OK;
    if (!loaded) check_failed(__FILE__, __LINE__, "%s", status_message());
    unlink(path);
    return loaded;
}

static int32_t *ids_of(const Json *list, int64_t *count)
{
    *count = json_size(list);
    int32_t *ids = MEM_NEW(int32_t, *count);
    for (int64_t i = 0; i < *count; i++) ids[i] = (int32_t)json_int(json_at(list, i), -1);
    return ids;
}

/// Tokens that both must say: up to an end, or a step at which two are nearly as likely.
static int64_t sure_tokens(const Json *row)
{
    int32_t ends[MOST_END_TOKENS];
    int end_count = model_end_tokens(ends, model, tokenizer);
    const Json *tokens = json_get(row, "tokens"), *gaps = json_get(row, "gaps");
    for (int64_t i = 0; i < json_size(tokens); i++) {
        if (json_number(json_at(gaps, i), 0) < 1e-3) return i;
        for (int k = 0; k < end_count; k++)
            if (json_int(json_at(tokens, i), -1) == ends[k]) return i;
    }
    return json_size(tokens);
}

static void greedy_texts(void)
{
    const Json *rows = json_get(golden, "prompts");
    Comm self = comm_self();
    int64_t count = json_size(rows), first, mine, sure = 0;
    Prompt *prompts = MEM_NEW(Prompt, count);
    Completion *said;
    Encoding encoding = { 0 };
    GenerateOptions options = { .max_tokens = 32, .top_p = 1, .repetition_penalty = 1, .stop = "" };
    for (int64_t i = 0; i < count; i++) {
        const Json *row = json_at(rows, i);
        const char *prompt = json_text(json_get(row, "prompt"), "");
        prompts[i].ids = ids_of(json_get(row, "ids"), &prompts[i].count);
        tokenizer_encode(tokenizer, &encoding, prompt, strlen(prompt), NULL, 0, 0);
        CHECK_EQ(encoding.count, prompts[i].count);
        CHECK_EQ(memcmp(encoding.ids, prompts[i].ids, (size_t)encoding.count * 4), 0);
    }
    CHECK_EQ(generate(&self, &said, &first, &mine, model, tokenizer, prompts, count, &options), OK);
    CHECK_EQ(mine, count);
    for (int64_t i = 0; i < count; i++) {
        int64_t tokens, length = sure_tokens(json_at(rows, i));
        int32_t *expected = ids_of(json_get(json_at(rows, i), "tokens"), &tokens);
        Text text = { 0 };
        tokenizer_decode(&text, tokenizer, expected, length, true);
        if (strncmp(text_chars(&said[i].text), text_chars(&text), text.length_bytes))
            check_failed(__FILE__, __LINE__, "prompt %lld goes on with '%s', not '%s'",
                         (long long)i, text_chars(&said[i].text), text_chars(&text));
        if (length == tokens) CHECK_TEXT(text_chars(&said[i].text), text_chars(&text));
        sure += length;
        text_release(&text);
        mem_free(expected);
    }
    CHECK_TRUE(sure > 400); // else hardly anything was compared
    completions_free(said, mine);
    for (int64_t i = 0; i < count; i++) mem_free(prompts[i].ids);
    mem_free(prompts);
    encoding_release(&encoding);
}

/// Every token of the blocks but the first, predicted from those before it.
static void loss_of_blocks(void)
{
    enum { BLOCK = 256, BLOCKS = 4 };
    int64_t count;
    int32_t *ids = ids_of(json_get(golden, "blocks"), &count), cu_seqlens[BLOCKS + 1];
    int32_t rows[BLOCK * BLOCKS], targets[BLOCK * BLOCKS];
    int64_t samples[BLOCKS] = { 0 }, picked = 0;
    CHECK_EQ(count, BLOCK * BLOCKS);
    for (int i = 0; i <= BLOCKS; i++) cu_seqlens[i] = i * BLOCK;
    for (int i = 0; i < BLOCK * BLOCKS; i++) {
        if (i % BLOCK == BLOCK - 1) continue;
        rows[picked] = i;
        targets[picked++] = ids[i + 1];
    }
    Packing packing = { .sequences = BLOCKS,
                        .tokens = count,
                        .longest = BLOCK,
                        .cu_seqlens = cu_seqlens,
                        .samples = samples,
                        .ids = ids };
    Weight *weights = MEM_NEW(Weight, model->param_count);
    model_bind(model, weights);
    Tape *tape = tape_new(model_arena_bytes(model, count, BLOCKS, BLOCK));
    tape_start(tape, &(Pass){ 0 }, &packing);
    Var *x = select_rows(tape, model->arch->hidden(model, weights, tape), rows, picked);
    Output out = model_head(model, weights, tape, x);
    double loss =
        vocabulary_loss(tape, NULL, out.x, out.weight, out.bias, targets, 0, (double)picked).sum;
    double expected = json_number(json_get(golden, "loss"), 0);
    printf("loss %.6f, transformers %.6f\n", loss, expected);
    CHECK_TRUE(fabs(loss - expected) <= 1e-5 * expected);
    tape_free(tape);
    mem_free(weights);
    mem_free(ids);
}

static const Case cases[] = {
    { "greedy texts", greedy_texts },
    { "loss of blocks", loss_of_blocks },
};

int main(int argc, char **argv)
{
    if (!load()) {
        fprintf(stderr, "SKIPPED SmolLM2: no smollm2-135m.gguf in TEMPER_MODELS\n");
        return 77;
    }
    int status = check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
    json_free(golden);
    tokenizer_free(tokenizer);
    model_free(model);
    return status;
}
