"""The demo: its table, and how it starts its two processes."""

from __future__ import annotations

import io
import socket
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rankcast.commands import stream_run
from rankcast.commands.demo import TABLE_COLUMNS, _table
from rankcast.commands.stream_run import StreamRun, run_stream
from rankcast.errors import TransportError

GREY = "synthetic:conveyor?width=160&height=120&channels=grey&fps=50"


def finished(scale: float) -> StreamRun:
    """A run whose figures are `scale` times those of a fast one."""
    rng = np.random.default_rng(1)
    original = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    got = original ^ 1
    sent: dict[str, Any] = {"published": int(45 * scale), "lost": {"mailbox": int(scale)}}
    received: dict[str, Any] = {
        "delivered": int(44 * scale),
        "lost": {"network_gap": 1},
        "fps": 20.0 * min(scale, 10),
        "bytes_per_frame": 145_200.0 * min(scale, 60),
        "latency_ms": {"p50": 4.2 * scale, "p99": 9.9 * scale},
        "cpu_s": 0.4 * scale,
    }
    return StreamRun("svd", sent | {"cpu_s": 1.9 * scale}, received, {0: (original, got)})


@pytest.mark.parametrize("scale", [1.0, 90.0])
def test_every_run_is_one_row_that_fits_80_columns(scale: float) -> None:
    runs = [("svd rank 0.1", finished(scale)), ("svd-patch", finished(1.0))]
    out = io.StringIO()
    Console(file=out, width=TABLE_COLUMNS).print(_table(runs))
    lines = out.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= TABLE_COLUMNS == 80
    rows = [line for line in lines if line.startswith("svd")]
    assert len(rows) == 2
    assert "…" not in out.getvalue()
    for figure in (str(int(45 * scale)), str(int(44 * scale)), str(int(scale) + 1), "48.13",
                   f"{4.2 * scale:.0f}/{9.9 * scale:.0f}"):  # fmt: skip
        assert figure in rows[0].split(), rows[0]


def test_a_port_that_was_taken_meanwhile_is_changed_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = stream_run._free_port
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken: list[int] = [other.getsockname()[1]]
        monkeypatch.setattr(stream_run, "_free_port", lambda: taken.pop() if taken else choose())
        run = run_stream(GREY, "raw", {}, 9, tmp_path, lambda *_: None, lambda: False)
    assert not taken
    assert run is not None
    assert run.sent["grabbed"] == 9


@pytest.mark.slow
def test_a_machine_without_a_free_port_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        # Each try takes one port for frames and one for control.
        ports = cycle([port, stream_run._free_port()])
        monkeypatch.setattr(stream_run, "_free_port", lambda: next(ports))
        monkeypatch.setattr(stream_run, "PORT_TRIES", 2)
        with pytest.raises(TransportError, match=f"cannot listen at .*:{port}"):
            run_stream(GREY, "raw", {}, 9, tmp_path, lambda *_: None, lambda: False)


def test_a_stop_before_the_start_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(stream_run, "_Child")
    assert run_stream(GREY, "raw", {}, 9, tmp_path, lambda *_: None, lambda: True) is None
