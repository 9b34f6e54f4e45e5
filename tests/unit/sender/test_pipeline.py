"""The sender's path from grab to publish, with fake sources and a real viewer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from rankcast.errors import SourceError, UnsupportedImageError
from rankcast.frame import Frame
from rankcast.runtime import CAMERA_GAP, ENCODE, MAILBOX, NOBODY_WATCHING
from rankcast_receiver import Subscriber
from rankcast_sender import Publisher
from rankcast_sender.pacing import GrabOptions
from rankcast_sender.pipeline import CameraPipeline
from support.fakes import FakeSource, free_address, picture

WAIT_S = 10.0


@pytest.fixture
def address() -> str:
    return free_address()


def frames(count: int) -> list[Frame]:
    return [Frame(picture(n % 256), frame=n) for n in range(count)]


class Watcher:
    """A subscriber that keeps the frame numbers it gets, in a thread of its own."""

    def __init__(self, address: str) -> None:
        self.numbers: list[int] = []
        self._thread = threading.Thread(target=self._watch, args=(address,))
        self._thread.start()

    def _watch(self, address: str) -> None:
        with Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber:
            self.numbers = [frame.frame for frame in subscriber]

    def join(self) -> list[int]:
        self._thread.join(2 * WAIT_S)
        return self.numbers


@pytest.fixture
def watcher(address: str) -> Iterator[Watcher]:
    watcher = Watcher(address)
    yield watcher
    watcher.join()


def test_without_real_time_every_frame_is_published(address: str, watcher: Watcher) -> None:
    with Publisher(address, codec="raw", realtime=False, linger_s=5) as publisher:
        source: list[FakeSource] = []

        def open_source() -> FakeSource:
            source.append(FakeSource(frames(50)))
            return source[0]

        pipeline = CameraPipeline(open_source, publisher, GrabOptions(wait_viewers=1))
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        publisher.close()
        balance = publisher.balance()
    assert watcher.join() == list(range(50))
    assert (balance.entered, balance.passed, dict(balance.lost)) == (50, 50, {})
    # Who opens closes, in the same thread.
    assert source[0].closed_in is source[0].opened_in


def test_frames_that_the_source_lost_are_camera_gaps(address: str, watcher: Watcher) -> None:
    with Publisher(address, codec="raw", realtime=False, linger_s=5) as publisher:
        pipeline = CameraPipeline(
            lambda: FakeSource(frames(4), gaps_before=(0, 2, 0, 1)),
            publisher,
            GrabOptions(wait_viewers=1),
        )
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        publisher.close()
        balance = publisher.balance()
    assert watcher.join() == [0, 1, 2, 3]
    assert balance.lost == {CAMERA_GAP: 3}
    assert (balance.entered, balance.under_way) == (7, 0)


def test_in_real_time_the_newest_frame_wins_and_replaced_ones_are_counted(
    address: str, watcher: Watcher
) -> None:
    # Frames come as fast as they can be made; noise at 1 MB each is slower to send than that.
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
    source = [Frame(noise, frame=n) for n in range(200)]
    with Publisher(address, codec="jpeg", quality=100) as publisher:
        pipeline = CameraPipeline(
            lambda: FakeSource(source, live=True), publisher, GrabOptions(wait_viewers=1)
        )
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        publisher.close()
        balance = publisher.balance()
    numbers = watcher.join()
    assert balance.lost[MAILBOX] > 0
    assert balance.entered == 200
    assert balance.under_way == 0
    assert numbers == sorted(numbers)
    assert numbers[-1] == 199, "the newest frame must not be the one that is lost"


def test_nothing_is_encoded_without_viewers_and_the_source_goes_on(address: str) -> None:
    with Publisher(address, codec="raw", realtime=False) as publisher:
        pipeline = CameraPipeline(lambda: FakeSource(frames(20)), publisher, GrabOptions())
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        balance = publisher.balance()
        assert publisher.packet_bytes == 0
    assert balance.lost == {NOBODY_WATCHING: 20}


def test_a_frame_limit_ends_the_stream(address: str) -> None:
    with Publisher(address, codec="raw", realtime=False) as publisher:
        pipeline = CameraPipeline(lambda: FakeSource(frames(20)), publisher, GrabOptions(frames=7))
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        assert publisher.balance().entered == 7


def test_a_source_that_fails_to_open_is_the_owners_exception(address: str) -> None:
    def open_source() -> FakeSource:
        raise SourceError("no camera at /dev/video7")

    with Publisher(address, codec="raw") as publisher:
        pipeline = CameraPipeline(open_source, publisher, GrabOptions())
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        with pytest.raises(SourceError, match="video7"):
            pipeline.join()
        assert publisher.state == "failed"


def test_a_source_that_fails_later_delivers_first_and_fails_then(
    address: str, watcher: Watcher
) -> None:
    with Publisher(address, codec="raw", realtime=False, linger_s=5) as publisher:
        pipeline = CameraPipeline(
            lambda: FakeSource(frames(5), fails_with=SourceError("unplugged")),
            publisher,
            GrabOptions(wait_viewers=1),
        )
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        with pytest.raises(SourceError, match="unplugged"):
            pipeline.join()
    assert watcher.join() == [0, 1, 2, 3, 4]


def test_settings_that_do_not_fit_the_camera_end_the_stream_at_its_first_frame(
    address: str, watcher: Watcher
) -> None:
    deep = [Frame(picture(dtype=np.uint16)), Frame(picture(dtype=np.uint16))]
    with Publisher(address, codec="jpeg", realtime=False) as publisher:
        pipeline = CameraPipeline(lambda: FakeSource(deep), publisher, GrabOptions(wait_viewers=1))
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        with pytest.raises(UnsupportedImageError, match="16"):
            pipeline.join()
    assert watcher.join() == []


def test_options_that_were_set_before_the_first_viewer_and_do_not_fit_are_undone(
    address: str, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    """The first frame is encoded when somebody watches, perhaps hours after a `set`."""
    with Publisher(address, codec="svd", rank=2, realtime=False, linger_s=5) as publisher:
        publisher.set(rank=300)
        pipeline = CameraPipeline(
            lambda: FakeSource(frames(5)), publisher, GrabOptions(wait_viewers=1)
        )
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        publisher.close()
        assert publisher.settings["rank"] == 2
        assert publisher.balance().lost == {}
    assert watcher.join() == [0, 1, 2, 3, 4]
    assert [record.getMessage() for record in caplog.records if "undone" in record.message] == [
        "cam: options undone, frame 0 could not be coded with them: "
        "got rank 300, want at most min(H, W) = 24"
    ]


def test_an_odd_frame_later_costs_itself_only(address: str, watcher: Watcher) -> None:
    mixed = [
        Frame(picture(), frame=0),
        Frame(picture(dtype=np.uint16), frame=1),
        Frame(picture(), frame=2),
    ]
    with Publisher(address, codec="jpeg", realtime=False, linger_s=5) as publisher:
        pipeline = CameraPipeline(lambda: FakeSource(mixed), publisher, GrabOptions(wait_viewers=1))
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        assert publisher.balance().lost == {ENCODE: 1}
    assert watcher.join() == [0, 2]


def test_stopping_ends_a_pipeline_that_waits_for_viewers(address: str) -> None:
    with Publisher(address, codec="raw") as publisher:
        pipeline = CameraPipeline(
            lambda: FakeSource(frames(5)), publisher, GrabOptions(wait_viewers=1)
        )
        pipeline.start()
        pipeline.stop()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        assert publisher.balance().entered == 0


def test_a_replay_in_real_time_keeps_its_pace(address: str, watcher: Watcher) -> None:
    with Publisher(address, codec="raw") as publisher:
        pipeline = CameraPipeline(
            lambda: FakeSource(frames(4), fps=2.0), publisher, GrabOptions(wait_viewers=1)
        )
        started_s = time.monotonic()
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        assert time.monotonic() - started_s >= 1.5
    assert watcher.join() == [0, 1, 2, 3]


def test_a_camera_that_fails_is_opened_again_and_its_frame_numbers_go_on(
    address: str, watcher: Watcher
) -> None:
    states: list[str] = []
    opened: list[FakeSource] = []
    with Publisher(address, codec="raw", realtime=False, linger_s=5) as publisher:

        def open_source() -> FakeSource:
            states.append(publisher.state)
            if len(states) == 2:
                raise SourceError("camera:0 cannot be opened")
            gone = SourceError("unplugged") if len(states) == 1 else None
            opened.append(FakeSource(frames(3), live=True, gaps_before=(1,), fails_with=gone))
            return opened[-1]

        options = GrabOptions(wait_viewers=1, retry=True)
        pipeline = CameraPipeline(open_source, publisher, options)
        pipeline.start()
        assert pipeline.wait(WAIT_S)
        pipeline.join()
        publisher.close()
        balance = publisher.balance()
    assert states == ["opening", "backoff", "backoff"]
    assert pipeline.failures == 2
    assert watcher.join() == [0, 1, 2, 3, 4, 5]
    assert (balance.passed, dict(balance.lost)) == (6, {CAMERA_GAP: 2})
    assert all(source.closed_in is source.opened_in for source in opened)


def test_the_pause_before_the_next_try_ends_when_the_sender_stops(address: str) -> None:
    def open_source() -> FakeSource:
        raise SourceError("camera:0 cannot be opened")

    with Publisher(address, codec="raw") as publisher:
        pipeline = CameraPipeline(open_source, publisher, GrabOptions(retry=True))
        pipeline.start()
        assert not pipeline.wait(1.5)
        assert publisher.status().state == "backoff"
        pipeline.join()
        assert pipeline.failures >= 1


class SlowCamera(FakeSource):
    """A live source whose frames a test releases one by one."""

    def __init__(self, frame_interval_s: float) -> None:
        self._released = threading.Semaphore(0)
        super().__init__(
            frames(100),
            live=True,
            frame_interval_s=frame_interval_s,
            gate=self._released.acquire,
        )

    def release(self, count: int = 1) -> None:
        self._released.release(count)

    def interrupt(self) -> None:
        self.release()


@pytest.mark.parametrize("slow", [True, False])
def test_between_two_frames_a_slow_camera_is_live_and_its_thread_is_no_hanging_one(
    address: str, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    monkeypatch.setattr("rankcast_sender.camera.source_state.STALLED_S", 0.2)
    source = SlowCamera(4.0 if slow else 1 / 30)
    with Publisher(address, codec="raw") as publisher:
        pipeline = CameraPipeline(lambda: source, publisher, GrabOptions())
        pipeline.start()
        source.release(2)
        publisher.wait_viewers(1, WAIT_S, stopped=lambda: publisher.balance().entered == 2)
        publisher.wait_viewers(1, 0.5)  # a pause after the second frame
        in_2_s = time.monotonic() + 2.0
        silent = [pulse.name for pulse in pipeline.pulses if pulse.silent_s(in_2_s) > 1.0]
        status = publisher.status()
        pipeline.join()
    assert status.state == ("live" if slow else "stalled")
    assert status.frame_interval_s == source.frame_interval_s
    assert silent == ([] if slow else ["grab of cam"])
