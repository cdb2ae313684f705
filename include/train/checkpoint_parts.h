/// How the weights and moments that a rank owns lie in a checkpoint, for what writes and reads it.
#pragma once
#include "train/trainer.h"

enum { CHECKPOINT_GROUPS = 3 };
extern const char *const checkpoint_groups[CHECKPOINT_GROUPS]; ///< of tensors: "model" ...
/// Local. How many of them a run has: without steps of an optimizer it has no moments.
int checkpoint_group_count(const Trainer *trainer);

/// Local. What this rank owns of a parameter, from where its values lie: of all parameters at their
/// places, or of what is own in the order of segments. Segments that follow one another are one
/// range. Returns how many there are, at most all segments.
int checkpoint_ranges(TensorRange *out, const Trainer *trainer, int param, const float *values,
                      bool at_places);

/// What a checkpoint is written from.
typedef struct {
    Text *paths;         ///< (groups, params)
    TensorPart *items;   ///< (groups, params)
    TensorRange *ranges; ///< (groups, segments)
    int count;
} CheckpointParts;

/// Local. One part per parameter and group; those that another rank speaks for are empty. `copy`
/// NULL: of the values that training goes on with.
void checkpoint_parts(CheckpointParts *out, const Trainer *trainer, const float *copy);
void checkpoint_parts_release(CheckpointParts *parts);
