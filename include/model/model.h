/// A model: its configuration, one table of parameters, and a forward function. The table drives
/// memory, import, reduction, weight decay, checkpoint, export and `inspect`; nobody lists
/// parameters anywhere else.
#pragma once
#include "comm/node.h"
#include "nn/ops.h"
#include "store/json.h"
#include "store/tensors.h"
#include "token/tokenizer.h"

#include <stddef.h>

enum { MOST_ROTARY_PAIRS = 256 };

/// Sizes and switches, from Hugging Face's config.json (its own names where they differ from ours).
typedef struct {
    int64_t hidden_size, num_hidden_layers, intermediate_size;
    int64_t num_attention_heads, num_key_value_heads, head_dim;
    int64_t query_size, key_size, qkv_size; ///< all heads of queries; of keys, and of values; all
    int64_t vocab_size, max_position_embeddings, type_vocab_size;
    int64_t position_offset; ///< row of the position table that a sequence begins with
    int64_t num_labels;
    int64_t qkv_bias, output_bias; ///< 1: the products of attention have biases
    int64_t untied;                ///< 1: the output matrix is not the word embedding
    double norm_eps;
    ActivationKind hidden_act;
    double dropout; ///< of hidden values, attention and classifier: the recipe's when training
    float rotary_frequencies[MOST_ROTARY_PAIRS]; ///< (head_dim / 2)
} ModelSpec;

typedef enum { PARAM_TRAINED, PARAM_FROZEN } ParamKind;

/// How a row of the table differs from a plain parameter.
enum {
    PARAM_TABLE = 1,       ///< lookup table
    PARAM_HEAD = 2,        ///< of the task head
    PARAM_JOINED = 4,      ///< follows the row before it without a gap: one product serves both
    PARAM_LABELS = 8,      ///< with a row (of a vector: an element) for each label
    PARAM_TRANSPOSED = 16, ///< Hugging Face stores (in, out)
    PARAM_GAIN = 32,       ///< starts at 1
    PARAM_RESIDUAL = 64,   ///< a product that is added to what it was made of
    PARAM_OUT = 128,       ///< the ranks of a tensor group have some of its outputs each
    PARAM_IN = 256,        ///< they have some of its inputs each: it makes summands
    PARAM_QKV = 512,       ///< as PARAM_OUT, of queries | keys | values
    PARAM_BODY = 1024      ///< of a layer
};

/// One parameter. `name` is Hugging Face's with the architecture's prefix
/// ("bert.encoder.layer.0.attention.self.query.weight").
typedef struct {
    char name[120];
    int rank;            ///< dimensions in files: 1 or 2
    int64_t rows, cols;  ///< of this rank's part; a vector has rows = 1
    int64_t dims[2];     ///< of the whole in files; a vector's is dims[0]
    TensorLayout layout; ///< this part of the whole
    int sharers;         ///< ranks of a tensor group, side by side, that have this same part
    bool summed;  ///< each of the sharers has a summand of the gradient; else all have the whole
    int sections; ///< matrices of one size one below the other: 1, or 3 of queries | keys | values
    int64_t offset; ///< first element in Model.values: a multiple of 16 unless joined
    ParamKind kind;
    bool table;          ///< lookup table: its gradient is kept as touched rows
    bool decays;         ///< weight decay applies by default (rank >= 2)
    bool head;           ///< of the task head: may be absent in an imported model, then initialised
    bool labels;         ///< has a row, of a vector an element, for each label
    bool transposed;     ///< Hugging Face stores (cols, rows)
    bool gain, residual; ///< how it starts: at 1; smaller, the more layers there are
    bool product;        ///< one of a layer's large matrices, which may be two factors
    bool joined;         ///< lies end to end with the row before it: one product serves both
    int64_t factor_rank; ///< of a factor of a product; 0: it is no factor
    int right; ///< place of the right factor, whose left one this is (of joined ones: all); 0: none
    bool absent;         ///< not in the file that was read: values are 0 until `model_set_labels`
    const float *mapped; ///< its values in the file (`model_open`); NULL: they are in Model.values
} Param;

