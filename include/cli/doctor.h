/// The checks of `temper doctor`.
#pragma once
#include "train/threads.h"

#include <stdbool.h>

typedef struct {
    const Comm *world;
    Placement *places;  ///< (world->size), owned
    const char *folder; ///< where the write is tried
    int64_t write_megabytes;
    bool failed; ///< a check gave DOCTOR_FAIL; the same on all ranks
} Doctor;

typedef enum { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL } Verdict;

/// Local, with the same arguments on all ranks. One line from rank 0: the verdict, what, the value
/// and, unless all is well, what to do.
void doctor_say(Doctor *doctor, Verdict verdict, const char *what, const char *value,
                const char *remedy);

/// All collective; one line each.
COLLECTIVE
void doctor_launcher(Doctor *doctor);
COLLECTIVE
void doctor_nodes(Doctor *doctor);
COLLECTIVE
void doctor_cpus(Doctor *doctor);
COLLECTIVE
void doctor_threads(Doctor *doctor);
COLLECTIVE
void doctor_memory(Doctor *doctor);
COLLECTIVE
void doctor_shared_memory(Doctor *doctor);
COLLECTIVE
void doctor_kernels(Doctor *doctor);
COLLECTIVE
void doctor_products(Doctor *doctor);
COLLECTIVE
void doctor_link_inside(Doctor *doctor);
COLLECTIVE
void doctor_link_between(Doctor *doctor);
COLLECTIVE
void doctor_files(Doctor *doctor);
