#!/usr/bin/env bash
# TEST labels=collective timeout=60
# A rank never leaves a collective alone: see collective.py.
source "$(dirname "$0")/support.bash"

check() {
    python3 "$(dirname "$0")/collective.py" "$1"
}

# body TEXT: plants a collective function around the text, with two callees.
body() {
    plant include/store/save.h <<'END'
/// Collective. Saves.
COLLECTIVE
Status save(const Comm *comm);
COLLECTIVE
void barrier(const Comm *comm);
COLLECTIVE
void share(const Comm *comm, int64_t *value);
/// Local. Opens.
Status open_shard(void);
END
    printf 'Status save(const Comm *comm)\n{\n    Status status = OK;\n%s\ndone:\n%s\n}\n' "$1" \
        '    return status;' | plant src/store/save.c
}

body '    TRY(open_shard());'
expect_caught "TRY of a local callee" 'save.c:4: .*TRY.*open_shard.*TRY_ALL'
body '    FAIL(FAILED, "no");'
expect_caught "FAIL" 'save.c:4: .*FAIL'
body '    if (open_shard()) return status_fail(FAILED, "no");'
expect_caught "a failing return" 'save.c:4: .*status_fail'
body '    if (comm->rank == 0) barrier(comm);'
expect_caught "a collective call on one rank" 'save.c:4: .*barrier.*rank'
body '    if (comm->rank == 0) {
        int i = 0;
    } else if (i) {
        barrier(comm);
    }'
expect_caught "a collective call on the other ranks" 'save.c:7: .*barrier.*rank'
body '    status = comm->rank == 0 ? save(comm) : OK;'
expect_caught "a collective call in a conditional expression" 'save.c:4: .*save.*rank'
body '    TRY_ROOT(comm, save(comm));'
expect_caught "a collective call of rank 0" 'save.c:4: .*save.*rank'
body $'    if (comm->rank) return OK;\n    barrier(comm);'
expect_caught "a rank that leaves before a collective call" 'save.c:5: .*barrier.*rank'
body $'    int first = 0, me = comm->rank;\n    if (me == 0) barrier(comm);'
expect_caught "a collective call depending on a variable made of rank" 'save.c:5: .*barrier.*rank'
body '    if (open_shard() != OK) return FAILED;'
expect_caught "a return after a local callee" 'save.c:4: .*leaves early.*open_shard'
body $'    if (access("file", 0)) {\n        status = FAILED;\n        goto done;\n    }'
expect_caught "a goto after a function of C" 'save.c:6: .*leaves early.*access'
body $'    status = open_shard();\n    if (status != OK) goto done;'
expect_caught "a goto after the status of a local callee" 'save.c:5: .*leaves early.*open_shard'
body '    return OK;'
plant src/store/other.c <<<$'static void helper(void)\n{\n    barrier(comm);\n}'
expect_caught "a collective call in a local function" 'other.c:3: .*helper.*barrier'
body ''
plant include/store/other.h <<<$'/// Local. Waits.\nCOLLECTIVE\nvoid other(void);'
expect_caught "a contract that contradicts its mark" 'other.h:1: .*other'
plant include/store/other.h <<<$'/// Collective. Waits.\nvoid other(void);'
expect_caught "a collective contract without its mark" 'other.h:1: .*other'

body $'    TRY_ALL(comm, open_shard());\n    TRY_ROOT(comm, open_shard());\n    TRY(save(comm));'
expect_clean "agreed calls"
body $'    // agreed: all ranks read the same text\n    TRY(open_shard());'
expect_clean "an exception that is explained"
body $'    if (!strcmp(name, "never")) return OK;\n    status = open_shard();
    status = save(comm);
    if (status != OK) goto done;\n    // agreed: all ranks see the same file
    if (access("file", 0)) return FAILED;'
expect_clean "a return after an agreed status, and one that is explained"
body '    int64_t found = comm->rank == 0 && !access("file", 0);
    share(comm, &found);
    if (!found) goto done;
    barrier(comm);'
expect_clean "a decision of rank 0 that all ranks got"
body '    if (total == 0) { // agreed: total is a sum over ranks
        total = 1;
        FAIL(FAILED, "no");
    }'
expect_clean "a block that is explained"
body '    for (int rank = 0; rank < comm->size; rank++) barrier(comm);
    if (comm->rank == 0) open_shard();'
expect_clean "a loop over ranks and local work of rank 0"
body ''
plant src/store/other.c <<'END'
static void helper(void)
{
    Comm self = comm_self();
    barrier(&self);
}
END
expect_clean "a collective call of one process"

lint_tree