/// Local. Elements of the whole, whatever part of it this rank has.
static inline int64_t param_elements(const Param *param)
{
    return param->rank == 2 ? param->dims[0] * param->dims[1] : param->dims[0];
}

/// A row of a parameter table in an architecture's file. %s in a name stands for the prefix, %d for
/// the layer. Sizes are places in ModelSpec (`SIZE`), so that one table serves all sizes.
typedef struct {
    const char *name;
    size_t rows, cols; ///< rows = VECTOR makes a vector of `cols`
    unsigned flags;
    size_t when; ///< place of a size that is 0 where the row is absent; 0: always there
} ParamRow;
#define SIZE(member) offsetof(ModelSpec, member)
#define VECTOR       ((size_t)-1)

typedef struct Arch Arch;
typedef struct Head Head;

typedef struct {
    const Arch *arch;
    const Head *head; ///< NULL: the table holds the rows of all heads, to import and to export
    ModelSpec spec;
    Param *params; ///< (param_count), owned; dense parameters first, then tables
    int param_count;
    Param *rights; ///< (right_count): right factors, until they follow the body in the table
    int right_count;
    int head_first, words;  ///< places of the head's first row, and of the word embedding
    const Comm *group;      ///< ranks that have parts of the model, a strict one perhaps alone;
                            ///< NULL: this one has all of it
    int64_t slices;         ///< that products are cut into, for the group (nn/group.h): as many as
                            ///< ranks; in a strict one as many as the most ranks that could be
    int64_t elements;       ///< of all parameters, with gaps between them, which hold 0
    int64_t dense_elements; ///< of those before the first table: values[0, dense_elements)
    float *values;          ///< (elements): the weights, in table order; NULL: not allocated
    Arena memory;           ///< of the values, unless they are shared
    TensorFile *file;       ///< that values are mapped from, owned; NULL: none
    const Node *node;       ///< whose ranks share the values; NULL: they are this rank's own
    Json *config;           ///< the imported config.json, owned
    char *tokenizer_json;   ///< owned
    char *source;           ///< where it was imported from, owned
    char *source_sha256;    ///< "hash  file" lines of the imported files, owned
    uint32_t file_crc;      ///< of all checksums of the file that it was loaded from
    char **label_names;     ///< (spec.num_labels), owned; byte order of the labels; NULL: no head
    char *labels_note;      ///< what of the head starts at random, owned; NULL: nothing to say
} Model;

/// The last product of a model, not yet made: x weight' + bias.
typedef struct {
    Var *x;
    Weight *weight, *bias; ///< bias may be NULL
} Output;

/// What a model is used for: one row of its architecture.
struct Head {
    const char *task;       ///< model.task of the recipe; NULL ends the rows
    const char *class_name; ///< transformers' class for this model and task
    /// Local. The rows of the hidden values that the head reads: one a sequence. NULL: the
    /// objective chooses tokens.
    Var *(*reads)(Tape *tape, Var *hidden);
    const ParamRow *rows;
    int row_count;
    bool vocabulary; ///< its outputs are tokens: the word embedding may be its weight
    /// Local. `weights` are those of the head's rows, `words` is the word embedding.
    Output (*forward)(const Model *model, Weight *weights, Weight *words, Tape *tape, Var *x);
};

