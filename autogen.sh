#!/bin/sh
# Makes configure and Makefile.in from a checkout.
set -e
cd "$(dirname "$0")"
for tool in autoreconf:autoconf automake:automake libtoolize:libtool pkg-config:pkg-config; do
    command -v "${tool%%:*}" >/dev/null 2>&1 || {
        echo "autogen.sh: ${tool%%:*} not found: install the Debian package ${tool##*:}" >&2
        exit 1
    }
done
mkdir -p m4
exec autoreconf --install --force
