"""The command line: what goes wrong with the output is one line and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rankcast.runtime.runner import run

# As the entry point does it, with a command that prints more than a pipe holds.
PRINTER = """
import sys
import click
from rankcast.runtime.runner import run

@click.command()
def printer():
    for _ in range(20_000):
        {how}

sys.exit(run(printer, [], "printer"))
"""
HOWS = ["click.echo('a line of output')", "print('a line of output')"]
needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")


def start(how: str, **streams: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PRINTER.format(how=how)],
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        **streams,  # type: ignore[call-overload]
    )


@needs_full
@pytest.mark.parametrize("how", [*HOWS, "print('a') if _ == 0 else None"])
def test_an_output_that_is_full_is_one_line_and_exit_code_1(how: str) -> None:
    with open("/dev/full", "wb") as full:
        process = start(how, stdout=full)
        _, said = process.communicate(timeout=50)
    assert process.returncode == 1
    assert said.decode().splitlines() == ["printer: No space left on device"]


@pytest.mark.parametrize("how", HOWS)
def test_a_reader_that_has_gone_ends_the_command_quietly(how: str) -> None:
    process = start(how, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=50) == 1
    assert said == b""


def test_an_error_of_the_system_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "absent\x1b.txt"

    @click.command()
    def reader() -> None:
        missing.read_bytes()

    assert run(reader, [], "reader") == 1
    assert capsys.readouterr().err == (
        f"reader: {tmp_path}/absent\\x1b.txt: No such file or directory\n"
    )
