/// When a run ends by itself: before the job does, before train.max_seconds, or when somebody asks,
/// by a signal or by a file STOP in the run folder. It stops with a step, after a checkpoint; an
/// evaluation that is in hand is left, and the next life does it.
#pragma once
#include "train/recipe.h"

#include <stdbool.h>

typedef enum { STOP_NONE, STOP_SIGNAL, STOP_MAX_SECONDS, STOP_JOB_END, STOP_FILE } StopReason;
extern const char *const stop_names[]; ///< by StopReason, as state.json has them

/// What takes time between one chance to stop and the next.
typedef enum { WORK_STEP, WORK_EVALUATION, WORK_SAVE, WORKS } Work;

typedef struct {
    StopReason reason;
    double max_end_s, job_end_s; ///< by clock_now_s; INFINITY: none
    double longest_s[WORKS];     ///< so far; 0: not seen yet
    double save_estimate_s;      ///< of a checkpoint as long as none was written
    double evaluation_steps;     ///< an evaluation takes no longer than so many steps
    double finish_steps;         ///< nor what the run ends with than so many
    double finish_s;             ///< what that takes, about; 0: not known
    bool finishes;               ///< all steps are done
    double then_s;               ///< what comes before the next chance takes besides, about
    bool owes; ///< what is in hand was left by the life before: max_seconds does not end it
    int64_t ahead[WORKS]; ///< what comes before the next chance, the final save included
    double turn_s;        ///< when the step in hand began
    char file[1100];      ///< RUN/STOP; "": not looked for
    double looked_s;      ///< when it was last looked for
} Deadline;

/// Local. Only signals end the run.
void deadline_init(Deadline *deadline);
/// Local (rank 0). So do a file, train.max_seconds and the job's end, which is SLURM_JOB_END_TIME
/// where that is a time to come. The rest is for estimates of what was not seen yet: an evaluation,
/// and what the run ends with, take no longer than so many steps.
void deadline_start(Deadline *deadline, const Recipe *recipe, double checkpoint_bytes,
                    double evaluation_steps, double finish_steps);
/// Local. A step takes so many times the rows that `deadline_start` was told of.
void deadline_step_rows(Deadline *deadline, double times);
/// Local. A save may write so much: for the estimate.
void deadline_save_bytes(Deadline *deadline, double bytes);
/// Local. Before a step: whether another one follows, and the evaluations and checkpoints that come
/// with both.
void deadline_plan(Deadline *deadline, bool follows, int64_t evaluations, int64_t saves);
/// Local. Work was done, in so many seconds.
void deadline_spent(Deadline *deadline, Work work, double seconds);
/// Local. An evaluation was done, in so many seconds: what else `deadline_plan` said is still
/// ahead.
void deadline_evaluated(Deadline *deadline, double seconds);
/// Local. Seconds to keep free before a deadline for what `deadline_plan` said, by what such work
/// took at most so far.
double deadline_reserve_s(const Deadline *deadline, double now_s);
/// Local. True if the run must end with the step in hand, though another would follow; says why,
/// once.
bool deadline_reached(Deadline *deadline);
/// Local. In what may be left, as an evaluation between steps: true if it must be, as somebody
/// asked to stop, or as there is just time for the checkpoints of `deadline_plan` and for `then_s`;
/// says why, once.
bool deadline_presses(Deadline *deadline);
/// Local. All steps are saved: from here on `deadline_reached` tells whether there is time for what
/// is left. A life that made no step goes on regardless of train.max_seconds, and starts without an
/// estimate: else no life would ever end the run.
void deadline_finish(Deadline *deadline);
/// Local. After the last checkpoint: tells that the run stopped after `step` (0: in the first one,
/// which keeps what it has), and rank 0 removes the file STOP, so that the next start goes on.
/// Returns STOPPED.
Status deadline_obey(const Deadline *deadline, int64_t step);
