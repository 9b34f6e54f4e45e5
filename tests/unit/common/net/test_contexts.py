"""Contexts: too few file descriptors are an error, where libzmq would abort the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

CODE = """
import resource, sys
from rankcast.errors import TransportError
from rankcast.net import new_context
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), hard))
try:
    with new_context() as context, context.socket(1) as socket:
        socket.bind("tcp://127.0.0.1:*")
    print("made")
except TransportError as exc:
    print(exc)
"""


def with_limit(descriptors: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(descriptors)], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("descriptors", [4, 8, 12, 16, 20])
def test_too_few_descriptors_are_an_error_that_names_the_limit(descriptors: int) -> None:
    assert "want at least 32; raise the limit (ulimit -n" in with_limit(descriptors)


def test_enough_descriptors_are_enough() -> None:
    assert with_limit(64) == "made\n"
