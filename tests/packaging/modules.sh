#!/usr/bin/env bash
# TEST labels=long timeout=1200
# The module files that an installation brings, in Environment Modules and in Lmod: `module load
# temper` finds the program, its manual and no other temper. Root only.
source tests/support/cli.sh
source tests/support/debian.sh
debian_start
prefix=/opt/temper/$version

# two installations, the second as version 9.9; the package brings what they need
expect_exit 0 packaging/deb
cp "$(cat "$work/out")" "$debian/temper.deb"
debian_install /temper.deb
for place in "$prefix" /opt/elsewhere; do
    expect_exit 0 env "DESTDIR=$debian" cmake --install build-deb --prefix "$place"
    modules=$debian$place/share/temper/modulefiles/temper
    expect_exit 0 ls "$modules"
    expect_lines out "$version" "$version.lua"
done
mv "$modules/$version" "$modules/9.9"
mv "$modules/$version.lua" "$modules/9.9.lua"
! grep -rn '@' "$modules" || fail "a name is not filled in"

# modules INIT SCRIPT: in a shell that has `module`, with both places in use.
modules() {
    expect_exit 0 inside bash -c ". $1 && module use /opt/elsewhere/share/temper/modulefiles \
        $prefix/share/temper/modulefiles && $2"
}

# works INIT
works() {
    modules "$1" "type -P temper"
    expect_lines out /usr/bin/temper # the control
    modules "$1" "module load temper/$version && type -P temper && temper --version &&
        echo \$TEMPER_ROOT \$MANPATH"
    expect_text out "$prefix/bin/temper"
    expect_text out "temper $version"
    expect_text out "$prefix $prefix/share/man"
    # an empty element: the manuals of the system, too
    modules "$1" "unset MANPATH; module load temper/$version && echo at \$MANPATH"
    grep -qE "^at $prefix/share/man:(.*:)?$" "$work/out" || fail "hides manuals: $(cat "$work/out")"
    modules "$1" "module load temper/$version && module unload temper && type -P temper"
    expect_lines out /usr/bin/temper
    modules "$1" "module help temper/$version 2>&1; module whatis temper/$version 2>&1"
    expect_text out "temper doctor tells"
    expect_text out "Fine-tunes pretrained models"
    # never two at once
    modules "$1" "module load temper/$version; module load temper/9.9; echo \$PATH; true"
    [ "$(grep -o '/opt/[a-z]*' "$work/out" | sort -u | wc -l)" = 1 ] || fail "$(cat "$work/out")"
}

debian_install environment-modules
works /usr/share/modules/init/bash
debian_install lmod # and goes the other
works /etc/profile.d/lmod.sh
