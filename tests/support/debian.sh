# Sourced by tests of packages, after support/cli.sh: a new Debian of this machine's release in a
# folder, and commands in it. Root only, with debootstrap; packages come from where this machine's
# do. Its base is kept in .cache.
debian=$work/debian
version=$(sed -nE 's/^project\(temper VERSION ([^ ]+).*/\1/p' CMakeLists.txt)

debian_missing() {
    local id
    [ "$(id -u)" = 0 ] || { echo "needs root"; return; }
    command -v debootstrap >/dev/null || { echo "debootstrap is not installed"; return; }
    id=$(. /etc/os-release && echo "$ID ${VERSION_CODENAME:-}")
    [[ $id == "debian "?* ]] || { echo "this machine is not a Debian"; return; }
    unshare --mount --pid --fork true 2>/dev/null || echo "name spaces are not allowed here"
}

# debian_start: a new one, or the test is skipped.
debian_start() {
    local reason release base partial
    reason=$(debian_missing)
    [ -z "$reason" ] || skip "$reason"
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    base=$TEMPER_SOURCE/.cache/debian-$release.tar
    debian_sources >"$work/sources"
    mkdir -p "$debian" "${base%/*}"
    if ! [ -e "$base" ]; then
        partial=$base.$$
        debootstrap --variant=minbase "$release" "$debian" \
            "$(awk -v suite="$release" '$3 == suite { print $2; exit }' "$work/sources")" \
            >"$work/debootstrap.log" 2>&1 ||
            skip "debootstrap cannot make a Debian: $(tail -n 1 "$work/debootstrap.log")"
        tar -C "$debian" -cf "$partial" . && mv "$partial" "$base"
    else
        tar -C "$debian" -xf "$base"
    fi
    cp "$work/sources" "$debian/etc/apt/sources.list"
    cp /etc/resolv.conf "$debian/etc/resolv.conf"
    inside apt-get -q update >"$work/update.log" 2>&1 ||
        skip "no packages can be had: $(tail -n 1 "$work/update.log")"
}

# debian_sources: the lines of sources.list of this machine that are Debian's own.
debian_sources() {
    # shellcheck disable=SC2016 # apt's variables
    apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(SUITE)|$(CODENAME)' \
        'Created-By: Packages' | awk -F '|' '
            $1 == "Debian" && !seen[$2 $5]++ { print "deb " $2 " " $5 " main" }'
}

# inside COMMAND...: in that Debian; whatever the command starts and mounts ends with it.
inside() {
    unshare --mount --uts --ipc --pid --fork --kill-child bash -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
            mount -t tmpfs tmpfs "$1/dev/shm" || exit 99
        exec chroot "$@"' bash "$debian" env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
        HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1 "$@"
}

# debian_install PACKAGE...: with what they need alone.
debian_install() {
    expect_exit 0 inside apt-get -q install -y --no-install-recommends "$@"
}