/// An architecture: one file under model/ and one row of `archs` (archs.c).
struct Arch {
    const char *model_type;      ///< config.json's "model_type"
    const char *prefix;          ///< of names outside the head; files without a head may lack it
    const char *tokenizer_class; ///< transformers' class
    const char *words;           ///< name of the word embedding
    const Head *heads;
    const struct ConfigSize *sizes; ///< (size_count): what config.json calls the sizes
    int size_count;
    bool causal; ///< a token sees those before it alone
    /// Local. Reads sizes. FAILED with `where` and the key for what is missing or not supported.
    Status (*read_config)(ModelSpec *out, const Json *config, const char *where);
    /// Local. Appends the rows of the body but the word embedding, through `model_add_rows`.
    void (*add_params)(Model *model);
    /// Local. Hidden values (own tokens, hidden_size) of the leaf on the tape; weights[i] belongs
    /// to params[i].
    Var *(*hidden)(const Model *model, Weight *weights, Tape *tape);
    /// Local. The work of training on a sequence, by which sequences are dealt to leaves, in units
    /// of a token's products: at least `tokens`, and a longer sequence costs no less a token.
    double (*sequence_cost)(const ModelSpec *spec, int64_t tokens);
    /// Local. Flops of one pass forward over this many tokens, products of the layers alone, all
    /// whole.
    double (*forward_flops)(const ModelSpec *spec, int64_t tokens);
    /// Local. Floats that a token leaves on the tape in a layer, and those of them that
    /// RECOMPUTE_ATTENTION spares.
    double (*layer_floats)(const ModelSpec *spec);
    double (*attention_floats)(const ModelSpec *spec);
    /// Local. An upper bound of the floats that `hidden` and its way back take from the tape.
    double (*arena_floats)(const ModelSpec *spec, int64_t tokens, int64_t longest);
};
const Arch *arch_find(const char *model_type); ///< NULL if unknown
void arch_names(Text *out);                    ///< "bert, roberta, ...": for messages

/// Local. The architecture's head for a task, NULL if it has none.
const Head *arch_head(const Arch *arch, const char *task);

/// Local, for `add_params`. Appends the rows that these sizes have; returns their number.
int model_add_rows(Model *model, const ParamRow *rows, int count, int64_t layer);
/// Local. How many of the rows these sizes have.
int model_count_rows(const ModelSpec *spec, const ParamRow *rows, int count);

/// Local. A model for this config.json without values: the table is built, every row absent. `task`
/// names its head; NULL: the rows of all heads. `num_labels` 0: as the configuration says. FAILED
/// with `where` for an unknown "model_type" or what `read_config` refuses, USAGE for a task that
/// the architecture has no head for, or a group whose size its heads and widths are no multiples
/// of. `group` (borrowed; NULL: none) has the model between its ranks. The caller owns *out.
Status model_new(Model **out, const Json *config, const char *task, int64_t num_labels,
                 const Comm *group, const char *where);
/// Local. Reserves the values: after the table was compared with a file, so that absurd sizes are
/// refused first.
void model_allocate(Model *model);
/// Collective over node->all. The same, but one copy on every node where its ranks can share
/// memory; where they cannot, says so.
COLLECTIVE
void model_allocate_shared(Model *model, const Node *node);
/// Local. Index of the parameter of that name, -1 if there is none.
int model_find_param(const Model *model, const char *name);

/// Collective. From a model file or a checkpoint (any HDF5 file with /model and a configuration):
/// read once a job and broadcast. `task` as for `model_new`; "" stands for the one that the file
/// names. FAILED where a node has not the memory. The caller owns *out (`model_free`).
COLLECTIVE
Status model_load(const Comm *comm, Model **out, const char *path, const char *task);
/// Collective. As `model_load`, but of a model that starts anew: no values are reserved
/// (`model_allocate_shared`) nor read, and sizes that are not 0 replace those of the configuration:
/// hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, intermediate_size.
/// USAGE for a size that the architecture does not have.
COLLECTIVE
Status model_load_untrained(const Comm *comm, Model **out, const char *path, const char *task,
                            const ModelSpec *sizes);
/// Collective. The same with weights that stay in the file, verified: pages that come when they are
/// read and go when memory is short. For models that outgrow it, to read each weight a time or two.
/// Without a group; each rank verifies a part.
COLLECTIVE
Status model_open(const Comm *comm, Model **out, const char *path, const char *task);
void model_free(Model *model); ///< NULL-safe

/// Collective over those that share the values. Starts the parameters that the file did not have:
/// N(0, 0.02) of (seed, element), zero biases, gains of one. Says which.
COLLECTIVE
void model_init_absent(Model *model, uint64_t seed);
/// Collective over those that share the values. Gives the model these labels. Each takes its row
/// of the head that was read over by name; names LABEL_n stand for any, in order. The rows of
/// others, and a head that was not imported, are initialised: N(0, 0.02) of (seed, element), zero
/// biases; model->labels_note says what.
COLLECTIVE
void model_set_labels(Model *model, char *const *names, int64_t count, uint64_t seed);

