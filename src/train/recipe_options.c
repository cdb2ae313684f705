#include "train/recipe.h"
#include "data/chat.h"
#include "nn/group.h"
#include "train/evaluate.h"
#include "train/method.h"

#include <string.h>

/// In the order of Recompute.
static const char *const recomputes[] = { "none", "attention", "layer", NULL };
static const char *const sharings[] = { "auto", "never", NULL };
static const char *const reproducibles[] = { "data", "strict", NULL };
static const char *const backends[] = { "auto", "native", "scalapack", NULL };
static const char *const inits[] = { "pretrained", "random", NULL };
#define SIZE_HELP "with init random; 0: as the model file has it"
static const char *const switches[] = { "auto", "true", "false", NULL };
static const char *const separators[] = { "auto", "end", "newline", "none", NULL };
static const char *const schedules[] = { "linear", "cosine", "constant", NULL };

const Option recipe_options[] = {
    { FIELD(Recipe, model.path), .required = true, .help = "model file (temper import makes it)" },
    { FIELD(Recipe, model.task), .def = "text_classification", .choices = objective_tasks,
      .help = "what is learnt" },
    { FIELD(Recipe, model.init), .def = "pretrained", .choices = inits,
      .help = "random: the weights start anew, and the sizes below may be chosen" },
    { FIELD(Recipe, model.hidden_size), .def = "0", .min = 0, .max = 1 << 20, .help = SIZE_HELP },
    { FIELD(Recipe, model.num_hidden_layers), .def = "0", .min = 0, .max = 4096,
      .help = SIZE_HELP },
    { FIELD(Recipe, model.num_attention_heads), .def = "0", .min = 0, .max = 65536,
      .help = SIZE_HELP },
    { FIELD(Recipe, model.num_key_value_heads), .def = "0", .min = 0, .max = 65536,
      .help = SIZE_HELP },
    { FIELD(Recipe, model.intermediate_size), .def = "0", .min = 0, .max = 1 << 24,
      .help = SIZE_HELP },

    { FIELD(Recipe, data.path), .required = true,
      .help = "CSV, TSV or JSONL file, or a folder of them" },
    { FIELD(Recipe, data.text), .def = "text",
      .help = "column of the text: name, or number from 1" },
    { FIELD(Recipe, data.text_pair), .def = "", .help = "column of a second text" },
    { FIELD(Recipe, data.label), .def = "label", .help = "column of the label" },
    { FIELD(Recipe, data.prompt), .def = "prompt",
      .help = "language models: column of the prompt" },
    { FIELD(Recipe, data.completion), .def = "",
      .help = "language models: column of what follows the prompt; it alone is learnt" },
    { FIELD(Recipe, data.messages), .def = "",
      .help = "language models: member of a JSONL object with a list of messages (role, content); "
              "what the assistant says is learnt" },
    { FIELD(Recipe, data.chat_template), .def = "none", .choices = chat_template_names,
      .help = "how prompts and messages are written" },
    { FIELD(Recipe, data.system), .def = "",
      .help = "what the system says before a prompt; empty: what the template has" },
    { FIELD(Recipe, data.join), .def = "auto", .choices = switches,
      .help = "texts laid end to end and cut into rows of max_length; false: each has rows of its "
              "own; auto: true for causal_lm" },
    { FIELD(Recipe, data.separator), .def = "auto", .choices = separators,
      .help = "between joined texts; auto: newline in plain text files, else the end token" },
    { FIELD(Recipe, data.end_token), .def = "",
      .help = "what ends a text; empty: the tokenizer's" },
    { FIELD(Recipe, data.max_length), .def = "128", .min = 3, .max = 1e6, .unit = "tokens",
      .help = "longer sequences are truncated, longest first" },
    { FIELD(Recipe, data.split.validation), .def = "",
      .help = "fraction of the rows (stratified by label), or a file" },
    { FIELD(Recipe, data.split.test), .def = "", .help = "fraction of the rows, or a file" },
    { FIELD(Recipe, data.split.seed), .def = "0", .min = 0, .max = 9e15,
      .help = "seed of the split" },
    { FIELD(Recipe, data.delimiter), .def = "auto",
      .help = "between fields: a character, \\t, or auto by the file's extension" },
    { FIELD(Recipe, data.quote), .def = "auto",
      .help = "quote character, none, or auto: \" in CSV, none in TSV" },
    { FIELD(Recipe, data.header), .def = "auto",
      .help = "true, false, or auto: columns given by number mean no header" },

    { FIELD(Recipe, train.epochs), .def = "0", .min = 0, .max = 1e6,
      .help = "passes over the training rows; the horizon of the schedule" },
    { FIELD(Recipe, train.max_steps), .def = "0", .min = 0, .max = 4e9, .unit = "steps",
      .may_differ_on_resume = true,
      .help = "stop after so many steps; the horizon only where epochs is absent" },
    { FIELD(Recipe, train.batch_size), .def = "32", .min = 1, .max = 1e7, .unit = "sequences",
      .help = "sequences of a step over the whole job" },
    { FIELD(Recipe, train.batch_tokens), .def = "0", .min = 0, .max = 1e9, .unit = "tokens",
      .help = "instead of batch_size: tokens of a step at most" },
    { FIELD(Recipe, train.learning_rate), .def = "5e-5", .min = 0, .max = 10,
      .help = "peak learning rate" },
    { FIELD(Recipe, train.lr_scheduler_type), .def = "linear", .choices = schedules,
      .help = "learning rate after warm-up" },
    { FIELD(Recipe, train.warmup_ratio), .def = "0", .min = 0, .max = 1,
      .help = "share of the horizon with a rising learning rate" },
    { FIELD(Recipe, train.warmup_steps), .def = "0", .min = 0, .max = 4e9, .unit = "steps",
      .help = "instead of warmup_ratio" },
    { FIELD(Recipe, train.weight_decay), .def = "0", .min = 0, .max = 10,
      .help = "decoupled; on weights of two dimensions" },
    { FIELD(Recipe, train.adam_beta1), .def = "0.9", .min = 0, .max = 0.99999, .help = "AdamW" },
    { FIELD(Recipe, train.adam_beta2), .def = "0.999", .min = 0, .max = 0.9999999,
      .help = "AdamW" },
    { FIELD(Recipe, train.adam_epsilon), .def = "1e-8", .min = 1e-30, .max = 1, .help = "AdamW" },
    { FIELD(Recipe, train.max_grad_norm), .def = "1", .min = 0, .max = 1e30,
      .help = "clip the gradient to this global norm; 0: off" },
    { FIELD(Recipe, train.dropout), .def = "0.1", .min = 0, .max = 0.9,
      .help = "of hidden values, attention and classifier" },
    { FIELD(Recipe, train.label_smoothing_factor), .def = "0", .min = 0, .max = 0.999,
      .help = "share of the target spread over all labels" },
    { FIELD(Recipe, train.mlm_probability), .def = "0.15", .min = 0.001, .max = 1,
      .help = "share of the tokens that masked_lm has to predict" },
    { FIELD(Recipe, train.whole_word_mask), .def = "false",
      .help = "masked_lm: a word is masked with all its pieces, or not" },
    { FIELD(Recipe, train.class_weights), .def = "",
      .help = "weights of the classes in the loss: balanced, or a list by label id" },
    { FIELD(Recipe, train.seed), .def = "0", .min = 0, .max = 9e15,
      .help = "of order, dropout and new weights" },
    { FIELD(Recipe, train.shuffle), .def = "true", .help = "a new order every epoch" },
    { FIELD(Recipe, train.leaves), .def = "0", .min = 0, .max = 65536,
      .help = "pieces a step is cut into, the most ranks it can use; 0: by batch and tokens" },
    { FIELD(Recipe, train.method), .def = "full", .choices = method_names,
      .help = "full: all weights by gradients; linear_probe: the last product of a classifier "
              "alone, solved exactly in one step, all else frozen" },
    { FIELD(Recipe, train.probe), .def = "ridge", .choices = probe_names,
      .help = "linear_probe: ridge or multinomial logistic regression" },
    { FIELD(Recipe, train.regularization), .def = "0", .min = 0, .max = 1e30,
      .help = "linear_probe: penalty of the squared weights; 0: the one with the least error of "
              "rows left out one at a time" },
    { FIELD(Recipe, train.leave_one_out), .def = "auto", .choices = leave_one_out_names,
      .help = "linear_probe, logistic: rows are left out by solving without each (exact), by one "
              "step of Newton's from the solution with it (one_step), or exactly as far as that "
              "takes 1e13 floating-point operations at most: 24 n^2 p + 14 n p^2 a penalty, of n "
              "rows and p weights (auto); ridge is always exact" },
    { FIELD(Recipe, train.resume), .def = "auto", .may_differ_on_resume = true,
      .help = "auto: from the newest checkpoint of the run folder; never; or a checkpoint file" },
    { FIELD(Recipe, train.max_seconds), .def = "0", .min = 0, .max = 1e9, .unit = "s",
      .may_differ_on_resume = true,
      .help = "stop, with a checkpoint and exit code 85, before the program has run so long; 0: "
              "only the end of the job counts" },
    { FIELD(Recipe, train.hang_seconds), .def = "1800", .min = 0, .max = 1e9, .unit = "s",
      .may_differ_on_resume = true,
      .help = "end the job, and name the rank that is the cause, when no rank has made progress "
              "for so long, or eight times as long inside ScaLAPACK; 0: wait for ever" },
    { FIELD(Recipe, train.eval_steps), .def = "0", .min = 0, .max = 4e9, .unit = "steps",
      .help = "between evaluations on the validation rows; 0: after every epoch" },
    { FIELD(Recipe, train.metric_for_best_model), .def = "loss", .choices = evaluation_names,
      .help = "decides the best checkpoint and early stopping" },
    { FIELD(Recipe, train.early_stopping_patience), .def = "0", .min = 0, .max = 1e9,
      .unit = "evaluations", .help = "stop after so many without a better metric; 0: off" },
    { FIELD(Recipe, train.recompute), .def = "none", .choices = recomputes,
      .may_differ_on_resume = true,
      .help =
          "layer: keep what comes out of each layer alone and run it once more on the way back: "
          "a third more work, a fraction of the memory of activations, the same bits; attention: "
          "the same of the half of a layer that holds attention, about a ninth more work" },
    { FIELD(Recipe, train.profile), .def = "false", .may_differ_on_resume = true,
      .help = "time every operator and print a table at the end" },

    { FIELD(Recipe, grid.data), .def = "0", .min = 0, .max = 1e6, .may_differ_on_resume = true,
      .help =
          "copies of the model at work on different leaves; 0: as many as there are ranks for" },
    { FIELD(Recipe, grid.rows), .def = "1", .min = 1, .max = 4096, .may_differ_on_resume = true,
      .help = "copies that the tokens of a leaf are dealt to" },
    { FIELD(Recipe, grid.cols), .def = "1", .min = 0, .max = GROUP_MOST_RANKS,
      .may_differ_on_resume = true,
      .help = "ranks that have a copy between them, each a part of every large weight: for models "
              "that outgrow a rank. data x rows x cols are the ranks. 0, or `grid: auto`: train "
              "chooses all three, as temper plan does" },
    { FIELD(Recipe, grid.backend), .def = "auto", .choices = backends, .may_differ_on_resume = true,
      .help =
          "products of layers whose weights several ranks have (grid.cols above 1): native, by "
          "messages of our own; scalapack, by psgemm on one thread a rank, to compare with; auto: "
          "native" },
    { FIELD(Recipe, grid.shared_weights), .def = "auto", .choices = sharings,
      .may_differ_on_resume = true,
      .help = "auto: the ranks of a node keep one copy of the weights where they can" },
    { FIELD(Recipe, grid.reproducible), .def = "data", .choices = reproducibles,
      .may_differ_on_resume = true,
      .help = "data: the same bits for every number of data at the same rows and cols; strict: on "
              "every grid, in more and smaller products" },
    { FIELD(Recipe, grid.nodes_per_island), .def = "0", .min = 0, .max = 1e6, .unit = "nodes",
      .may_differ_on_resume = true,
      .help =
          "nodes that reach each other faster than they reach others, as those at one switch or "
          "in one group of a dragonfly: gradients are summed among them, and weights brought "
          "to them, before the rest; 0: nodes of several ranks each by itself, nodes of one as "
          "Slurm's topology says, else all" },

    { FIELD(Recipe, output.folder), .required = true, .may_differ_on_resume = true,
      .help = "the run folder" },
    { FIELD(Recipe, output.save_steps), .def = "0", .min = 0, .max = 4e9, .unit = "steps",
      .may_differ_on_resume = true, .help = "between checkpoints; 0: only at the end" },
    { FIELD(Recipe, output.save_total_limit), .def = "2", .min = 1, .max = 1e6,
      .may_differ_on_resume = true, .help = "newest checkpoints kept, the best one besides" },
    { FIELD(Recipe, output.checkpoint_async), .def = "auto", .choices = switches,
      .may_differ_on_resume = true,
      .help = "true: checkpoints are written while training goes on, from a copy of weights and "
              "moments; auto: where a node has a core and the memory to spare" },
    { FIELD(Recipe, output.logging_steps), .def = "1", .min = 1, .max = 1e9, .unit = "steps",
      .may_differ_on_resume = true, .help = "between lines of progress" },

    { FIELD(Recipe, slurm.nodes), .def = "1", .min = 1, .max = 1e5, .may_differ_on_resume = true,
      .help = "temper submit: nodes of the job, whole ones" },
    { FIELD(Recipe, slurm.ranks_per_node), .def = "0", .min = 0, .max = 4096,
      .may_differ_on_resume = true,
      .help = "temper submit: ranks on a node, at most; 0: as many as it has cores" },
    { FIELD(Recipe, slurm.time), .def = "240", .may_differ_on_resume = true,
      .help = "temper submit: time limit: minutes, H:MM:SS or D-HH; empty: the partition's" },
    { FIELD(Recipe, slurm.partition), .def = "", .may_differ_on_resume = true,
      .help = "temper submit: partition; empty: the cluster's default" },
    { FIELD(Recipe, slurm.account), .def = "", .may_differ_on_resume = true,
      .help = "temper submit: account; empty: yours" },
    { FIELD(Recipe, slurm.signal_seconds), .def = "300", .min = 0, .max = 65535, .unit = "s",
      .may_differ_on_resume = true,
      .help =
          "temper submit: Slurm asks the job to stop so long before its time limit; train stops "
          "by itself where it needs longer; 0: by itself alone" },
    { FIELD(Recipe, slurm.array), .def = "", .may_differ_on_resume = true,
      .help = "temper submit: tasks of an array, as 0-3%2; each is a run of its own, whose seed is "
              "its number" },
    { FIELD(Recipe, slurm.extra), .def = "", .may_differ_on_resume = true,
      .help = "temper submit: more options of sbatch, one a line, as they are; not of the job's "
              "environment, folder or log" },
    { 0 }
};

Recompute recipe_recompute(const TrainOptions *train)
{
    Recompute what = RECOMPUTE_NONE;
    while (strcmp(train->recompute, recomputes[what])) what++;
    return what;
}
