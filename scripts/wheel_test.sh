#!/bin/sh
# Build the wheel, install it into a new environment and use it in a folder without the sources.
set -eu
VENV=${VENV:-.venv}
export PIP_DISABLE_PIP_VERSION_CHECK=1
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$VENV/bin/python" -m build --wheel --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
python=$("$VENV/bin/python" -c 'import sys; print(sys.base_prefix + "/bin/python3")')
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/dist/rankcast-*.whl
"$work/venv/bin/python" "$root/scripts/opencv_fallback.py"
cp "$root/scripts/wheel_smoke.py" "$work/"
cd "$work"
"$work/venv/bin/python" wheel_smoke.py
