"""How far an announcement goes, between two networks that a cable joins."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.own_network import own_network
from support.processes import WAIT_S, rankcast, rankcast_environment
from support.viewers import Sender, sending

pytestmark = pytest.mark.slow

STATION, VIEWER = "10.77.0.1", "10.77.0.2"
PORT = 5555
FIND = (
    "import sys\nfrom rankcast.commands.find import find\nfrom rankcast.runtime.runner import run\n"
    "sys.exit(run(find, ['--json', '--timeout', '2'], 'rankcast find'))"
)
HEARD = f"""
import socket, struct, time
from zeroconf import DNSOutgoing, DNSQuestion
group = socket.inet_aton('224.0.0.251')
shared = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
shared.bind(('', 5353))
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(('{VIEWER}', 0))
for each in (shared, own):
    each.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('{VIEWER}'))
    each.setblocking(False)
shared.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton('{VIEWER}'))
packets = []
for unicast in (0, 0x8000):
    out = DNSOutgoing(0)
    out.add_question(DNSQuestion('_rankcast._tcp.local.', 12, 1 | unicast))
    packets += out.packets()
heard, ends = 0, time.monotonic() + 3
while time.monotonic() < ends:
    for packet in packets:
        for each in (shared, own):
            for to in ('224.0.0.251', '{STATION}'):
                each.sendto(packet, (to, 5353))
    time.sleep(0.3)
    for each in (shared, own):
        try:
            while True:
                heard += each.recvfrom(9000)[1][0] == '{STATION}'
        except OSError:
            pass
print(heard)
"""
"""Asks in every way there is, and prints how many packets came from the station."""


def pid_of(launcher: Sequence[str]) -> str:
    return launcher[launcher.index("-t") + 1]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Launchers of processes at the camera station and at the viewer."""
    folders = [tmp_path / "station", tmp_path / "viewer"]
    for folder in folders:
        folder.mkdir()
    with own_network(folders[0]) as station, own_network(folders[1]) as viewer:
        cable = f"ip link add rk0 netns {pid_of(station)} type veth peer name rk0 netns " + pid_of(
            viewer
        )
        done = subprocess.run(cable.split(), capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no virtual cable here: {done.stderr.strip()}")
        for launcher, address in ((station, STATION), (viewer, VIEWER)):
            for command in (f"ip addr add {address}/24 dev rk0", "ip link set rk0 up"):
                subprocess.run([*launcher, *command.split()], check=True)
        yield station, viewer


@contextmanager
def announced(folder: Path, launcher: Sequence[str], *options: str, host: str) -> Iterator[Sender]:
    with sending(folder, *options, address=f"tcp://{host}:{PORT}", launcher=launcher,
                 RANKCAST_SEND__DISCOVERY__ENABLED="true") as sender:  # fmt: skip
        sender.process.wait_line("announced by mDNS")
        yield sender


def output(launcher: Sequence[str], script: str) -> str:
    return subprocess.run(
        [*launcher, sys.executable, "-c", script],
        capture_output=True, text=True, timeout=WAIT_S, env=rankcast_environment(),
    ).stdout  # fmt: skip


def test_a_sender_at_loopback_is_not_heard_by_another_machine_however_it_asks(
    tmp_path: Path, machines: tuple[Sequence[str], Sequence[str]]
) -> None:
    station, viewer = machines
    with announced(tmp_path, station, host="127.0.0.1"):
        assert output(viewer, HEARD).strip() == "0"
        assert json.loads(output(viewer, FIND)) == {"cameras": []}
        assert len(json.loads(output(station, FIND))["cameras"]) == 1


@pytest.mark.parametrize("host", ["*", STATION])
def test_a_sender_that_others_can_reach_is_found_received_and_gone(
    tmp_path: Path, machines: tuple[Sequence[str], Sequence[str]], host: str
) -> None:
    station, viewer = machines
    with announced(tmp_path, station, "--insecure", host=host) as sender:
        assert int(output(viewer, HEARD)) > 0
        (camera,) = json.loads(output(viewer, FIND))["cameras"]
        assert camera["addresses"] == [STATION]
        with rankcast("receive", "--connect", "cam", "--frames", "3",
                      launcher=viewer) as receiver:  # fmt: skip
            assert receiver.wait() == 0, receiver.lines
        assert sender.process.stop(signal.SIGTERM) == 0
    assert json.loads(output(viewer, FIND)) == {"cameras": []}
