/// What the next step reads, known before it starts: its batch, and the rows of lookup tables.
#pragma once
#include "train/trainer.h"

/// Collective. Takes the batch of step trainer->step into trainer->next and makes the table rows
/// that its tokens look up fresh on every rank. After the last step there is none.
COLLECTIVE
void ahead_take(Trainer *trainer);
