#!/usr/bin/env bash
# TEST labels=waits timeout=60
# Every MPI call that waits for other ranks says so (PULSE_WAIT): by that the watchdog tells who is
# the cause.
source "$(dirname "$0")/support.bash"

calls='Barrier|Bcast|Allreduce|Reduce|Allgather|Allgatherv|Gather|Gatherv|Scatter|Scatterv'
calls+='|Alltoall|Alltoallv|Scan|Exscan|Send|Ssend|Recv|Sendrecv|Probe|Wait|Waitall|Waitany'
calls+='|Comm_split|Comm_split_type|Comm_dup|Comm_free|Comm_create'

check() {
    (cd "$1" && find src -name '*.c' -exec awk -v calls="(^|[^A-Za-z_])MPI_($calls)[(]" '
        $0 ~ calls && !/PULSE_WAIT[(]MPI_/ && before !~ /PULSE_WAIT[(]$/ {
            print FILENAME ":" FNR ": " $0
            found = 1
        }
        { before = $0 }
        END { exit found }' {} +)
}

plant src/comm/a.c <<<'    MPI_Recv(data, 1, MPI_BYTE, 0, 0, comm, MPI_STATUS_IGNORE);'
expect_caught "a call that waits" 'a.c:1:.*MPI_Recv'
plant src/comm/a.c <<'END'
    PULSE_WAIT(MPI_Barrier(comm));
    PULSE_WAIT(
        MPI_Bcast(data, 1, MPI_BYTE, 0, comm));
    MPI_Isend(data, 1, MPI_BYTE, 0, 0, comm, request);
END
expect_clean "calls that say so, and one that does not wait"

lint_tree
