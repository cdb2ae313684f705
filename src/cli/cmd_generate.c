#include "base/mem.h"
#include "cli/arguments.h"
#include "cli/trained.h"
#include "comm/agree.h"
#include "data/chat.h"
#include "infer/generate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char prompt[65536], input[4096], stop[1024], chat_template[32];
    int64_t max_tokens, top_k, seed;
    double temperature, top_p, repetition_penalty;
    bool chat;
} GenerateFlags;

static const char *const templates[] = { "auto", "chatml", "smollm2", "llama3", NULL };

static const Option flags[] = {
    { FIELD(GenerateFlags, prompt), .def = "", .help = "one prompt" },
    { FIELD(GenerateFlags, input), .def = "",
      .help = "a file of prompts, one a line, or - for standard input" },
    { FIELD(GenerateFlags, max_tokens), .def = "64", .min = 1, .max = 1e6, .unit = "tokens",
      .help = "longest completion" },
    { FIELD(GenerateFlags, temperature), .def = "0", .min = 0, .max = 100,
      .help = "0: always the likeliest token" },
    { FIELD(GenerateFlags, top_k), .def = "0", .min = 0, .max = 1e9,
      .help = "draw from so many likeliest tokens; 0: from all" },
    { FIELD(GenerateFlags, top_p), .def = "1", .min = 1e-9, .max = 1,
      .help = "draw from the fewest tokens that have this probability together" },
    { FIELD(GenerateFlags, repetition_penalty), .def = "1", .min = 0.01, .max = 100,
      .help = "above 1: tokens that are in the text already get less likely" },
    { FIELD(GenerateFlags, stop), .def = "", .help = "a text that ends the completion" },
    { FIELD(GenerateFlags, seed), .def = "0", .min = 0, .max = 9e15, .help = "of the draws" },
    { FIELD(GenerateFlags, chat), .def = "false",
      .help = "write each prompt as a user's message in the model's chat template" },
    { FIELD(GenerateFlags, chat_template), .def = "auto", .choices = templates,
      .help = "of --chat; auto: the run's, or by the model's tokens" },
    { 0 }
};

/// Local (rank 0). All prompts as one text, a line each.
static Status read_prompts(char **out, const Invocation *invocation)
{
    Status status = OK;
    const GenerateFlags *given = invocation->flags;
    Text text = { 0 };
    bool standard = !strcmp(given->input, "-");
    size_t bytes;
    if (arguments_has(invocation, "prompt") == arguments_has(invocation, "input"))
        FAIL(USAGE, "generate needs one of --prompt and --input");
    text_append(&text, given->prompt);
    if (*given->input) TRY(text_read_file(out, &bytes, standard ? "/dev/stdin" : given->input));
    if (*out && strlen(*out) < bytes) FAIL(FAILED, "%s holds a NUL byte", given->input);
done:
    if (status == OK && !*out) {
        *out = text.data;
        text = (Text){ 0 };
    }
    text_release(&text);
    return status;
}

static const char *choose_template(const GenerateFlags *given, const Trained *trained)
{
    const char *of_run = trained->recipe ? trained->recipe->data.chat_template : "none";
    if (!given->chat) return "none";
    if (strcmp(given->chat_template, "auto")) return given->chat_template;
    if (*of_run && strcmp(of_run, "none")) return of_run;
    return tokenizer_id(trained->tokenizer, "<|start_header_id|>") >= 0 ? "llama3" : "chatml";
}

/// prompts[count] of the lines; the caller owns them and their ids.
static Prompt *encode_prompts(int64_t *count, const char *lines, bool is_file,
                              const Trained *trained, const char *template_name)
{
    Prompt *prompts = NULL;
    Encoding encoding = { 0 };
    Rendered rendered = { 0 };
    const char *system = trained->recipe ? trained->recipe->data.system : "";
    *count = 0;
    for (const char *at = lines; *at || !*count;) {
        size_t bytes = is_file ? strcspn(at, "\n") : strlen(at);
        const char *text = at;
        size_t length = bytes && is_file && at[bytes - 1] == '\r' ? bytes - 1 : bytes;
        if (strcmp(template_name, "none")) {
            chat_render_pair(&rendered, template_name, system, at, length, NULL, 0);
            text = rendered.text.data;
            length = rendered.text.length_bytes;
        }
        tokenizer_encode(trained->tokenizer, &encoding, text, length, NULL, 0, 0);
        prompts = mem_resize(prompts, (size_t)*count + 1, sizeof *prompts);
        size_t id_bytes = (size_t)encoding.count * sizeof *encoding.ids;
        prompts[(*count)++] = (Prompt){ mem_copy(encoding.ids, id_bytes), encoding.count };
        at += bytes + (at[bytes] == '\n');
    }
    rendered_release(&rendered);
    encoding_release(&encoding);
    return prompts;
}

