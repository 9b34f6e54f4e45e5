#!/bin/sh
# Installs those of the given Debian packages that are missing; without root's rights it names them
# and fails.
set -eu
missing=""
for package in "$@"; do
    case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)" in
        *" installed") ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "missing:$missing; there is no apt-get here: install what your system calls them" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "missing:$missing; run: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # one word for each package
apt-get install -y -q --no-install-recommends $missing ||
    { apt-get update -q && apt-get install -y -q --no-install-recommends $missing; }
