"""The fault proxy does what it says, and does it again from the same seed."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.faultproxy import FaultProxy
from support.faults import CALM, FAULTS, Corruption, Event, Faults, Flip, random_plan

DATA = random.Random(1).randbytes(300_000)


class Speaker:
    """A server that says `DATA` to whom asks with one byte, and then reads on."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard = bytearray()
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                try:
                    if peer.recv(1) == b"?":
                        peer.sendall(DATA)
                    while data := peer.recv(65536):
                        self.heard += data
                except OSError:
                    pass
                self.ended.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    opened = Speaker()
    yield opened
    opened.close()


@contextmanager
def client_of(proxy: FaultProxy) -> Iterator[socket.socket]:
    host, _, port = proxy.address.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        yield client


def read(client: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        data = client.recv(count - len(got))
        assert data, f"the line ended after {len(got)} of {count} bytes"
        got += data
    return bytes(got)


def ask(proxy: FaultProxy) -> bytes:
    with client_of(proxy) as client:
        client.sendall(b"?")
        return read(client, len(DATA))


def test_bytes_pass_both_ways_unchanged_and_are_counted(speaker: Speaker) -> None:
    with FaultProxy(speaker.address) as proxy:
        with client_of(proxy) as client:
            client.sendall(b"?")
            assert read(client, len(DATA)) == DATA
            client.sendall(b"thank you")
            proxy.wait_for(lambda counters: counters.bytes_to_target == 10)
        assert speaker.ended.wait(10)
        assert speaker.heard == b"thank you"
        counters = proxy.counters()
    assert (counters.connections, counters.bytes_to_client) == (1, len(DATA))
    assert counters.flips == []


def test_slices_and_latency_and_jitter_keep_every_byte_in_order(speaker: Speaker) -> None:
    faults = Faults(latency_s=0.1, jitter_s=0.04, slice_bytes=700)
    started = time.monotonic()
    with FaultProxy(speaker.address, faults) as proxy:
        assert ask(proxy) == DATA
    assert time.monotonic() - started >= 0.06


def test_a_rate_is_kept(speaker: Speaker) -> None:
    with FaultProxy(speaker.address, Faults(bytes_per_s=600_000)) as proxy:
        started = time.monotonic()
        assert ask(proxy) == DATA
        # Half a second in all; the last pause comes after the last byte.
        assert time.monotonic() - started > 0.4


def test_nothing_passes_a_stalled_line_until_it_resumes(speaker: Speaker) -> None:
    with FaultProxy(speaker.address) as proxy, client_of(proxy) as client:
        proxy.stall()
        client.sendall(b"?")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert proxy.counters().bytes_to_target == 0
        proxy.resume()
        client.settimeout(10)
        assert read(client, len(DATA)) == DATA


def test_a_reset_is_felt_at_both_ends_and_new_connections_pass(speaker: Speaker) -> None:
    with FaultProxy(speaker.address) as proxy:
        with client_of(proxy) as client:
            client.sendall(b"?")
            read(client, 1000)
            assert proxy.reset() == 1
            with pytest.raises(ConnectionResetError):
                read(client, len(DATA))
            assert speaker.ended.wait(10)
        assert ask(proxy) == DATA
        assert proxy.counters().resets == 1


def test_the_same_seed_flips_the_same_bits_however_the_bytes_are_cut(speaker: Speaker) -> None:
    faults = Faults(corrupt_every_bytes=20_000, corrupt_after_bytes=5_000)
    runs: list[list[Flip]] = []
    for slices in (0, 1000):
        cut = Faults(**{**{name: getattr(faults, name) for name in faults.__slots__},
                        "slice_bytes": slices})  # fmt: skip
        with FaultProxy(speaker.address, cut, seed=7) as proxy:
            got = ask(proxy)
            runs.append(proxy.counters().flips)
            expected = bytearray(DATA)
            for flip in runs[-1]:
                expected[flip.offset] ^= 1 << flip.bit
            assert got == bytes(expected)
    assert runs[0] == runs[1]
    assert 5 < len(runs[0]) < 40
    assert min(flip.offset for flip in runs[0]) >= 5_000


def test_flips_do_not_depend_on_the_borders_of_reads() -> None:
    faults = Faults(corrupt_every_bytes=50)
    whole, flips = Corruption(random.Random(3), 1).apply(DATA[:10_000], 0, faults)
    pieces, corruption, rng = bytearray(), Corruption(random.Random(3), 1), random.Random(4)
    again: list[Flip] = []
    while len(pieces) < 10_000:
        size = min(rng.randint(1, 300), 10_000 - len(pieces))
        data, more = corruption.apply(DATA[len(pieces) : len(pieces) + size], len(pieces), faults)
        pieces += data
        again += more
    assert bytes(pieces) == whole
    assert again == flips
    assert len(flips) > 100


def test_an_absent_target_is_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    with FaultProxy(address) as proxy:
        # The reset may even come while the client still connects.
        with pytest.raises(ConnectionResetError), client_of(proxy) as client:
            read(client, 1)
        proxy.wait_for(lambda counters: counters.refused == 1)


def test_closing_cuts_stalled_connections_too(speaker: Speaker) -> None:
    proxy = FaultProxy(speaker.address)
    with client_of(proxy) as client:
        proxy.wait_for(lambda counters: counters.connections == 1)
        proxy.stall()
        client.sendall(b"?")
        proxy.close()
        with pytest.raises(ConnectionResetError):
            read(client, 1)


def test_a_plan_is_the_same_from_its_seed_and_ends_calmly() -> None:
    plan = random_plan(5, 600.0, calm_s=10.0, fault_s=4.0)
    assert plan == random_plan(5, 600.0, calm_s=10.0, fault_s=4.0)
    assert plan != random_plan(6, 600.0, calm_s=10.0, fault_s=4.0)
    assert [event.at_s for event in plan] == sorted(event.at_s for event in plan)
    assert plan[-1] == Event(plan[-1].at_s, Faults())
    assert plan[-1].at_s <= 600.0
    assert {event.kind for event in plan} == {CALM, *FAULTS}
    for event in plan:
        assert (event.kind == "reset") == event.reset
        assert (event.kind == "stall") == event.stalled
        assert (event.kind == "flips") == (event.faults.corrupt_every_bytes > 0)
