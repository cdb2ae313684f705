#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/doctor.h"
#include "comm/agree.h"
#include "comm/probe.h"
#include "linalg/gemm.h"
#include "linalg/kernel.h"
#include "store/tensors.h"

#include <string.h>
#include <unistd.h>

void doctor_kernels(Doctor *doctor)
{
    Text value = { 0 };
    text_printf(&value, "kernels %s, BLAS core %s", kernel_variant(), gemm_core());
    Hash hash = hash_bytes(value.data, value.length_bytes);
    int64_t key, range[2];
    memcpy(&key, hash.bytes, sizeof key);
    key /= 2; // so that its negative exists
    range[0] = key, range[1] = -key;
    comm_max_int64(doctor->world, range, 2);
    bool wide = !strcmp(kernel_variant(), "x86-64-v4");
    bool narrow = !strcmp(gemm_core(), "Haswell") || !strcmp(gemm_core(), "Zen");
    int64_t slow = wide && narrow;
    comm_max_int64(doctor->world, &slow, 1);
    if (range[0] != -range[1])
        doctor_say(doctor, DOCTOR_WARN, "instructions", "nodes differ in their CPUs",
                   "use nodes of one kind: the last bits of results depend on it");
    else
        doctor_say(doctor, slow ? DOCTOR_WARN : DOCTOR_OK, "instructions", value.data,
                   "the CPU has AVX-512: unset OPENBLAS_CORETYPE, or install a newer OpenBLAS");
    text_release(&value);
}

void doctor_products(Doctor *doctor)
{
    double rate, slowest, fastest, total = 0;
    comm_barrier(doctor->world);
    rate = gemm_measure_gflops();
    int ranks = doctor->world->size;
    double *rates = MEM_NEW(double, ranks);
    int64_t *counts_bytes = MEM_NEW(int64_t, ranks);
    for (int rank = 0; rank < ranks; rank++) counts_bytes[rank] = sizeof rate;
    comm_gather_all(doctor->world, rates, &rate, counts_bytes);
    slowest = fastest = rates[0];
    for (int rank = 0; rank < ranks; rank++) {
        total += rates[rank];
        if (rates[rank] < slowest) slowest = rates[rank];
        if (rates[rank] > fastest) fastest = rates[rank];
    }
    Text value = { 0 };
    text_printf(&value, "%.0f GFLOP/s, %.0f to %.0f a rank", total, slowest, fastest);
    doctor_say(doctor, slowest < 0.7 * fastest ? DOCTOR_WARN : DOCTOR_OK, "sgemm", value.data,
               "the slowest rank holds all others up: look for shared CPUs, other jobs or a low "
               "clock");
    text_release(&value);
    mem_free(counts_bytes);
    mem_free(rates);
}

/// Collective. Rank 0 to the first rank on its node, or on another one.
COLLECTIVE
static void say_link(Doctor *doctor, bool same_node, const char *what, double most_latency_s,
                     double least_bandwidth_bytes_s, const char *remedy)
{
    int peer = 1;
    while (peer < doctor->world->size &&
           (doctor->places[peer].node == doctor->places[0].node) != same_node)
        peer++;
    if (peer == doctor->world->size) return;
    Link link = probe_link(doctor->world, peer);
    bool slow = link.latency_s > most_latency_s || link.bandwidth_bytes_s < least_bandwidth_bytes_s;
    Text value = { 0 };
    text_printf(&value, "%.1f us, %.2f GB/s between ranks 0 and %d", link.latency_s * 1e6,
                link.bandwidth_bytes_s / 1e9, peer);
    doctor_say(doctor, slow ? DOCTOR_WARN : DOCTOR_OK, what, value.data, remedy);
    text_release(&value);
}

void doctor_link_inside(Doctor *doctor)
{
    say_link(doctor, true, "link in a node", 20e-6, 1e9,
             "look for ranks that share CPUs, or for an MPI without a shared-memory transport");
}

void doctor_link_between(Doctor *doctor)
{
    say_link(doctor, false, "link of nodes", 30e-6, 1e9,
             "see that MPI uses the fast network (ompi_info, UCX_NET_DEVICES)");
}

static float pattern(int64_t index)
{
    return (float)(index % 8191);
}

/// This rank's share of `elements`.
static int64_t share_start(int64_t elements, int rank, int size)
{
    return elements * rank / size;
}

/// Local. What another rank wrote, so that it comes from the file system and not from here.
static Status reread(const Comm *world, const char *path, float *values, int64_t elements)
{
    Status status = OK;
    TensorFile *file = NULL;
    int next = (world->rank + 1) % world->size;
    int64_t first = share_start(elements, next, world->size);
    int64_t count = share_start(elements, next + 1, world->size) - first;
    TRY(tensors_open_any(&file, path));
    TRY(tensors_read(file, tensors_at(file, 0), first, count, values));
    for (int64_t i = 0; i < count; i++)
        if (values[i] != pattern(first + i))
            FAIL(FAILED, "%s: element %lld came back as another value", path,
                 (long long)(first + i));
done:
    tensors_close(file);
    return status;
}

COLLECTIVE
static Status write_and_read(Doctor *doctor, const char *path, double *write_s, double *read_s)
{
    Status status = OK;
    const Comm *world = doctor->world;
    int64_t elements = doctor->write_megabytes * 1000000 / (int64_t)sizeof(float);
    int64_t first = share_start(elements, world->rank, world->size);
    int64_t count = share_start(elements, world->rank + 1, world->size) - first;
    float *values = MEM_NEW(float, elements / world->size + 1);
    for (int64_t i = 0; i < count; i++) values[i] = pattern(first + i);
    TensorPart part = { .path = "model/doctor",
                        .type = ELEMENT_F32,
                        .rank = 1,
                        .dims = { elements },
                        .first = first,
                        .count = count,
                        .data = values };
    double start_s = clock_now_s();
    TRY(tensors_write(world, path, "model", NULL, 0, &part, 1));
    *write_s = clock_now_s() - start_s;
    start_s = clock_now_s();
    TRY_ALL(world, reread(world, path, values, elements));
    *read_s = clock_now_s() - start_s;
done:
    mem_free(values);
    return status;
}

void doctor_files(Doctor *doctor)
{
    double write_s = 0, read_s = 0, megabytes = (double)doctor->write_megabytes;
    Text path = { 0 }, value = { 0 };
    int64_t process = doctor->world->rank ? 0 : getpid();
    comm_max_int64(doctor->world, &process, 1);
    text_printf(&path, "%s/temper-doctor-%lld.h5", doctor->folder, (long long)process);
    Status status = write_and_read(doctor, path.data, &write_s, &read_s);
    if (status == OK)
        text_printf(&value, "%.0f MB/s written and synced, %.0f MB/s read back from all ranks",
                    megabytes / write_s, megabytes / read_s);
    else
        text_append(&value, status_message());
    doctor_say(doctor, status == OK ? DOCTOR_OK : DOCTOR_FAIL, "HDF5 file", value.data,
               "choose a folder with space that all nodes share (--folder)");
    if (doctor->world->rank == 0) unlink(path.data);
    text_release(&value);
    text_release(&path);
}
