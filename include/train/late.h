/// Rows of lookup tables, which are updated late: a row that a step does not touch still decays and
/// follows its moments, and those updates are replayed, one by one and so with the same bits, when
/// somebody needs the row.
#pragma once
#include "linalg/vecmath.h"
#include "train/blocks.h"

/// Where weights and their moments lie, each at its first.
typedef struct {
    float *values, *exp_avg, *exp_avg_sq;
} AdamState;

/// Local. One update of elements of a parameter by AdamW.
void adam_update(const AdamState *state, const Param *param, const float *gradient, int64_t count,
                 AdamStep step);

/// This rank's rows of one lookup table.
typedef struct {
    int64_t rows;
    int64_t *updates; ///< (rows), owned: updates applied to the row
    bool *active;     ///< (rows), owned: the row has a moment; the others only decay
    int64_t at;       ///< of the first own row, in the order of segments
} LateTable;

typedef struct {
    const Model *model;
    const Blocks *blocks;
    int ranks;         ///< that have rows
    LateTable *tables; ///< (blocks->table_count), owned
    int64_t steps;     ///< updates done
    AdamStep *history; ///< owned: those since all rows were fresh
    int64_t history_count;
    float *zeros; ///< owned: the gradient of a row that a step did not touch
} Late;

/// Local. No updates yet.
void late_init(Late *late, const Model *model, const Blocks *blocks, int ranks);
void late_release(Late *late);
/// Local. `to`, made with the same arguments, becomes as `from` is.
void late_copy(Late *to, const Late *from);

/// Local. Whether a row of a table is this rank's, and where it lies if so.
bool late_is_own(const Late *late, int table, int64_t row);
Segment late_segment(const Late *late, int table, int64_t row);

/// Local. One more update of every row. `late_is_full`: not before all rows are fresh.
bool late_is_full(const Late *late);
void late_add_step(Late *late, const AdamStep *step);
/// Local. The last update of an own row that is fresh but for it, with a gradient (cols).
void late_update(Late *late, int table, int64_t row, const AdamState *state, const float *gradient);
/// Local. Those that an own row has missed, without one.
void late_catch_up(Late *late, int table, int64_t row, const AdamState *state);
/// Local. Of all own rows, which lie in the order of segments as their moments do.
void late_catch_up_all(Late *late, const AdamState *own);
/// Local. All rows were caught up.
void late_forget(Late *late);
/// Local. All rows are fresh after `steps` updates, with moments (own elements).
void late_restored(Late *late, int64_t steps, const float *exp_avg, const float *exp_avg_sq);
