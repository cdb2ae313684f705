/// What a launcher and MPI alone take (compare_start), and for so many seconds hold
/// (frozen_memory).
#include <mpi.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (argc > 1) sleep((unsigned)atoi(argv[1]));
    MPI_Finalize();
    return 0;
}
