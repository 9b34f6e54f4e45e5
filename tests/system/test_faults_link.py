"""Faults of a real link: one end in a network namespace of its own behind a pair of veth devices.

Rows 8 to 11 of the fault matrix, and a viewer whose machine vanishes. They need root, `ip` and
`nft` or `tc`, and are skipped with the reason where one is missing; test_faults_network.py covers
the ground of the rows with a proxy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from rankcast.runtime import NETWORK_GAP
from support.processes import rankcast
from support.viewers import Viewer, finish, joined, percentile, sending

pytestmark = pytest.mark.slow

Figure = Callable[[str], None]
PORT = 5555


def command(*words: str) -> None:
    """Run a command of the system; its words are the error."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"


def needs(*tools: str) -> None:
    """Skip where this machine has not what a real link needs."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine")


class Link:
    """A namespace at the far end of a veth pair."""

    def __init__(self) -> None:
        number = os.getpid() % 250
        self.name, self.near, self.far = f"rk{number}", f"rkn{number}", f"rkf{number}"
        self.address = f"tcp://10.213.{number}.2:{PORT}"
        self.near_address = f"tcp://10.213.{number}.1:{PORT}"
        self.launcher = ("ip", "netns", "exec", self.name)
        try:
            command("ip", "netns", "add", self.name)
            command("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far,
                    "netns", self.name)  # fmt: skip
        except AssertionError as exc:
            self.close()
            pytest.skip(f"no network namespace here: {exc}")
        command("ip", "addr", "add", f"10.213.{number}.1/24", "dev", self.near)
        command("ip", "link", "set", self.near, "up")
        self.inside("ip", "addr", "add", f"10.213.{number}.2/24", "dev", self.far)
        self.inside("ip", "link", "set", self.far, "up")
        self.inside("ip", "link", "set", "lo", "up")

    def inside(self, *words: str) -> None:
        """Run a command in the namespace."""
        command(*self.launcher, *words)

    def drop(self, *match: str) -> None:
        """Drop what leaves and what comes; with `match` only such packets."""
        self.inside("nft", "add", "table", "inet", "faults")
        for hook in ("input", "output"):
            chain = "{ type filter hook " + hook + " priority 0 ; }"
            self.inside("nft", "add", "chain", "inet", "faults", hook, chain)
            self.inside("nft", "add", "rule", "inet", "faults", hook, *match, "drop")

    def pass_all(self) -> None:
        """End what `drop` began."""
        self.inside("nft", "delete", "table", "inet", "faults")

    def close(self) -> None:
        """Take all down; the devices go with the namespace."""
        for words in (("ip", "link", "del", self.near), ("ip", "netns", "del", self.name)):
            subprocess.run(words, capture_output=True, timeout=20, check=False)


@pytest.fixture
def link() -> Iterator[Link]:
    needs("ip")
    opened = Link()
    yield opened
    opened.close()


def interrupted(
    tmp_path: Path, figure: Figure, link: Link, cut: Callable[[], None], heal: Callable[[], None],
    seconds: float,
) -> None:  # fmt: skip
    """Cut the link for some time and look at what the viewer says and sees."""
    with (
        sending(tmp_path, "--wait-viewers", "1", "--insecure", address=link.address,
                launcher=link.launcher) as sender,
        joined(link.address) as viewer,
    ):  # fmt: skip
        viewer.wait_more(15)
        cut()
        viewer.wait_silence(seconds)
        stale_s = viewer.not_live_after_s()
        heal()
        healed = time.monotonic()
        viewer.wait_for(lambda seen: seen[-1].at > healed and seen[-1].age_ms < 1000)
        resumed_s = viewer.seen[-1].at - healed
        later = [seen for seen in viewer.seen if seen.at > healed]
        figure(
            f"stale {stale_s:.2f} s after the last frame, resumed {resumed_s:.2f} s after the end "
            f"of {seconds:g} s, first frame {later[0].age_ms:.0f} ms old"
        )
        assert stale_s <= 1.5
        assert resumed_s <= 2.0
        assert later[0].age_ms < 1000
        viewer.wait_more(15)
        finish(sender, viewer)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [4.0, 8.0])
def test_row_8_a_link_that_drops_everything_heals_with_fresh_frames(
    tmp_path: Path, figure: Figure, link: Link, seconds: float
) -> None:
    needs("nft")
    interrupted(tmp_path, figure, link, link.drop, link.pass_all, seconds)


def test_row_9_a_link_that_was_down_for_3_seconds_resumes(
    tmp_path: Path, figure: Figure, link: Link
) -> None:
    interrupted(
        tmp_path, figure, link,
        lambda: command("ip", "link", "set", link.near, "down"),
        lambda: command("ip", "link", "set", link.near, "up"),
        3.0,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("percent", [2, 10])
def test_row_10_lost_packets_cost_time_and_at_2_percent_no_frame(
    tmp_path: Path, figure: Figure, link: Link, percent: int
) -> None:
    needs("nft")
    with (
        sending(tmp_path, "--wait-viewers", "1", "--insecure", address=link.address,
                launcher=link.launcher) as sender,
        joined(link.address) as viewer,
    ):  # fmt: skip
        viewer.wait_more(15)
        link.drop("numgen", "random", "mod", "100", "<", str(percent))
        ages = [seen.age_ms for seen in viewer.wait_more(450)]
        link.pass_all()
        finish(sender, viewer)
        lost = viewer.subscriber.balance().lost
        figure(f"age p99 {percentile(ages, 0.99):.0f} ms, lost {dict(lost)}")
        assert percentile(ages, 0.99) <= 300
        if percent == 2:
            assert lost.get(NETWORK_GAP, 0) == 0


def test_a_lossless_sender_waits_for_a_vanished_viewer_no_longer_than_it_was_told(
    tmp_path: Path, figure: Figure, link: Link
) -> None:
    """Nothing closes the connection of a machine whose power fails: only silence tells."""
    limit_s = 1
    # More than queues and kernel take in a second: the sender is held up soon.
    source = "synthetic:conveyor?width=640&height=480&fps=30"
    with (
        sending(tmp_path, "--no-realtime", "--wait-viewers", "2", "--insecure", "--codec", "raw",
                "--set", f"network.unacknowledged_s={limit_s}",
                source=source, address=link.near_address) as sender,
        rankcast("receive", "--connect", link.near_address, "--set", "stream.mode=keep",
                 launcher=link.launcher) as vanishes,
        Viewer(link.near_address, live=False) as stays,
    ):  # fmt: skip
        vanishes.wait_frames()
        stays.wait_more(5)
        cut = time.monotonic()
        link.inside("ip", "link", "set", link.far, "down")
        # Held up, and no longer than that: the clock of TCP begins with what was not acknowledged.
        stays.wait_for(lambda seen: seen[-1].at > cut + limit_s + 1)
        pause_s = max(after.at - before.at for before, after in pairwise(stays.seen))
        figure(f"the other viewer paused {pause_s:.2f} s, the limit is {limit_s} s")
        assert 0.5 * limit_s < pause_s < limit_s + 1.5
        finish(sender, stays)
        assert stays.subscriber.balance().lost == {}


@pytest.mark.slow
def test_row_11_a_narrow_link_loses_frames_and_keeps_age_bounded(
    tmp_path: Path, figure: Figure, link: Link
) -> None:
    """Raw frames of 19.2 kB at 30 fps need 4.6 Mbit/s; the link carries 40 % of it."""
    needs("tc")
    frame_bytes, rate, buffer_bytes = 160 * 120 + 200, 230_000, 16_384
    source = "synthetic:conveyor?width=160&height=120&channels=grey&fps=30"
    link.inside("tc", "qdisc", "add", "dev", link.far, "root", "tbf", "rate",
                f"{rate * 8}bit", "burst", "8kb", "latency", "50ms")  # fmt: skip
    with (
        sending(tmp_path, "--wait-viewers", "1", "--insecure", "--codec", "raw",
                "--set", "network.queue_messages=1",
                "--set", f"network.buffer_bytes={buffer_bytes}",
                source=source, address=link.address, launcher=link.launcher) as sender,
        joined(link.address, queue_messages=1, buffer_bytes=buffer_bytes) as viewer,
    ):  # fmt: skip
        viewer.wait_more(60)
        seen = viewer.seen[10:]
        bound_ms = 1500 * (4 * frame_bytes + 4 * buffer_bytes) / rate + 50
        age_ms = percentile([frame.age_ms for frame in seen], 0.99)
        fps = (len(seen) - 1) / (seen[-1].at - seen[0].at)
        figure(f"{fps:.1f} fps, age p99 {age_ms:.0f} ms, bound {bound_ms:.0f} ms")
        assert age_ms <= bound_ms
        assert fps < 20
        link.inside("tc", "qdisc", "del", "dev", link.far, "root")
        viewer.wait_for(lambda seen: seen[-1].age_ms < 200)
        finish(sender, viewer)
        assert viewer.subscriber.balance().lost[NETWORK_GAP] > 0
