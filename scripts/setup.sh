#!/bin/sh
# Create the virtual environment and install Rankcast with its tools.
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
export PIP_DISABLE_PIP_VERSION_CHECK=1

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
echo "installing Rankcast and its tools into $VENV (a few minutes the first time)"
# The compiler of the native core is one large wheel: an isolated build would unpack it twice.
requires=$("$VENV/bin/python" -c 'import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
# shellcheck disable=SC2086 - one word each
"$VENV/bin/python" -m pip install --quiet $requires editables
"$VENV/bin/python" -m pip install --quiet --no-build-isolation --no-deps --editable .
# Isolated: a dependency that comes as sources brings what builds it.
"$VENV/bin/python" -m pip install --quiet 'rankcast[dev]'
"$VENV/bin/python" scripts/opencv_fallback.py
