"""Real senders that are announced, found by name and gone again, on a network of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rankcast.errors import NoStreamError
from rankcast.net import KnownCameras, Role, authorize, fingerprint, new_key, read_public
from support.own_network import own_network
from support.processes import WAIT_S, rankcast, rankcast_environment
from support.viewers import SMALL, Sender, sending

PORT = 5555
ON = {"RANKCAST_SEND__DISCOVERY__ENABLED": "true"}
FIND = (
    "import sys\nfrom rankcast.commands.find import find\nfrom rankcast.runtime.runner import run\n"
    "sys.exit(run(find, sys.argv[1:], 'rankcast find'))"
)
"""The command, whether or not this checkout is installed."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Sequence[str]]:
    folder = tmp_path / "network"
    folder.mkdir()
    with own_network(folder) as launcher:
        yield launcher


def find(launcher: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*launcher, sys.executable, "-c", FIND, *options],
        capture_output=True, text=True, timeout=WAIT_S, env=rankcast_environment(),
    )  # fmt: skip


def cameras(launcher: Sequence[str]) -> list[dict[str, Any]]:
    found = json.loads(find(launcher, "--json", "--timeout", "1.2").stdout)["cameras"]
    assert isinstance(found, list)
    return found


def both_answer(launcher: Sequence[str]) -> None:
    """Raise unless two cameras are announced.

    Who has just multicast its records answers a second later, after a short search has ended.
    During this long one, every answer is over.
    """
    found = json.loads(find(launcher, "--json", "--timeout", "3").stdout)["cameras"]
    assert len(found) == 2, found


