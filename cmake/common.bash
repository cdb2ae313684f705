# Sourced by quickstart, tests/run and the scripts beside this file.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

step() {
    printf '\n== %s\n' "$*" >&2
}

loud() {
    printf '\n' >&2
    printf '!! %s\n' "$@" >&2
}

# CPUs that this process may use: its mask, cut by the control group's quota.
cores() {
    local count quota period
    count=$(nproc)
    if read -r quota period 2>/dev/null </sys/fs/cgroup/cpu.max && [ "$quota" != max ]; then
        quota=$(((quota + period - 1) / period))
        if [ "$quota" -ge 1 ] && [ "$quota" -lt "$count" ]; then count=$quota; fi
    fi
    echo "$count"
}

# has_sha256 FILE SHA256
has_sha256() {
    echo "$2  $1" | sha256sum --check --status 2>/dev/null
}
