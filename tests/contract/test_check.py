"""`--check` refuses what a start refuses, in the same words, and opens nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rankcast.errors import SettingsError
from rankcast.net import Role
from rankcast_receiver.cli import receive
from rankcast_sender.cli import send
from support.fakes import free_address
from support.keyed_station import KeyedStation

SOURCE = ("--source", "synthetic:conveyor", "--no-announce", "--frames", "1")
BOUNDED = ("--timeout", "1")
MISSING = "no-such-file"


@pytest.fixture
def station(tmp_path: Path) -> KeyedStation:
    made = KeyedStation(tmp_path)
    made.make("viewer1", Role.VIEWER)
    return made


def same_refusal(command: click.Command, *arguments: str) -> str:
    """Return the line with which a start ends, and `--check` too."""
    runner = CliRunner()
    checked = runner.invoke(command, [*arguments, "--check"])
    assert isinstance(checked.exception, SettingsError), checked.output
    assert checked.stdout == ""
    started = runner.invoke(command, arguments)
    assert isinstance(started.exception, SettingsError)
    assert str(started.exception) == str(checked.exception)
    return str(checked.exception)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (("--key", f"{MISSING}.key", "--authorized", "{authorized}"), MISSING),
        (("--key", "{folder}/cam.key", "--authorized", MISSING), MISSING),
        (("--metrics", "127.0.0.1:0", "--set", f"metrics.token={MISSING}"), "token"),
        (("--metrics", "0.0.0.0:9464"), "can be reached from other machines"),
        (("--metrics", "127.0.0.1:0", "--set", f"metrics.tls_cert={MISSING}",
          "--set", f"metrics.tls_key={MISSING}"), MISSING),
        (("--bind", "tcp://*:5555"), "can be reached from other machines"),
        (("--report", f"{MISSING}/report.json"), "folder does not exist"),
    ],
)  # fmt: skip
def test_a_sender_is_checked_as_it_starts(
    station: KeyedStation, wrong: tuple[str, ...], reason: str
) -> None:
    names = {"authorized": station.authorized, "folder": station.folder}
    options = [word.format(**names) for word in wrong]
    assert reason in same_refusal(send, *SOURCE, *options)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (("--key", f"{MISSING}.key", "--server-key", "{folder}/cam.pub"), MISSING),
        (("--key", "{folder}/viewer1.key", "--server-key", f"{MISSING}.pub"), MISSING),
        (("--key", f"{MISSING}.key", "--connect", "line3"), MISSING),
        (("--metrics", "127.0.0.1:0", "--set", f"metrics.token={MISSING}"), "token"),
        (("--metrics", "0.0.0.0:9465"), "can be reached from other machines"),
        (("--web", "127.0.0.1:0", "--web-token", MISSING), "token"),
        (("--web", "127.0.0.1:0", "--tls-cert", MISSING, "--tls-key", MISSING), MISSING),
        (("--web", "127.0.0.1:0", "--web-recordings", MISSING), MISSING),
        (("--models", MISSING), MISSING),
    ],
)
def test_a_receiver_is_checked_as_it_starts(
    station: KeyedStation, wrong: tuple[str, ...], reason: str
) -> None:
    options = [word.format(folder=station.folder) for word in wrong]
    assert reason in same_refusal(receive, *BOUNDED, *options)


def test_right_settings_are_printed_and_nothing_is_said(
    station: KeyedStation, tmp_path: Path
) -> None:
    sender = ("--key", str(station.folder / "cam.key"), "--authorized", str(station.authorized))
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    token.chmod(0o600)
    metrics = ("--metrics", "127.0.0.1:9464", "--set", f"metrics.token={token}")
    address = free_address()
    for command, arguments in (
        (send, (*SOURCE, "--bind", address, *sender)),
        (receive, ("--connect", address, *station.options("viewer1"))),
    ):
        done = CliRunner().invoke(command, [*arguments, *metrics, "--check"])
        assert (done.exit_code, done.stderr) == (0, ""), done.exception
        assert tomllib.loads(done.stdout)["metrics"]["token"] == str(token)
