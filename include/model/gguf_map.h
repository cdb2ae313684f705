/// GGUF's architectures, keys, tensor names and layouts beside Hugging Face's.
#pragma once
#include "model/origin.h"
#include "store/gguf.h"
#include "store/json.h"

/// How a tensor of a GGUF file differs from Hugging Face's of the same name.
typedef enum {
    GGUF_SAME,
    GGUF_ROTARY_Q, ///< rows of a query head: the two halves that rotate together are interleaved
    GGUF_ROTARY_K, ///< the same for key heads
    GGUF_TRANSPOSED,
} GgufLayout;

typedef struct {
    const char *gguf, *hf; ///< %d stands for the layer in both
    GgufLayout layout;
} GgufName;

/// A number of the configuration, under both names.
typedef struct {
    const char *gguf; ///< after "llama."
    const char *hf;   ///< in config.json
    bool real;
    const char *usual; ///< where absent: a number, a key of config.json, or both: "4 n_embd"
} GgufKey;

typedef struct {
    const char *name; ///< `general.architecture` and config.json's model_type
    const char *class_name;
    const char *hf_fixed; ///< what config.json says besides: a JSON object
    bool interleaved;     ///< the rows of query and key heads are
    bool tied;            ///< the output matrix is the embedding whatever the file holds
    const GgufKey *keys;  ///< the last one's `gguf` is NULL
    const GgufName *names;
} GgufArch;
const GgufArch *gguf_arch_find(const char *name); ///< NULL if unknown

enum { GGUF_NAME_ROOM = 256 };

/// Local. The other name and the layout of a tensor; false for names that the table lacks.
bool gguf_name_to_hf(char out[GGUF_NAME_ROOM], GgufLayout *layout, const GgufArch *arch,
                     const char *gguf);
bool gguf_name_from_hf(char out[GGUF_NAME_ROOM], GgufLayout *layout, const GgufArch *arch,
                       const char *hf);

/// Local. The heads of a tensor of that layout, 0 for layouts without heads.
int64_t gguf_layout_heads(GgufLayout layout, const Json *config);
/// Local. Between GGUF's layout and Hugging Face's, in which the tensor is (rows, cols).
void gguf_from_layout(float *out, const float *in, GgufLayout layout, int64_t heads, int64_t rows,
                      int64_t cols);
void gguf_to_layout(float *out, const float *in, GgufLayout layout, int64_t heads, int64_t rows,
                    int64_t cols);

/// Local. The configuration in Hugging Face's words; the caller owns *out. FAILED for architectures
/// that the table lacks, and for keys that are missing or absurd.
Status gguf_read_config(Json **out, const Gguf *file);
/// Local. The reverse: appends the entries for a config.json, with the numbers of the tokens that
/// have a role. `where` names it in messages.
Status gguf_put_config(GgufHeader *header, const Json *config, const char *where);

enum { GGUF_MAX_ROTATIONS = 1024 };
/// Local. Llama 3 stretches slow rotations: what each frequency is divided by (head_dim / 2, at
/// most GGUF_MAX_ROTATIONS), which GGUF holds as a tensor of this name. Returns how many,
/// 0 unless config.json asks for that scaling.
extern const char gguf_rope_tensor[];
int gguf_rope_factors(float factors[GGUF_MAX_ROTATIONS], const Json *config);

/// Gives a whole tensor, in Hugging Face's layout, to `gguf_export`.
typedef Status (*GgufExportRead)(float *out, const OriginTensor *tensor, void *context);

/// Local. One GGUF file of a model: config.json, tokenizer.json and chat template (NULL or empty:
/// none) as metadata, the tensors under GGUF's names, matrices of `type` (F32, F16 or Q8_0, which
/// gives way to F16 where rows are no multiple of 32), vectors and positions as F32. FAILED for
/// what GGUF has no words for.
Status gguf_export(const char *path, const char *type, const Json *config,
                   const char *tokenizer_json, const char *chat_template,
                   const OriginTensor *tensors, int count, GgufExportRead read, void *context);