@contextmanager
def announced(
    folder: Path, launcher: Sequence[str], *options: str, name: str = "line3",
    address: str = f"tcp://127.0.0.1:{PORT}", **environment: str,
) -> Iterator[Sender]:  # fmt: skip
    """Start a sender, and wait until it is announced."""
    with sending(folder, "--name", name, *options, address=address, launcher=launcher,
                 **{**ON, **environment}) as sender:  # fmt: skip
        sender.process.wait_line("announced by mDNS")
        yield sender


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Keys of two senders and a viewer, who is admitted."""
    folder = tmp_path / "keys"
    for name in ("line3", "impostor", "viewer1"):
        new_key(folder, name)
    authorize(folder / "viewer1.pub", tmp_path / "authorized", Role.VIEWER)
    return folder


def of_key(keys: Path, name: str) -> tuple[str, ...]:
    return ("--key", str(keys / f"{name}.key"), "--authorized", str(keys.parent / "authorized"))


def test_a_sender_is_found_by_its_name_received_and_gone_after_its_end(
    tmp_path: Path, network: Sequence[str], figure: Callable[[str], None]
) -> None:
    with announced(tmp_path, network, "--codec", "svd-patch") as sender:
        (camera,) = cameras(network)
        assert (camera["camera"], camera["endpoint"]) == ("line3", f"tcp://127.0.0.1:{PORT}")
        assert (camera["width"], camera["height"]) == (320, 240)
        assert (camera["codec"], camera["fingerprint"]) == ("svd-patch", None)
        for name in ("line3", camera["name"]):
            began_s = time.monotonic()
            with rankcast("receive", "--connect", name, "--frames", "3",
                          launcher=network) as receiver:  # fmt: skip
                assert receiver.wait() == 0, receiver.lines
                receiver.wait_line("line3: live")
            figure(f"{name}: three frames {time.monotonic() - began_s:.1f} s after the start")
        assert sender.process.stop(signal.SIGTERM) == 0
    done = find(network)
    assert (done.returncode, done.stdout) == (4, "")
    assert "no camera is announced" in done.stderr


@pytest.mark.slow
def test_a_sender_that_was_killed_is_not_found(tmp_path: Path, network: Sequence[str]) -> None:
    with announced(tmp_path, network) as sender:
        sender.process.signal(signal.SIGKILL)
        sender.process.wait()
    assert cameras(network) == []


@pytest.mark.slow
def test_no_announce_and_the_setting_make_a_sender_invisible(
    tmp_path: Path, network: Sequence[str]
) -> None:
    off = {"RANKCAST_SEND__DISCOVERY__ENABLED": "false"}
    with (
        sending(tmp_path, "--no-announce", address=f"tcp://127.0.0.1:{PORT}", launcher=network,
                **ON) as first,
        sending(tmp_path, address=f"tcp://127.0.0.1:{PORT + 1}", launcher=network, **off) as second,
        announced(tmp_path, network, name="seen", address=f"tcp://127.0.0.1:{PORT + 2}"),
    ):  # fmt: skip
        assert [camera["camera"] for camera in cameras(network)] == ["seen"]
        for sender in (first, second):
            assert not any("mDNS" in line for line in sender.process.lines)


@pytest.mark.slow
def test_all_cameras_of_a_sender_are_announced_and_each_is_received_alone(
    tmp_path: Path, network: Sequence[str]
) -> None:
    config = tmp_path / "sender.toml"
    config.write_text("".join(
        f'[[camera]]\nname = "{name}"\nsource = "{SMALL}"\n' for name in ("left", "right")
    ))  # fmt: skip
    with rankcast("send", "--config", str(config), launcher=network, **ON) as sender:
        sender.wait_line("announced by mDNS as left@")
        assert [camera["camera"] for camera in cameras(network)] == ["left", "right"]
        with rankcast("receive", "--connect", "right", "--frames", "3", "--verbose",
                      launcher=network) as receiver:  # fmt: skip
            assert receiver.wait() == 0, receiver.lines
            assert not any("left" in line for line in receiver.lines)


@pytest.mark.slow
def test_the_first_key_is_pinned_and_an_impostor_is_refused(
    tmp_path: Path, network: Sequence[str], keys: Path
) -> None:
    mine = ("receive", "--connect", "line3", "--frames", "3", "--key", str(keys / "viewer1.key"))
    public = read_public(keys / "line3.pub").public
    with announced(tmp_path, network, *of_key(keys, "line3")) as sender:
        sender.process.wait_line(fingerprint(public))
        assert cameras(network)[0]["fingerprint"] == fingerprint(public)
        for expected in ("is new", "line3: live"):
            with rankcast(*mine, launcher=network) as receiver:
                assert receiver.wait() == 0, receiver.lines
                receiver.wait_line(expected)
                receiver.wait_line("every camera that its key may see")
        assert KnownCameras(keys / "known_cameras").key_of("line3") == public
    with (
        announced(tmp_path, network, *of_key(keys, "impostor")),
        rankcast(*mine, launcher=network) as receiver,
    ):
        assert receiver.wait() == NoStreamError.exit_code
        line = receiver.wait_line("as before: somebody may impersonate it")
        assert fingerprint(public) in line
        assert "Traceback" not in "".join(receiver.lines)


@pytest.mark.slow
def test_a_receiver_that_stays_outlasts_an_impostor_and_receives_the_true_camera(
    tmp_path: Path, network: Sequence[str], keys: Path
) -> None:
    public = read_public(keys / "line3.pub").public
    KnownCameras(keys / "known_cameras").add("line3", public)
    with (
        announced(tmp_path, network, *of_key(keys, "impostor")),
        rankcast("receive", "--connect", "line3", "--stay", "--key", str(keys / "viewer1.key"),
                 launcher=network) as receiver,
    ):  # fmt: skip
        receiver.wait_line("as before: somebody may impersonate it")
        with announced(tmp_path, network, *of_key(keys, "line3"),
                       address=f"tcp://127.0.0.1:{PORT + 1}"):  # fmt: skip
            receiver.wait_line("line3: live")
        assert receiver.stop(signal.SIGTERM) == 0, receiver.lines
        assert sum("impersonate" in line for line in receiver.lines) == 1
        receiver.wait_line("searches that met wrong announcements")


@pytest.mark.slow
def test_two_senders_of_one_name_end_a_receiver_or_let_it_wait_until_one_of_them_ends(
    tmp_path: Path, network: Sequence[str]
) -> None:
    mine = ("receive", "--connect", "line3", "--frames", "3")
    with (
        announced(tmp_path, network),
        announced(tmp_path, network, address=f"tcp://127.0.0.1:{PORT + 1}") as second,
    ):
        both_answer(network)
        with rankcast(*mine, launcher=network) as receiver:
            assert receiver.wait() == NoStreamError.exit_code
            line = receiver.wait_line("is announced by 2 senders")
            assert f"tcp://127.0.0.1:{PORT}" in line
            assert f"tcp://127.0.0.1:{PORT + 1}" in line
        both_answer(network)
        with rankcast(*mine, "--timeout", "60", launcher=network) as receiver:
            receiver.wait_line("is announced by 2 senders")
            assert second.process.stop(signal.SIGTERM) == 0
            assert receiver.wait() == 0, receiver.lines


@pytest.mark.slow
def test_a_receiver_waits_for_a_camera_that_is_not_announced_yet(
    tmp_path: Path, network: Sequence[str]
) -> None:
    with rankcast("receive", "--connect", "line3", "--frames", "3", launcher=network) as receiver:
        receiver.wait_line("not announced by mDNS: line3; still looking")
        with announced(tmp_path, network):
            assert receiver.wait() == 0, receiver.lines


@pytest.mark.slow
def test_a_receiver_that_waits_for_a_camera_stops_at_once_and_gives_up_in_time(
    network: Sequence[str],
) -> None:
    with rankcast("receive", "--connect", "line3", launcher=network) as receiver:
        receiver.wait_line("still looking")
        assert receiver.stop(signal.SIGTERM) == 0, receiver.lines
    with rankcast("receive", "--connect", "line3", "--timeout", "1", launcher=network) as receiver:
        assert receiver.wait() == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "address", [f"tcp://127.0.0.3:{PORT}", f"tcp://127.0.0.2:{PORT + 10}"], ids=["host", "port"]
)
def test_a_sender_that_moves_to_another_address_is_found_again_by_its_name(
    tmp_path: Path, network: Sequence[str], keys: Path, address: str
) -> None:
    key = str(keys / "viewer1.key")
    with (
        announced(
            tmp_path, network, *of_key(keys, "line3"), address=f"tcp://127.0.0.2:{PORT}"
        ) as first,
        rankcast("receive", "--connect", "line3", "--stay", "--key", key, launcher=network,
                 RANKCAST_RECEIVE__LOG__STATUS_INTERVAL_S="1") as receiver,
    ):  # fmt: skip
        receiver.wait_line("line3: live")
        first.process.signal(signal.SIGKILL)
        first.process.wait()
        receiver.wait_line("the name line3 does not resolve: it is not announced by mDNS")
        with announced(tmp_path, network, *of_key(keys, "impostor"),
                       address=f"tcp://127.0.0.4:{PORT}"):  # fmt: skip
            receiver.wait_line("it is announced with the key SHA256:")
            said = len(receiver.lines)
            with announced(tmp_path, network, *of_key(keys, "line3"), address=address):
                receiver.wait_new_line("the sender has restarted", said)
                receiver.wait_new_line("line3: live", said)
                assert receiver.stop(signal.SIGTERM) == 0, receiver.lines


@pytest.mark.slow
def test_a_sender_whose_network_is_gone_streams_on_and_stops_in_time(
    tmp_path: Path, network: Sequence[str]
) -> None:
    with announced(tmp_path, network) as sender:
        subprocess.run([*network, "ip", "link", "set", "lo", "down"], check=True)
        said = len(sender.process.lines)
        sender.process.signal(signal.SIGTERM)
        began_s = time.monotonic()
        assert sender.process.wait() == 0, sender.process.lines[said:]
        assert time.monotonic() - began_s < 5.0


@pytest.mark.slow
def test_a_sender_that_cannot_use_port_5353_streams_on(
    tmp_path: Path, network: Sequence[str]
) -> None:
    holder = subprocess.Popen(
        [*network, sys.executable, "-c",
         "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
         "s.bind(('', 5353))\nprint('taken', flush=True)\nsys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        with (
            sending(tmp_path, address=f"tcp://127.0.0.1:{PORT}", launcher=network, **ON) as sender,
            rankcast("receive", "--frames", "30", launcher=network) as receiver,
        ):
            sender.process.wait_line("not announced by mDNS, the stream goes on: port 5353")
            assert receiver.wait() == 0, receiver.lines
            assert sender.process.stop(signal.SIGTERM) == 0
    finally:
        holder.communicate(timeout=WAIT_S)
