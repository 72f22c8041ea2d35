# Of tools/quickstart: where things lie, the packages needed, the build.
# shellcheck shell=bash
# shellcheck disable=SC2317 # functions are reached through step
# shellcheck disable=SC2015 # A && B || die: meant as "unless both"
# shellcheck disable=SC2034,SC2154 # shared with the other files

# ---- places --------------------------------------------------------------------------------------

# autoconf and libtool cannot work in a path with blanks or quotes: the build then goes elsewhere.
choose_work()
{
    local safe='^[A-Za-z0-9_./+,@%=-]+$' cache=${XDG_CACHE_HOME:-${HOME:-/}/.cache}

    WORK=$TOP/build/quickstart
    if ! [[ $WORK =~ $safe ]]; then
        WORK=$cache/mod_cfmt/quickstart-$(cksum <<<"$TOP" | cut -d' ' -f1)
        [[ $WORK =~ $safe ]] ||
            die "neither '$TOP' nor '$WORK' is a path that autoconf can work in." \
                "Move the checkout to a path without blanks and quotes."
        say "The path of this checkout has characters that autoconf cannot take; building in"
        say "$WORK"
    elif [ "$(id -u)" -eq 0 ] && [ "$(stat -c %u "$TOP")" -ne 0 ]; then
        # With sudo in somebody's checkout: what is built must stay theirs.
        AS_OWNER=(setpriv "--reuid=$(stat -c %u "$TOP")" "--regid=$(stat -c %g "$TOP")"
            --clear-groups)
    fi
    "${AS_OWNER[@]}" mkdir -p "$WORK/src" "$WORK/build" ||
        die "cannot create $WORK." "Run this as the owner of the checkout."
}

# Apache's user must be able to enter it; the checkout may lie in /root, and TMPDIR may be private.
make_run_directory()
{
    local base

    for base in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
        case $base in *[!A-Za-z0-9_./+-]*) continue ;; esac
        if [ "$(id -u)" -eq 0 ] &&
            ! setpriv --reuid="$(id -u "$(httpd_user)")" --clear-groups test -x "$base" 2>/dev/null
        then
            continue
        fi
        RUN=$(mktemp -d "$base/cfmt-quickstart.XXXXXX") && break
    done
    [ -n "$RUN" ] ||
        die "no temporary directory that Apache's user could enter (tried TMPDIR, /tmp, /var/tmp)."
    chmod 755 "$RUN" && mkdir "$RUN/logs" "$RUN/htdocs" "$RUN/run" "$RUN/deliveries" ||
        die "cannot write to $RUN."
}

httpd_user() { if id -u www-data >/dev/null 2>&1; then echo www-data; else echo nobody; fi; }

# ---- packages ------------------------------------------------------------------------------------

# Looks for the things and not for packages, so that other ways of having them count.
# Never the package apache2: it would start a server on port 80.
missing_packages()
{
    local pair

    for pair in gcc:gcc make:make autoreconf:autoconf automake:automake libtoolize:libtool \
        pkg-config:pkg-config curl:curl openssl:openssl; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair##*:}"
    done
    [ -x /usr/bin/python3 ] || echo python3
    [ -e /usr/include/stdio.h ] || echo libc6-dev
    command -v apxs >/dev/null 2>&1 || command -v apxs2 >/dev/null 2>&1 || echo apache2-dev
    [ -n "$(httpd_program)" ] || echo apache2-bin
    for pair in apr-1:libapr1-dev apr-util-1:libaprutil1-dev sqlite3:libsqlite3-dev \
        yajl:libyajl-dev libcurl:libcurl4-openssl-dev; do
        pkg-config --exists "${pair%%:*}" 2>/dev/null || echo "${pair##*:}"
    done
}

httpd_program() { command -v apache2 || command -v httpd; }

