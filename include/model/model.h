/// A model: its configuration, one table of parameters, and a forward function. The table drives
/// memory, import, reduction, weight decay, checkpoint, export and `inspect`; nobody lists
/// parameters anywhere else.
#pragma once
#include "comm/comm.h"
#include "nn/ops.h"
#include "store/json.h"
#include "store/tensors.h"
#include "token/tokenizer.h"

/// Sizes and switches, from Hugging Face's config.json (its own names where they differ from ours).
typedef struct {
    int64_t hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int64_t vocab_size, max_position_embeddings, type_vocab_size;
    int64_t num_labels;
    double layer_norm_eps;
    ActivationKind hidden_act;
    double dropout; ///< of hidden values, attention and classifier: the recipe's when training
} ModelSpec;

typedef enum { PARAM_TRAINED, PARAM_FROZEN } ParamKind;

/// How a row of the table differs from a plain parameter.
enum {
    PARAM_TABLE = 1,  ///< lookup table
    PARAM_HEAD = 2,   ///< of the task head
    PARAM_JOINED = 4, ///< follows the row before it without a gap: one product serves both
    PARAM_LABELS = 8, ///< of the task head, with a row (of a vector: an element) for each label
};

/// One parameter. `name` is Hugging Face's with the architecture's prefix
/// ("bert.encoder.layer.0.attention.self.query.weight").
typedef struct {
    char name[120];
    int rank;           ///< dimensions in files: 1 or 2
    int64_t rows, cols; ///< a vector has rows = 1
    int64_t offset;     ///< first element in Model.values: a multiple of 16 unless joined
    ParamKind kind;
    bool table;  ///< lookup table: its gradient is kept as touched rows
    bool decays; ///< weight decay applies by default (rank >= 2)
    bool head;   ///< of the task head: may be absent in an imported model, then initialised
    bool labels; ///< has a row, of a vector an element, for each label
    bool absent; ///< not in the file that was read: values are 0 until `model_set_labels`
} Param;

typedef struct Arch Arch;

typedef struct {
    const Arch *arch;
    ModelSpec spec;
    Param *params; ///< (param_count), owned; dense parameters first, then tables
    int param_count;
    int64_t elements;       ///< of all parameters, with gaps between them, which hold 0
    int64_t dense_elements; ///< of those before the first table: values[0, dense_elements)
    float *values;          ///< (elements): the weights, in table order; NULL: not allocated
    Arena memory;           ///< of the values
    Json *config;           ///< the imported config.json, owned
    char *tokenizer_json;   ///< owned
    char *source;           ///< where it was imported from, owned
    char *source_sha256;    ///< "hash  file" lines of the imported files, owned
    char **label_names;     ///< (spec.num_labels), owned; byte order of the labels; NULL: no head
    char *labels_note;      ///< what of the head starts at random, owned; NULL: nothing to say
} Model;

/// An architecture: one file under model/ and one row of `archs` (archs.c).
struct Arch {
    const char *model_type;      ///< config.json's "model_type"
    const char *prefix;          ///< of names outside the head; files without a head may lack it
    const char *class_name;      ///< transformers' class for this model and task
    const char *tokenizer_class; ///< and for its tokenizer
    /// Local. Reads sizes. FAILED with `where` and the key for what is missing or not supported.
    Status (*read_config)(ModelSpec *out, const Json *config, const char *where);
    /// Local. Appends the rows of the parameter table for these sizes through `model_add_param`.
    void (*add_params)(Model *model);
    /// Local. Logits (B, num_labels) of the leaf on the tape; weights[i] belongs to params[i].
    Var *(*classify)(const Model *model, Weight *weights, Tape *tape);
    /// Local. The work of training on a sequence, by which sequences are dealt to leaves, in units
    /// of a token's products: at least `tokens`, and a longer sequence costs no less a token.
    double (*sequence_cost)(const ModelSpec *spec, int64_t tokens);
    /// Local. Flops of one pass forward over this many tokens, products of the layers alone.
    double (*forward_flops)(const ModelSpec *spec, int64_t tokens);
    /// Local. An upper bound of the floats that `classify` and its way back take from the tape.
    double (*arena_floats)(const ModelSpec *spec, int64_t tokens, int64_t sequences,
                           int64_t longest);
};
const Arch *arch_find(const char *model_type); ///< NULL if unknown
void arch_names(Text *out);                    ///< "bert, roberta, ...": for messages

/// Local, for `add_params`. Tables must come last. A %d in `name` stands for the layer; rows = 0
/// makes a vector of `cols`. `flags` are those above.
void model_add_param(Model *model, const char *name, int64_t layer, int64_t rows, int64_t cols,
                     unsigned flags);
/// Local. A model for this config.json without values: the table is built, every row absent.
/// `num_labels` 0: as the configuration says. FAILED with `where` for an unknown "model_type" or
/// what `read_config` refuses. The caller owns *out.
Status model_new(Model **out, const Json *config, int64_t num_labels, const char *where);
/// Local. Reserves the values: after the table was compared with a file, so that absurd sizes are
/// refused first.
void model_allocate(Model *model);
/// Local. Index of the parameter of that name, -1 if there is none.
int model_find_param(const Model *model, const char *name);

/// Collective. From a model file or a checkpoint (any HDF5 file with /model and a configuration):
/// read once a job and broadcast. The caller owns *out (`model_free`).
COLLECTIVE
Status model_load(const Comm *comm, Model **out, const char *path);
void model_free(Model *model); ///< NULL-safe

/// Local. Gives the model these labels. Each takes its row of the head that was read over by name;
/// names LABEL_n stand for any, in order. The rows of others, and a head that was not imported, are
/// initialised: N(0, 0.02) of (seed, element), zero biases; model->labels_note says what.
void model_set_labels(Model *model, char *const *names, int64_t count, uint64_t seed);

/// Local. FAILED where the tokenizer (`where` names it) gives texts no token that stands for them
/// all: the heads read the first.
Status model_check_tokenizer(const Tokenizer *tokenizer, const char *where);

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

/// Local. Hugging Face folder -> model file (the command `import`).
Status model_import(const char *model_path, const char *source_folder);
/// Local. Hugging Face folder that transformers loads unchanged (the command `export`): config.json
/// with id2label, model.safetensors, tokenizer.json, tokenizer_config.json.
Status model_export(const Model *model, const char *folder);
