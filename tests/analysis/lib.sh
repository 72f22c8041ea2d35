# shellcheck shell=bash
# What the scripts of this directory share: counting, and a build of the unit tests. Sets srcdir and builddir.
srcdir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1
builddir=${builddir:-$srcdir/build}
modules="apr-1 apr-util-1 sqlite3 yajl libcurl"
passed=0 failed=0 skipped=0
export LC_ALL=C.UTF-8

say() { # STATUS TEXT
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "PASS: $2"
    else
        failed=$((failed + 1))
        echo "FAIL: $2"
    fi
}

skip() { # TEXT
    skipped=$((skipped + 1))
    echo "tests/analysis: skipped: $1"
}

finish() {
    local tail=
    [ "$skipped" -gt 0 ] && tail=", $skipped skipped"
    echo "$passed passed, $failed failed$tail"
    [ "$failed" -eq 0 ]
    exit
}

# The directory of that name below builddir becomes the present one; its absolute name is in out.
# shellcheck disable=SC2034 # the scripts read it
enter() { # NAME
    mkdir -p "$builddir/$1" && cd "$builddir/$1" || exit 1
    out=$PWD
}

build_units() { # FLAG...
    local flags libs wraps
    wraps=$(sed -n '/^tests_unit_unit_LDFLAGS/,/[^\\]$/p' "$srcdir/Makefile.am" | grep -o -- '-Wl,--wrap=[^ ]*')
    # shellcheck disable=SC2086 # a list of words
    flags="-g -std=gnu99 -D_GNU_SOURCE -I$srcdir/include -I$srcdir/src $wraps $*
        $(pkg-config --cflags $modules check libcrypto)"
    # shellcheck disable=SC2086 # a list of words
    libs="$(pkg-config --libs $modules check libcrypto) -lanl -lpthread -lm"
    flags=$(echo "$flags" | tr -s '\n ' ' ')
    [ "$(cat flags 2>/dev/null)" = "$flags" ] || echo "$flags" >flags
    make -s -j"$(nproc)" -f "$srcdir/tests/analysis/units.mk" SRC="$srcdir" MORE="${more:-}" CC="${CC:-gcc}" FLAGS="$flags" LIBS="$libs"
}

# libcheck's last line as "passed failed"; nothing when it did not come that far.
counted() { # LOG
    sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$1" |
        awk '{ print $1 - $2 - $3, $2 + $3 }'
}
