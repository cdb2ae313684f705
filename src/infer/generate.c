#include "infer/generate.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "comm/grid.h"
#include "infer/sample.h"
#include "nn/cache.h"
#include "nn/group.h"

#include <inttypes.h>
#include <string.h>

// Prompts that are gone on with together: the weights are read once for all of them.
enum { GROUP = 8 };

const char *const finish_names[] = {
    [FINISH_LENGTH] = "length", [FINISH_END] = "end", [FINISH_STOP] = "stop"
};

void completions_free(Completion *completions, int64_t count)
{
    for (int64_t i = 0; completions && i < count; i++) text_release(&completions[i].text);
    mem_free(completions);
}

int model_end_tokens(int32_t ids[MOST_END_TOKENS], const Model *model, const Tokenizer *tokenizer)
{
    const Json *value = json_get(model->config, "eos_token_id");
    int32_t usual = tokenizer_role(tokenizer, TOKEN_END);
    int count = 0;
    if (json_is_int(value)) ids[count++] = (int32_t)json_int(value, -1);
    for (int64_t i = 0; i < json_size(value) && count < MOST_END_TOKENS; i++)
        ids[count++] = (int32_t)json_int(json_at(value, i), -1);
    if (!count && usual >= 0) ids[count++] = usual;
    return count;
}

/// One text in the making.
typedef struct {
    const Prompt *prompt;
    Completion *out;
    int64_t number;      ///< of the prompt
    int32_t *ids;        ///< (positions), owned: prompt and completion
    int64_t count, kept; ///< kept: of these in the cache
    Decoding decoding;
    bool done;
} Writing;

typedef struct {
    const Model *model;
    const Tokenizer *tokenizer;
    const GenerateOptions *options;
    int32_t ends[MOST_END_TOKENS];
    int end_count;
    Weight *weights;
    Tape *tape;
    KvCache cache;
    Sampler sampler;
    Writing writings[GROUP];
    int32_t slots[GROUP], cu_seqlens[GROUP + 1], pasts[GROUP], *ids;
    int64_t added, added_ns; ///< tokens after the first of each text, and their time
} Generator;

static bool is_end(const Generator *g, int32_t id)
{
    for (int i = 0; i < g->end_count; i++)
        if (g->ends[i] == id) return true;
    return false;
}

/// Ends the text before the stop, if it holds it.
static void look_for_stop(Writing *w, const char *stop)
{
    char *found = *stop && w->out->text.length_bytes ? strstr(w->out->text.data, stop) : NULL;
    if (!found) return;
    *found = '\0';
    w->out->text.length_bytes = (size_t)(found - w->out->text.data);
    w->out->finish = FINISH_STOP;
    w->done = true;
}

static void take_token(Generator *g, Writing *w, const float *logits)
{
    int64_t said = w->count - w->prompt->count;
    int32_t id = sample_token(&g->sampler, logits, g->model->spec.vocab_size, w->ids, w->count,
                              g->options, w->number, said);
    if (is_end(g, id)) {
        w->out->finish = FINISH_END;
        w->done = true;
    } else {
        w->ids[w->count++] = id;
        w->out->tokens = ++said;
        tokenizer_decode_next(&w->out->text, &w->decoding, g->tokenizer, id, true);
        look_for_stop(w, g->options->stop);
        if (said == g->options->max_tokens || w->count == model_positions(&g->model->spec))
            w->done = true;
    }
    if (w->done && w->out->finish != FINISH_STOP) {
        tokenizer_decode_end(&w->out->text, &w->decoding, g->tokenizer);
        look_for_stop(w, g->options->stop);
    }
}

/// One pass over what is not yet kept of the texts at hand; each gets its next token.
static void advance(Generator *g, Writing *const *writings, int64_t count)
{
    int64_t tokens = 0, longest = 0;
    bool begins = true;
    for (int64_t i = 0; i < count; i++) {
        Writing *w = writings[i];
        int64_t fresh = w->count - w->kept;
        g->slots[i] = (int32_t)(w - g->writings);
        g->pasts[i] = (int32_t)w->kept;
        begins &= w->kept == 0;
        memcpy(g->ids + tokens, w->ids + w->kept, (size_t)fresh * sizeof *g->ids);
        g->cu_seqlens[i] = (int32_t)tokens;
        tokens += fresh;
        longest = fresh > longest ? fresh : longest;
        w->kept = w->count;
    }
    g->cu_seqlens[count] = (int32_t)tokens;
    Packing packing = { .sequences = count,
                        .tokens = tokens,
                        .longest = longest,
                        .cu_seqlens = g->cu_seqlens,
                        .ids = g->ids,
                        .pasts = begins ? NULL : g->pasts };
    g->cache.layer = 0;
    g->cache.slot_of = g->slots;
    tape_start(g->tape, &(Pass){ .cache = &g->cache }, &packing);
    Var *x = last_tokens(g->tape, model_hidden(g->model, g->weights, g->tape));
    Output out = model_head(g->model, g->weights, g->tape, x);
    Var *logits = linear(g->tape, out.x, out.weight, out.bias);
    logits = gather_columns(g->tape, logits, g->model->spec.vocab_size);
    for (int64_t i = 0; i < count; i++)
        take_token(g, writings[i], logits->value + i * logits->cols);
}

