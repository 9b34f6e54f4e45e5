"""A receiver that may open only a few files: it ends at once, and says how to go on."""

from __future__ import annotations

import signal
import sys

import pytest

from support.fakes import free_address
from support.processes import rankcast

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limits of POSIX")

END_S = 30.0
"""Loading and compiled kernels are most of it; without an end it hung for minutes."""


def limited(files: int) -> tuple[str, ...]:
    """Start a command that may have that many files open."""
    return ("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh")


@pytest.mark.parametrize(
    ("files", "senders"),
    [
        (12, 1),
        pytest.param(8, 1, marks=pytest.mark.slow),
        pytest.param(9, 1, marks=pytest.mark.slow),
        pytest.param(16, 1, marks=pytest.mark.slow),
        pytest.param(30, 1, marks=pytest.mark.slow),
        # Enough for the first connections, not for the last ones.
        (56, 16),
        pytest.param(44, 16, marks=pytest.mark.slow),
        pytest.param(70, 16, marks=pytest.mark.slow),
    ],
)
def test_a_receiver_without_enough_descriptors_ends_with_one_line(files: int, senders: int) -> None:
    addresses = [word for _ in range(senders) for word in ("--connect", free_address())]
    with rankcast("receive", *addresses, launcher=limited(files)) as receiver:
        assert receiver.wait(END_S) == 1, receiver.lines
        receiver.wait_line("Too many open files")
    assert "Too many open files" in receiver.lines[-1]
    assert not any("Traceback" in line for line in receiver.lines)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_receiver_that_has_just_enough_descriptors_obeys_a_signal(number: signal.Signals) -> None:
    with rankcast("receive", "--connect", free_address(), launcher=limited(44)) as receiver:
        receiver.wait_line("sender dead")
        assert receiver.stop(number) == 0