/// Local. The values of a parameter, wherever they are.
static inline const float *model_values_of(const Model *model, const Param *param)
{
    return param->mapped ? param->mapped : model->values + param->offset;
}

/// Local. The rate of dropout in this pass: 0 outside of training.
double model_dropout(const ModelSpec *spec, const Tape *tape);
/// Groupwise. The model's hidden values (T, hidden_size) of all tokens.
Var *model_hidden(const Model *model, Weight *weights, Tape *tape);
/// Local. True for the one of the ranks with this same part that speaks for it.
static inline bool param_leads(const Model *model, const Param *param)
{
    return !model->group || model->group->rank % param->sharers == 0;
}
/// Groupwise (nn/group.h). In the backward pass, when the gradient of a parameter is complete here:
/// adds the summands of the other ranks that have this same part.
void model_sum_gradient(const Model *model, const Weight *weights, Tape *tape, int param);
/// Local. USAGE where a group of so many ranks cannot have such a model between them, with those
/// that can. `strict`: with the bits of any other group.
Status model_check_group(const ModelSpec *spec, int ranks, bool strict, const char *where);
/// Local. Elements of the whole model, whatever part of it this rank has.
int64_t model_parameters(const Model *model);
/// Local. Flops of one pass forward over this many tokens, products of the layers alone.
double model_forward_flops(const Model *model, int64_t tokens);
/// Local. Columns of the keys of a token here.
int64_t model_key_columns(const Model *model);
/// Local. Hidden values, and the head's output for the rows that it reads.
Output model_output(const Model *model, Weight *weights, Tape *tape);
/// Local. The head's output for rows of the hidden values.
Output model_head(const Model *model, Weight *weights, Tape *tape, Var *x);
/// Local. Longest sequence that the model's positions hold.
int64_t model_positions(const ModelSpec *spec);

/// Local. FAILED if parameters are absent: the file has no such head. `where` names it.
Status model_check_whole(const Model *model, const char *where);
/// Local. FAILED for values that are no numbers: a model with such answers with such.
Status model_check_values(const Model *model, const char *where);
Status param_check_values(const Model *model, const Param *param, const char *where);
/// Local. FAILED where a head reads the first token and the tokenizer (`where` names it) puts none
/// there that stands for the text.
Status model_check_tokenizer(const Arch *arch, const Tokenizer *tokenizer, const char *where);

/// Local. weights[param_count] over Model.values without gradients.
void model_bind(const Model *model, Weight *weights);
/// Local. An upper bound of the tape's arena for leaves of this many tokens and sequences, with the
/// threads of now: address space, not memory.
size_t model_arena_bytes(const Model *model, int64_t tokens, int64_t sequences, int64_t longest);

/// Local. The named values of a model file; borrowed from the model and from `storage`, which the
/// caller releases after use. Returns their number (at most MODEL_VALUES).
enum { MODEL_VALUES = 8 };
int model_values(Value values[MODEL_VALUES], Text *storage, const Model *model);

/// Local. Writes a model file: the values above and every parameter that is not absent.
Status model_save(const Model *model, const char *path);
/// Local. Elements of a parameter that this rank writes.
typedef TensorRange (*ModelRange)(const void *context, int param);
/// Collective. The same by all ranks, whatever values the model has: each writes what `range` says.
COLLECTIVE
Status model_write(const Comm *comm, const Model *model, const char *path, ModelRange range,
                   const void *context);

/// Local. Hugging Face folder or GGUF file (model/origin.h) -> model file (the command `import`).
Status model_import(const char *model_path, const char *source_path);
/// Local. The same without weights: configuration and tokenizer of a model that starts anew.
Status model_import_config(const char *model_path, const char *source_path);
/// Local. Hugging Face folder that transformers loads unchanged (the command `export`): config.json
/// with id2label, model.safetensors, tokenizer.json, tokenizer_config.json.
Status model_export(const Model *model, const char *folder);
extern const char *const model_export_files[]; ///< what it writes, ended by NULL
/// Local. A GGUF file of a decoder with its language model's head; `type` F32, F16 or Q8_0 of the
/// matrices. FAILED for what GGUF has no words for.
Status model_export_gguf(const Model *model, const char *path, const char *type);
