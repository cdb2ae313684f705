/// A folder for one test, the same on all ranks.
#pragma once
#include "comm/comm.h"

/// Collective. Makes the folder; its path lasts until `folder_remove`.
COLLECTIVE
const char *folder_make(const Comm *comm);
/// Local. FOLDER/NAME; one of eight texts used in turn.
const char *folder_path(const char *name);
/// Local. Files in the folder whose name contains `part`.
int folder_count(const char *part);
/// Collective. Removes the folder with its files.
COLLECTIVE
void folder_remove(const Comm *comm);
