"""Names of senders, between real processes in a network of their own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.own_network import own_network
from support.processes import rankcast, read_report
from support.viewers import SMALL, sending

Figure = Callable[[str], None]
PORT = 5555
FRAMES = 90


def in_network(folder: Path, launcher: Sequence[str], *options: str, address: str) -> Any:
    """Start a sender in the network of `launcher`."""
    return sending(folder, "--codec", "raw", *options, source=SMALL, address=address,
                   launcher=launcher)  # fmt: skip


@pytest.mark.slow
def test_a_name_that_no_server_answers_costs_another_sender_no_frame_and_no_time_at_the_end(
    tmp_path: Path, figure: Figure
) -> None:
    report = tmp_path / "r.json"
    with own_network(tmp_path) as launcher:
        address = f"tcp://127.0.0.1:{PORT}"
        with (
            rankcast("receive", "--connect", address, "--connect", "tcp://camera.example:5555",
                     "--set", "stream.mode=keep", "--report", str(report),
                     launcher=launcher) as receiver,
            in_network(tmp_path, launcher, "--wait-viewers", "1", "--frames", str(FRAMES),
                       address=address) as sender,
        ):  # fmt: skip
            assert sender.process.wait() == 0, sender.process.lines
            receiver.wait_line("does not resolve: no name server has answered")
            code = receiver.stop(signal.SIGTERM)
            assert code == 0, receiver.lines
    values = read_report(report)
    good = values["cameras"]["cam-1"]
    figure(f"{good['received']} of {FRAMES} frames, lost {good['lost']}")
    assert (good["received"], good["lost"]) == (good["published"], {})
    assert good["received"] >= FRAMES / 2, "what a busy sender did not publish, nobody misses"
    assert values["balanced"] is True


def test_a_receiver_of_nothing_but_such_a_name_ends_at_once(tmp_path: Path) -> None:
    with (
        own_network(tmp_path) as launcher,
        rankcast("receive", "--connect", "tcp://camera.example:5555",
                 launcher=launcher) as receiver,
    ):  # fmt: skip
        receiver.wait_line("no name server has answered")
        assert receiver.stop(signal.SIGTERM) == 0, receiver.lines


@pytest.mark.slow
def test_a_name_of_an_ipv6_address_alone_and_one_whose_first_addresses_are_dead_are_connected(
    tmp_path: Path,
) -> None:
    hosts = "::1 camera6.example\n127.0.0.2 camera.example\n127.0.0.1 camera.example\n"
    with (
        own_network(tmp_path, hosts) as launcher,
        in_network(tmp_path, launcher, address=f"tcp://[::1]:{PORT}"),
        in_network(tmp_path, launcher, address=f"tcp://127.0.0.1:{PORT + 1}"),
        rankcast("receive", "--connect", f"tcp://camera6.example:{PORT}", "--connect",
                 f"tcp://camera.example:{PORT + 1}", "--verbose", launcher=launcher) as receiver,
    ):  # fmt: skip
        receiver.wait_line("cam-1: live")
        receiver.wait_line("cam-2: live")
        assert receiver.stop(signal.SIGTERM) == 0, receiver.lines


@pytest.mark.slow
def test_a_link_local_address_is_bound_and_connected_with_its_interface(tmp_path: Path) -> None:
    setup = (
        "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; "
        "ip addr add fe80::1/64 dev v0 nodad"
    )
    address = f"tcp://[fe80::1%v0]:{PORT}"
    with (
        own_network(tmp_path, setup=setup) as launcher,
        in_network(tmp_path, launcher, "--insecure", address=address) as sender,
        rankcast("receive", "--connect", address, "--frames", "5", launcher=launcher) as receiver,
    ):
        assert receiver.wait() == 0, (receiver.lines, sender.process.lines)


@pytest.mark.slow
def test_a_sender_that_moves_to_another_address_is_found_by_its_name(
    tmp_path: Path, figure: Figure
) -> None:
    with (
        own_network(tmp_path, "127.0.0.2 camera.example\n") as launcher,
        rankcast("receive", "--connect", f"tcp://camera.example:{PORT}", "--stay",
                 launcher=launcher) as receiver,
    ):  # fmt: skip
        with in_network(tmp_path, launcher, address=f"tcp://127.0.0.2:{PORT}") as first:
            receiver.wait_line("cam: live")
            first.stop()
            said = len(receiver.lines)
        (tmp_path / "hosts").write_text("127.0.0.3 camera.example\n")
        with in_network(tmp_path, launcher, address=f"tcp://127.0.0.3:{PORT}") as second:
            second.wait_listening()
            listening = time.monotonic()
            receiver.wait_new_line("the sender has restarted", said)
            figure(f"live {time.monotonic() - listening:.1f} s after it listens elsewhere")