/// Collective. A run with its recipe, or a model file as it is.
COLLECTIVE
static Status load_model(Trained *trained, const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    char *path = NULL;
    int64_t is_model = 0;
    TRY_ROOT(world, trained_path(&path, &is_model, invocation->arguments[0]));
    comm_broadcast_text(world, &path, 0);
    comm_broadcast(world, &is_model, sizeof is_model, 0);
    if (is_model)
        TRY(trained_load_model(trained, world, path, "causal_lm", &invocation->overrides));
    else
        TRY(trained_load(trained, world, path, "", &invocation->overrides));
    if (!trained->model->arch->causal || !trained->model->head->vocabulary) // agreed: one model
        TRY_ALL(world, status_fail(USAGE, "%s: a %s model for %s does not write texts",
                                   invocation->arguments[0], trained->model->arch->model_type,
                                   trained->model->head->task));
done:
    mem_free(path);
    return status;
}

/// Collective. All lines on rank 0, in the order of the prompts.
COLLECTIVE
static void print_completions(const Comm *world, const Completion *completions, int64_t count)
{
    Text lines = { 0 };
    char *all;
    size_t bytes;
    for (int64_t i = 0; i < count; i++) {
        const Completion *c = &completions[i];
        text_append(&lines, "{\"text\": ");
        json_quote(&lines, text_chars(&c->text), c->text.length_bytes);
        text_printf(&lines, ", \"tokens\": %" PRId64 ", \"finish\": \"%s\"}\n", c->tokens,
                    finish_names[c->finish]);
    }
    comm_gather_root(comm_replicas(world), &all, &bytes, text_chars(&lines), lines.length_bytes);
    if (world->rank == 0) fwrite(all, 1, bytes, stdout);
    mem_free(all);
    text_release(&lines);
}

COLLECTIVE
static Status generate_run(const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    const GenerateFlags *given = invocation->flags;
    Trained trained = { 0 };
    char *lines = NULL;
    Prompt *prompts = NULL;
    Completion *completions = NULL;
    int64_t count = 0, first = 0, mine = 0;
    GenerateOptions options = { .max_tokens = given->max_tokens,
                                .temperature = given->temperature,
                                .top_k = given->top_k,
                                .top_p = given->top_p,
                                .repetition_penalty = given->repetition_penalty,
                                .seed = (uint64_t)given->seed,
                                .stop = given->stop };
    TRY_ROOT(world, read_prompts(&lines, invocation));
    comm_broadcast_text(world, &lines, 0);
    TRY(load_model(&trained, invocation));
    prompts =
        encode_prompts(&count, lines, *given->input, &trained, choose_template(given, &trained));
    TRY(generate(&trained.comm, &completions, &first, &mine, trained.model, trained.tokenizer,
                 prompts, count, &options));
    print_completions(&trained.comm, completions, mine);
done:
    completions_free(completions, mine);
    for (int64_t i = 0; i < count; i++) mem_free(prompts[i].ids);
    mem_free(prompts);
    mem_free(lines);
    trained_release(&trained);
    return status;
}

const Command command_generate = {
    .name = "generate",
    .run = generate_run,
    .needs_mpi = true,
    .arguments = { "RUN" },
    .flags = flags,
    .flags_bytes = sizeof(GenerateFlags),
    .keys = recipe_options,
    .key_sections = { "grid." },
    .summary = "goes on with texts, one JSON line a prompt",
    .description =
        "RUN is the run folder of a causal language model, a checkpoint, or a model file. A line "
        "holds\ntext (the completion alone), tokens, and finish: end, stop or length. Lines come "
        "in the order of\nthe prompts, which are spread over all ranks; the same seed gives the "
        "same texts on any number\nof them.",
    .example =
        "temper generate models/smollm2-135m.h5 --chat --prompt \"What is a supercomputer?\"\n"
        "mpirun -n 2 temper generate runs/smollm2-chat --input prompts.txt --max-tokens 8",
};
