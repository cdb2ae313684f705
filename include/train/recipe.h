/// The recipe: everything that a run is, as one plain struct filled from one option table.
#pragma once
#include "base/options.h"
#include "comm/grid.h"
#include "data/dataset.h"
#include "nn/tape.h"
#include "store/json.h"

typedef struct {
    char path[1024];
    char task[64];
    char init[16]; ///< "pretrained", or "random" with the sizes below, 0: as the file has them
    int64_t hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads;
    int64_t intermediate_size;
} ModelOptions;

typedef struct {
    double epochs;                    ///< passes over the training split; 0: absent
    int64_t max_steps;                ///< 0: no limit
    int64_t batch_size, batch_tokens; ///< of the whole job; batch_tokens 0: count sequences
    double learning_rate;
    char lr_scheduler_type[32];
    double warmup_ratio;
    int64_t warmup_steps;
    double weight_decay, adam_beta1, adam_beta2, adam_epsilon, max_grad_norm;
    double dropout, label_smoothing_factor;
    double mlm_probability;
    bool whole_word_mask;
    char class_weights[1024]; ///< "", "balanced" or "[w0, w1, ...]" in label-id order
    int64_t seed;
    bool shuffle;
    int64_t leaves;             ///< 0: chosen
    char method[16], probe[16]; ///< "full" or "linear_probe", solved as "ridge" or "logistic"
    double regularization;      ///< of the probe; 0: chosen
    char leave_one_out[12];     ///< of it: "auto", "exact" or "one_step"
    char resume[1024];
    double max_seconds;  ///< 0: no limit
    double hang_seconds; ///< 0: no watchdog
    int64_t eval_steps;  ///< 0: after every epoch
    char metric_for_best_model[32];
    int64_t early_stopping_patience; ///< evaluations; 0: off
    char recompute[12];              ///< "none", "attention" or "layer"
    bool profile;
} TrainOptions;

typedef struct {
    int64_t data, rows, cols; ///< data 0: as many as there are ranks for; cols 0: to be chosen
    char backend[12];         ///< "auto", "native" or "scalapack"
    char shared_weights[8];   ///< "auto" or "never"
    char reproducible[8];     ///< "data": bits do not depend on data; "strict": on none of them
    int64_t nodes_per_island; ///< 0: as Slurm says
} GridOptions;

typedef struct {
    char folder[1024];
    int64_t save_steps; ///< 0: only at the end
    int64_t save_total_limit;
    char checkpoint_async[8]; ///< "auto", "true" or "false"
    int64_t logging_steps;
} OutputOptions;

typedef struct {
    int64_t nodes, ranks_per_node; ///< ranks_per_node 0: one a core
    char time[32], partition[64], account[64];
    int64_t signal_seconds; ///< before the end; 0: no signal
    char array[64];         ///< "": none
    char extra[1024];       ///< lines for sbatch
} SlurmOptions;

typedef struct {
    ModelOptions model;
    DataOptions data;
    TrainOptions train;
    GridOptions grid;
    OutputOptions output;
    SlurmOptions slurm;
} Recipe;

extern const Option recipe_options[]; ///< ended by a row without key

/// Collective. Reads the recipe file on rank 0 and `overrides` over it, checks every key and range,
/// broadcasts the result. USAGE with every error at once; *out then holds the defaults and what
/// could be read, or only zeros where the file is no map of keys.
COLLECTIVE
Status recipe_read(const Comm *comm, Recipe *out, const char *path, const Settings *overrides);
/// Local. Appends "key: value" lines in table order, as YAML: the canonical text of a recipe, in
/// recipe.yaml and in checkpoints.
void recipe_print(Text *out, const Recipe *recipe);
/// Local. Every value as text by its key; the caller owns it.
Json *recipe_json(const Recipe *recipe);
Recompute recipe_recompute(const TrainOptions *train); ///< Local
/// Collective. *out is `comm` with the options' grid, which it borrows; the caller owns the grid
/// (`recipe_grid_stop`), and it must not move. USAGE if the grid has not as many ranks.
COLLECTIVE
Status recipe_grid(Comm *out, Grid *grid, const Comm *comm, const GridOptions *options);
COLLECTIVE
void recipe_grid_stop(Grid *grid); ///< of one that was not started too
/// Local.
bool recipe_strict(const GridOptions *options);
/// Local. Leaves of a step on a grid of so many rows, which has `leaves` with one: each is dealt to
/// the rows, unless that would change bits.
int64_t recipe_leaves(const GridOptions *options, int64_t leaves, int64_t rows);
/// Local. From the text that `recipe_print` made.
Status recipe_parse(Recipe *out, const char *text, const char *where);
