"""One server of a cluster of three is killed or cut off."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from rankcast.nats import KeepOptions
from rankcast.runtime import NETWORK_GAP
from support.kept_camera import KeptCamera, keeping, wait
from support.nats_cluster import NatsCluster, nats_cluster
from support.viewer_thread import ViewerThread

KEPT = KeepOptions(age_s=600.0, max_bytes=100_000_000, replicas=3)
STREAM = "rankcast=default=cam"
GAP_S = 2.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with nats_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def watch_a_fault(
    cluster: NatsCluster,
    at: tuple[int, int],
    victim: Callable[[], int],
    fault: signal.Signals,
    *,
    live: bool = True,
) -> tuple[KeptCamera, ViewerThread, int]:
    """Kill or stop a server in mid-stream; return once frames arrive again."""
    others = {number: [n for n in range(3) if n != number] for number in range(3)}
    sender = cluster.address_of(at[0], *others[at[0]])
    receiver = cluster.address_of(at[1], *others[at[1]])
    with keeping(sender, KEPT) as camera, ViewerThread(receiver, live=live) as viewer:
        camera.wait_kept()
        # Past the time in which the key frame of the viewer that joined limits others.
        wait(lambda: viewer.newest >= 60, "frames")
        viewer.longest_s = 0.0
        node = cluster.nodes[victim()]
        if fault is signal.SIGKILL:
            node.kill()
        else:
            node.signal(fault)
        try:
            sent = camera.sent[-1]
            wait(lambda: viewer.newest > sent + 50, "frames after the fault", 60.0)
            kept = camera.publisher.camera
            wait(lambda: kept.kept and bool(kept.not_kept is not None), "a stream", 60.0)
        finally:
            if fault is signal.SIGKILL:
                node.start()
            else:
                node.signal(signal.SIGCONT)
        camera.finish()
        wait(lambda: viewer.newest >= camera.sent[-1], "the last frame")
    cluster.wait_ready()
    return camera, viewer, camera.sent[-1]


def check(camera: KeptCamera, viewer: ViewerThread, gap_s: float) -> None:
    assert viewer.longest_s < gap_s
    assert camera.longest_s < 1.0
    assert viewer.balance.under_way == 0
    published = camera.publisher.balance()
    assert published.entered == published.passed + sum(published.lost.values())


def test_a_killed_server_of_the_sender_costs_less_than_two_seconds(cluster: NatsCluster) -> None:
    camera, viewer, _ = watch_a_fault(cluster, (0, 1), lambda: 0, signal.SIGKILL)
    check(camera, viewer, GAP_S)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["receiver", "leader", "both"])
def test_a_killed_server_costs_less_than_two_seconds(cluster: NatsCluster, who: str) -> None:
    victims: dict[str, Callable[[], int]] = {
        "receiver": lambda: 1, "leader": lambda: cluster.leader(STREAM), "both": lambda: 2,
    }  # fmt: skip
    at = (2, 2) if who == "both" else (0, 1)
    camera, viewer, _ = watch_a_fault(cluster, at, victims[who], signal.SIGKILL)
    check(camera, viewer, GAP_S)


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_server_that_hangs_is_left(cluster: NatsCluster, at: int) -> None:
    camera, viewer, _ = watch_a_fault(cluster, (0, 1), lambda: at, signal.SIGSTOP)
    check(camera, viewer, GAP_S)


@pytest.mark.slow
def test_a_viewer_that_keeps_every_frame_loses_none_with_its_server(cluster: NatsCluster) -> None:
    with keeping(cluster.address, KEPT) as camera:
        camera.wait_kept()
    victim = next(number for number in (1, 2) if number != cluster.leader(STREAM))
    _, viewer, _ = watch_a_fault(cluster, (0, victim), lambda: victim, signal.SIGKILL, live=False)
    assert NETWORK_GAP not in viewer.balance.lost
