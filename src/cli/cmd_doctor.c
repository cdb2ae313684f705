#include "base/mem.h"
#include "cli/commands.h"
#include "cli/doctor.h"

#include <stdio.h>

typedef struct {
    char folder[4096];
    int64_t megabytes;
} DoctorFlags;

static const Option flags[] = { { FIELD(DoctorFlags, folder), .def = ".",
                                  .help =
                                      "where the parallel write is tried: use that of your runs" },
                                { FIELD(DoctorFlags, megabytes), .def = "64", .min = 1, .max = 1e6,
                                  .unit = "MB", .help = "size of that write" },
                                { 0 } };

static void (*const checks[])(Doctor *) = {
    doctor_launcher,    doctor_nodes,         doctor_cpus,    doctor_threads,
    doctor_memory,      doctor_shared_memory, doctor_kernels, doctor_products,
    doctor_link_inside, doctor_link_between,  doctor_files
};

void doctor_say(Doctor *doctor, Verdict verdict, const char *what, const char *value,
                const char *remedy)
{
    static const char *const words[] = { "ok", "warn", "fail" };
    doctor->failed |= verdict == DOCTOR_FAIL;
    if (doctor->world->rank) return;
    printf("%-4s  %-14s  %s", words[verdict], what, value);
    if (verdict != DOCTOR_OK) printf(" -> %s", remedy);
    printf("\n");
}

COLLECTIVE
static Status doctor_run(const Invocation *invocation)
{
    Status status = OK;
    const DoctorFlags *given = invocation->flags;
    Doctor doctor = { .world = invocation->world,
                      .folder = given->folder,
                      .write_megabytes = given->megabytes };
    placements_gather(doctor.world, &doctor.places);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) checks[i](&doctor);
    mem_free(doctor.places);
    status_clear(); // the lines say it all
    if (doctor.failed) status = FAILED;
    return status;
}

const Command command_doctor = {
    .name = "doctor",
    .run = doctor_run,
    .needs_mpi = true,
    .flags = flags,
    .flags_bytes = sizeof(DoctorFlags),
    .summary = "checks ranks, cores, memory, BLAS, network and disk",
    .description =
        "Start it as you start train. One line for each check: ok, warn or fail, what, the value, "
        "and\nwhat to do. Exit code 1 if a check fails.",
    .example = "mpirun -n 4 temper doctor --folder runs\n"
               "srun --ntasks-per-node=4 --cpus-per-task=8 temper doctor --folder $SCRATCH",
};
