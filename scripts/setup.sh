#!/bin/sh
# Create the virtual environment and install Rankcast with its tools.
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
export PIP_DISABLE_PIP_VERSION_CHECK=1

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
echo "installing Rankcast and its tools into $VENV (a few minutes the first time)"
"$VENV/bin/python" -m pip install --quiet --editable '.[dev]'
"$VENV/bin/python" scripts/opencv_fallback.py