install_packages()
{
    local missing sudo=()

    mapfile -t missing < <(missing_packages)
    if [ ${#missing[@]} -eq 0 ]; then
        say 'Packages: everything needed is there.'
        return 0
    fi
    say "Packages missing: ${missing[*]}"
    command -v apt-get >/dev/null 2>&1 ||
        die 'this system has no apt-get: install what the Debian packages above hold.'
    if [ "$(id -u)" -ne 0 ]; then
        can_sudo || die 'packages are missing, and this is neither root nor a user of sudo.' \
            'Ask an administrator to run:' '' \
            "    apt-get install --no-install-recommends ${missing[*]}"
        sudo=(sudo)
    fi
    step 'apt-get update' "${sudo[@]}" apt-get -q update
    step "apt-get install (${#missing[@]} packages)" \
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        install "${missing[@]}"
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -eq 0 ] || die "still missing after apt-get install: ${missing[*]}"
}

# Asks for the password now: a prompt inside a step would go to its log.
can_sudo()
{
    command -v sudo >/dev/null 2>&1 || return 1
    sudo -n true 2>/dev/null && return 0
    [ -t 0 ] && [ -t 2 ] && sudo -v
}

# ---- build ---------------------------------------------------------------------------------------

# A copy of the sources is built, with their times, so that make sees what has changed. A checkout
# that was configured in place does no harm then, and nothing is written into it.
copy_sources()
{
    local names=()

    for name in mod_cfmt.c configure.ac Makefile.am autogen.sh README.md CHANGES LICENSE NOTICE \
        include src conf docs tests tools; do
        [ ! -e "$TOP/$name" ] || names+=("$name")
    done
    tar -C "$TOP" -cf - --exclude='*.o' --exclude='*.lo' --exclude='*.la' --exclude=.libs \
        --exclude=.deps --exclude=.dirstamp --exclude=__pycache__ --exclude=conf/cfmt.load \
        "${names[@]}" | "${AS_OWNER[@]}" tar -C "$WORK/src" -xf - --no-same-owner
}

# The shipped cfmt.conf, not one of an earlier run that make install would keep.
run_install()
{
    "${AS_OWNER[@]}" rm -f "$WORK/prefix/mods-available/cfmt.conf" && run_make install
}

run_autogen() { "${AS_OWNER[@]}" "$WORK/src/autogen.sh"; }

configure_arguments()
{
    printf '%s\n' "--prefix=$WORK/prefix" "--with-module-dir=$WORK/prefix/modules" \
        "MODS_AVAILABLE=$WORK/prefix/mods-available"
}

# The prefix is compiled in: a checkout that was moved or copied is configured anew.
configured()
{
    [ -e "$WORK/build/config.status" ] &&
        [ "$(configure_arguments)" = "$(cat "$WORK/build/.arguments" 2>/dev/null)" ]
}

run_configure()
{
    local arguments

    "${AS_OWNER[@]}" rm -rf "$WORK/build" "$WORK/prefix" &&
        "${AS_OWNER[@]}" mkdir "$WORK/build" || return 1
    mapfile -t arguments < <(configure_arguments)
    # shellcheck disable=SC2016 # expanded by the inner shell
    "${AS_OWNER[@]}" sh -c 'cd "$1" && shift && ../src/configure -q "$@"' \
        sh "$WORK/build" "${arguments[@]}" &&
        configure_arguments | "${AS_OWNER[@]}" tee "$WORK/build/.arguments"
}

run_make()
{
    "${AS_OWNER[@]}" make -C "$WORK/build" -j"$(nproc)" --no-print-directory "$@"
}

build()
{
    "${AS_OWNER[@]}" touch "$WORK/build.lock" && exec 9<"$WORK/build.lock" ||
        die "cannot write to $WORK." 'Run this as the owner of the checkout.'
    if ! flock -n 9; then
        say 'Another quickstart is building in this checkout: waiting for it.'
        flock 9
    fi
    step 'copying the sources' copy_sources
    [ -e "$WORK/src/Makefile.in" ] || step 'making configure (autogen.sh)' run_autogen
    configured || step 'configure' run_configure
    step 'compiling (make)' run_make all
    step 'installing into build/quickstart/prefix' run_install
    exec 9<&-
    CFMTCTL=$WORK/prefix/sbin/cfmtctl
}