static void write_group(Generator *g, const Prompt *prompts, Completion *out, int64_t number,
                        int64_t count)
{
    int64_t positions = model_positions(&g->model->spec);
    Writing *active[GROUP];
    for (int64_t i = 0; i < count; i++) {
        Writing *w = &g->writings[i];
        int32_t *ids = w->ids ? w->ids : MEM_NEW(int32_t, positions);
        *w = (Writing){ .prompt = &prompts[i], .out = &out[i], .number = number + i, .ids = ids };
        memcpy(ids, prompts[i].ids, (size_t)prompts[i].count * sizeof *ids);
        w->count = prompts[i].count;
        advance(g, &w, 1); // prompts one by one: each may be long
    }
    double begin_s = clock_now_s();
    for (;;) {
        int64_t left = 0;
        for (int64_t i = 0; i < count; i++)
            if (!g->writings[i].done) active[left++] = &g->writings[i];
        if (!left) break;
        advance(g, active, left);
        g->added += left;
    }
    g->added_ns += (int64_t)(1e9 * (clock_now_s() - begin_s));
    for (int64_t i = 0; i < count; i++) decoding_release(&g->writings[i].decoding);
}

static Status check_prompts(const Model *model, const Prompt *prompts, int64_t count)
{
    int64_t positions = model_positions(&model->spec);
    for (int64_t i = 0; i < count; i++) {
        if (prompts[i].count == 0)
            return status_fail(
                FAILED, "prompt %" PRId64 " is empty: there is nothing to go on from", i + 1);
        if (prompts[i].count >= positions)
            return status_fail(FAILED,
                               "prompt %" PRId64 " has %" PRId64 " tokens, the model's context of "
                               "%" PRId64 " leaves no room for an answer",
                               i + 1, prompts[i].count, positions);
    }
    return OK;
}

static void generator_init(Generator *g, const Comm *comm, int64_t longest, int64_t slots)
{
    const Model *model = g->model;
    int64_t positions = model_positions(&model->spec), capacity = longest + g->options->max_tokens;
    if (capacity > positions) capacity = positions;
    g->weights = MEM_NEW(Weight, model->param_count);
    model_bind(model, g->weights);
    if (longest < GROUP) longest = GROUP;
    g->tape = tape_new(model_arena_bytes(model, longest, GROUP, positions));
    tape_set_group(g->tape, model->group, model->slices, comm_matrix_grid(comm));
    g->ids = MEM_NEW(int32_t, longest);
    cache_init(&g->cache, model->spec.num_hidden_layers, slots, capacity,
               2 * model_key_columns(model));
}

static void generator_release(Generator *g)
{
    for (int i = 0; i < GROUP; i++) mem_free(g->writings[i].ids);
    sampler_release(&g->sampler);
    cache_release(&g->cache);
    tape_free(g->tape);
    mem_free(g->ids);
    mem_free(g->weights);
}

COLLECTIVE
static void log_rate(const Comm *comm, const Generator *g)
{
    int64_t added = g->added, ns = g->added_ns;
    comm_sum_int64(comm, &added, 1);
    comm_max_int64(comm, &ns, 1);
    if (!added) return;
    double seconds = (double)ns / 1e9;
    log_info("%" PRId64 " tokens in %.3f s after the prompts: %.1f tokens/s", added, seconds,
             (double)added / seconds);
}

Status generate(const Comm *comm, Completion **out, int64_t *first, int64_t *mine,
                const Model *model, const Tokenizer *tokenizer, const Prompt *prompts,
                int64_t count, const GenerateOptions *options)
{
    Status status = OK;
    const Comm *ranks = comm_replicas(comm);
    Generator g = { .model = model, .tokenizer = tokenizer, .options = options };
    int64_t groups = (count + GROUP - 1) / GROUP, longest = 1;
    *out = NULL;
    TRY_ALL(comm, check_prompts(model, prompts, count));
    for (int64_t i = 0; i < count; i++)
        longest = prompts[i].count > longest ? prompts[i].count : longest;
    *first = groups * ranks->rank / ranks->size * GROUP;
    int64_t end = groups * (ranks->rank + 1) / ranks->size * GROUP;
    *mine = (end < count ? end : count) - *first;
    if (*mine < 0) *mine = 0;
    *out = MEM_NEW(Completion, *mine);
    g.end_count = model_end_tokens(g.ends, model, tokenizer);
    if (*mine) generator_init(&g, comm, longest, *mine < GROUP ? *mine : GROUP);
    for (int64_t at = 0; at < *mine; at += GROUP)
        write_group(&g, prompts + *first + at, *out + at, *first + at,
                    *mine - at < GROUP ? *mine - at : GROUP);
    if (*mine) generator_release(&g);
    log_rate(ranks, &g);
done:
    return status;
}
