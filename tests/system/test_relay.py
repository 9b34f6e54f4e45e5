"""One uplink feeds many viewers: `rankcast relay` between real senders and viewers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from rankcast.errors import RequestRefusedError
from rankcast.net import ControlClient, Role, control_endpoint
from rankcast.wire import TOKEN_BYTES, Kind, frames_topic, token_of, unpack, viewer_topic
from rankcast_receiver.state import State
from support.fakes import free_address
from support.keyed_station import KeyedStation
from support.relaying import ROOMY, relaying
from support.viewers import (
    WAIT_S,
    Viewer,
    check_all_arrived_or_counted,
    sending,
)

ONE_GROUP = ("--set", "codec.gop=100000", "--set", "codec.keyframe_interval_s=0")
SMALL = "synthetic:conveyor?width=160&height=128&fps=30"
JOINS = 50


def test_packets_arrive_behind_a_relay_as_they_were_sent(tmp_path: Path) -> None:
    with (
        sending(tmp_path, "--wait-viewers", "1", "--frames", "120", *ROOMY, source=SMALL) as sender,
        relaying(tmp_path, sender.address, options=ROOMY) as relay,
        Viewer(relay.address, live=False) as viewer,
    ):
        balance = viewer.finish()
        assert sender.process.wait() == 0
        report = relay.stop()
    check_all_arrived_or_counted(balance, sender.report())
    assert balance.lost.get("network_gap", 0) == 0
    assert report["lost"] == {}
    assert report["forwarded"] == sender.report()["published"]


def join_once(address: str) -> float:
    """Join as a viewer does, wait for the catch-up, and leave; return how long that took."""
    token, began = os.urandom(TOKEN_BYTES), time.monotonic()
    with zmq.Context() as context, context.socket(zmq.XSUB) as socket:
        socket.linger = 0
        socket.connect(address)
        for topic in (frames_topic("cam"), viewer_topic(token, "cam")):
            socket.send(b"\1" + topic)
        while socket.poll(int(1000 * WAIT_S)):
            message = socket.recv()
            found = token_of(memoryview(message))
            if found is not None:
                assert found[0] == token, "what another viewer alone should get"
                return time.monotonic() - began
            # Where a frame was lost on the uplink, everybody gets the key frame behind it.
            if message.startswith(frames_topic("cam")):
                packet = unpack(message[len(frames_topic("cam")) :])
                if packet.header.kind is Kind.KEY:
                    return time.monotonic() - began
    raise AssertionError("no catch-up came")


@pytest.mark.slow
def test_fifty_viewers_join_in_the_middle_of_a_group_without_a_word_to_the_camera(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with (
        sending(tmp_path, *ONE_GROUP, source=SMALL) as sender,
        relaying(tmp_path, sender.address) as relay,
    ):
        with Viewer(relay.address) as first:
            first.wait_more(60)  # longer than a catch-up may be
            took_s = sorted(join_once(relay.address) for _ in range(JOINS))
            with Viewer(relay.address) as last:
                last.wait_more(10)
                assert last.subscriber.balance().lost.get("waiting_for_keyframe", 0) < 30
            first.wait_more(1)
        report = relay.stop()
        sender.stop()
    figure(f"{JOINS} joins: median {1e3 * took_s[JOINS // 2]:.0f} ms, first {took_s[-1]:.2f} s, "
           f"{report['references']} references, {report['catch_ups']} catch-ups")  # fmt: skip
    assert report["catch_ups"] >= JOINS // 2
    assert report["references"] <= JOINS / 2
    # Those of the relay itself, as it joined the camera.
    assert report["cameras"]["cam"]["keyframe_requests"] <= 3
    assert sender.report()["cameras"]["cam"]["published"] > 60


@pytest.mark.slow
def test_a_viewer_outlives_the_restarts_of_the_camera_and_is_told_what_the_relay_lost(
    tmp_path: Path,
) -> None:
    with sending(tmp_path, source=SMALL) as sender:
        address = sender.address
        with (
            relaying(tmp_path, address) as relay,
            Viewer(relay.address, camera="cam", stay=True) as viewer,
        ):
            viewer.wait_more(10)
            sender.process.process.kill()
            killed = time.monotonic()
            viewer.wait_state(State.NETWORK_DEAD, killed)
            detail = viewer.subscriber.states[0].detail
            assert f"the relay gets no pictures from {address}: " in detail
            with sending(tmp_path, source=SMALL, address=address) as second:
                first_stream = viewer.seen[-1].stream_id
                viewer.wait_for(lambda seen: seen[-1].stream_id != first_stream)
                viewer.wait_more(10)
                second.stop()
                viewer.wait_state(State.ENDED, killed)
            assert viewer.subscriber.reconnects == 0
            report = relay.stop()
    assert report["cameras"]["cam"]["state"] == "ended"


@pytest.mark.slow
def test_a_viewer_goes_on_with_a_relay_that_was_killed_and_started_again(tmp_path: Path) -> None:
    with sending(tmp_path, *ONE_GROUP, source=SMALL) as sender:
        with relaying(tmp_path, sender.address) as relay:
            viewer = Viewer(relay.address, stay=True)
            with viewer:
                viewer.wait_more(10)
                relay.process.process.kill()
                relay.process.process.wait()
                killed = time.monotonic()
                viewer.wait_state(State.SENDER_DEAD, killed)
                with relaying(tmp_path, sender.address, address=relay.address) as second:
                    viewer.wait_more(20)
                    second.stop()
                balance = viewer.stop()
        sender.stop()
    # The stream is the same; what was encoded meanwhile is counted.
    assert balance.entered == balance.passed + sum(balance.lost.values())


@pytest.mark.slow
def test_requests_reach_the_camera_with_the_key_of_the_relay_and_roles_hold_at_the_relay(
    tmp_path: Path,
) -> None:
    station = KeyedStation(tmp_path)
    station.make("relay", Role.OPERATOR)
    site = tmp_path / "site"
    site.mkdir()
    viewers = KeyedStation(site)
    viewers.make("boss", Role.OPERATOR)
    viewers.make("anna", Role.VIEWER)
    keys = (
        "--key", str(tmp_path / "relay.key"), "--server-key", str(tmp_path / "cam.pub"),
        "--authorized", str(viewers.authorized),
    )  # fmt: skip
    with (
        station.sending(source=SMALL) as sender,
        relaying(tmp_path, sender.address, options=keys) as relay,
    ):
        relay.process.wait_match("cam: live, .* passed on [1-9]")
        relay_key = str(tmp_path / "relay")
        boss, anna = viewers.curves("boss", relay_key), viewers.curves("anna", relay_key)
        with ControlClient(control_endpoint(relay.address), boss) as client:
            assert client.call("set", "cam", {"quality": 33}, timeout_s=WAIT_S).result == {
                "quality": 33
            }
            assert client.call("get", "cam", timeout_s=WAIT_S).result["quality"] == 33
            original = client.call("original", "cam", timeout_s=WAIT_S)
            assert original.packet
            status = client.call("status", "cam", timeout_s=WAIT_S).result
            assert status["keys"]["authorized"] == 2
            assert status["relay"]["hops"] == 1
        with ControlClient(control_endpoint(relay.address), anna) as client:
            for op in ("set", "original", "record"):
                with pytest.raises(RequestRefusedError, match="needs an operator key"):
                    client.call(op, "cam", {}, timeout_s=WAIT_S)
        with Viewer(relay.address, curves=anna) as viewer:
            viewer.wait_more(5)
            (viewers.authorized / "anna.pub").unlink()
            viewer.wait_state(State.KEY_REFUSED, time.monotonic() - 1)
        relay.stop()
        sender.stop()


@pytest.mark.slow
def test_every_frame_of_a_lossless_sender_arrives_behind_two_relays(tmp_path: Path) -> None:
    frames, address = 200, free_address()
    with (
        relaying(tmp_path, address, options=("--no-realtime",)) as first,
        relaying(tmp_path, first.address, options=("--no-realtime",)) as second,
        Viewer(second.address, lambda _: time.sleep(0.005), live=False) as viewer,  # a slow disk
        sending(tmp_path, "--no-realtime", "--wait-viewers", "1", "--frames", str(frames),
                source="synthetic:conveyor?width=96&height=96&fps=200", address=address) as sender,
    ):  # fmt: skip
        balance = viewer.finish(2 * WAIT_S)
        second.stop()
        first.stop()
        assert sender.process.wait() == 0
    assert sender.report()["published"] == frames
    assert (balance.entered, balance.passed) == (frames, frames)
