"""What is announced decides where to connect, and never by itself whom to trust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zmq

from rankcast.discovery import AnnouncedName, Announcement, Browse
from rankcast.errors import TransportError
from rankcast.net import KnownCameras, Whereabouts, fingerprint, new_key
from rankcast_receiver.net import CameraFinder, FoundSenders, SenderAddress, StationKeys

KEY, OTHER_KEY = zmq.curve_keypair()[0], zmq.curve_keypair()[0]


def announced(
    camera: str = "line3", host: str = "station7", key: bytes = b"", *,
    address: str = "10.0.0.7", port: int = 5555,
) -> Announcement:  # fmt: skip
    server = f"{host}-{address}-{port}.local"
    return Announcement(camera, host, port, (address,), key=key, server=server)


class Network:
    """Cameras that are announced at present, as `browse` finds them."""

    def __init__(self, *cameras: Announcement) -> None:
        self.cameras: Sequence[Announcement] = cameras
        self.error: Exception | None = None

    def search(self, _timeout_s: float, *, wanted: Callable[[Announcement], bool], **_: Any
               ) -> Browse:  # fmt: skip
        if self.error is not None:
            raise self.error
        for camera in self.cameras:
            wanted(camera)
        return Browse(self.cameras)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return new_key(tmp_path / "keys", "viewer1")[0]


def finder(network: Network, *names: str, own: Path | None = None, servers: Sequence[Path] = ()
           ) -> CameraFinder:  # fmt: skip
    keys = StationKeys(own, servers)
    return CameraFinder([AnnouncedName.of(name) for name in names], keys, network.search)


def only(found: FoundSenders) -> SenderAddress:
    assert found.lack == ""
    assert len(found.senders) == 1
    return found.senders[0]


def refusal(found: FoundSenders) -> str:
    """The only reason, where no sender was taken."""
    assert (found.senders, found.missing, len(found.refused)) == ([], [], 1)
    return found.lack


def test_a_camera_without_keys_is_found_with_its_address_and_no_other_camera_is_wanted() -> None:
    sender = only(finder(Network(announced(), announced("line4")), "line3").find(1.0))
    assert (sender.endpoint, sender.cameras, sender.curves) == ("tcp://line3:5555", ("line3",), ())
    assert sender.look_up is not None
    assert sender.look_up("line3") == Whereabouts(("10.0.0.7",), 5555)


def test_two_cameras_of_one_sender_are_one_connection() -> None:
    network = Network(announced(), announced("line4"))
    assert only(finder(network, "line3", "line4").find(1.0)).cameras == ("line3", "line4")


def test_a_camera_that_is_not_announced_is_missing() -> None:
    found = finder(Network(announced()), "line3", "line5").find(1.0)
    assert [sender.cameras for sender in found.senders] == [("line3",)]
    assert [str(name) for name in found.missing] == ["line5"]
    assert found.lack == "not announced by mDNS: line5"


def test_the_first_key_of_a_camera_is_kept_and_another_one_is_refused(own: Path) -> None:
    network = Network(announced(key=KEY))
    sender = only(finder(network, "line3", own=own).find(1.0))
    assert [curve.server_public for curve in sender.curves] == [KEY]
    assert KnownCameras(own.parent / "known_cameras").key_of("line3") == KEY
    network.cameras = [announced(key=OTHER_KEY)]
    reason = refusal(finder(network, "line3", own=own).find(1.0))
    for text in (fingerprint(KEY), fingerprint(OTHER_KEY), str(own.parent / "known_cameras")):
        assert text in reason
    network.cameras = [announced()]
    reason = refusal(finder(network, "line3", own=own).find(1.0))
    assert "has no key, want SHA256" in reason


def test_an_impostor_beside_a_camera_that_is_known_changes_nothing(own: Path) -> None:
    network = Network(announced(key=KEY))
    finder(network, "line3", own=own).find(1.0)
    network.cameras = [announced(key=OTHER_KEY, address="10.0.0.66"), announced(key=KEY)]
    sender = only(finder(network, "line3", own=own).find(1.0))
    assert sender.look_up is not None
    assert sender.look_up("line3") == Whereabouts(("10.0.0.7",), 5555)


def test_a_key_that_another_receiver_keeps_during_the_search_is_the_one_that_counts(
    own: Path,
) -> None:
    known = KnownCameras(own.parent / "known_cameras")

    def search(_timeout_s: float, **_: Any) -> Browse:
        known.add("line3", OTHER_KEY)
        return Browse([announced(key=KEY)])

    network = Network()
    network.search = search  # type: ignore[method-assign]
    assert "which another program has just kept" in refusal(
        finder(network, "line3", own=own).find(1.0)
    )
    assert known.key_of("line3") == OTHER_KEY


def test_an_impostor_that_answers_first_does_not_end_the_search(own: Path) -> None:
    network = Network(announced(key=KEY))
    finder(network, "line3", own=own).find(1.0)
    ends: list[bool] = []

    def search(_timeout_s: float, *, wanted: Callable[[Announcement], bool], **_: Any) -> Browse:
        ends.extend(map(wanted, (announced(key=OTHER_KEY), announced(key=KEY))))
        return Browse()

    network.search = search  # type: ignore[method-assign]
    finder(network, "line3", own=own).find(1.0)
    assert ends == [False, True]


def test_a_camera_that_is_refused_keeps_no_other_from_being_found() -> None:
    network = Network(announced(), announced(host="station8"), announced("line4"))
    found = finder(network, "line3", "line4", "line5").find(1.0)
    assert [sender.cameras for sender in found.senders] == [("line4",)]
    assert found.lack.startswith("line3 is announced by 2 senders: ")
    assert found.lack.endswith("; not announced by mDNS: line5")


def test_two_senders_of_a_camera_that_is_not_known_yet_are_refused_and_no_key_is_kept(
    own: Path,
) -> None:
    network = Network(announced(key=KEY), announced(host="station8", key=OTHER_KEY))
    assert "2 senders" in refusal(finder(network, "line3", own=own).find(1.0))
    assert not (own.parent / "known_cameras").exists()


def test_a_key_that_was_given_is_the_only_one_and_nothing_is_kept(
    own: Path, tmp_path: Path
) -> None:
    public = new_key(tmp_path / "sender", "cam")[1]
    found = finder(Network(announced(key=KEY)), "line3", own=own, servers=[public]).find(1.0)
    assert "want one of --server-key" in refusal(found)
    assert not (own.parent / "known_cameras").exists()


def test_a_camera_with_a_key_needs_one_here_and_one_without_is_no_camera_for_a_key(
    own: Path,
) -> None:
    assert "give --key" in refusal(finder(Network(announced(key=KEY)), "line3").find(1.0))
    reason = refusal(finder(Network(announced()), "line3", own=own).find(1.0))
    assert "has no key, want one, because of --key" in reason


def test_a_camera_that_moved_is_found_again_with_the_same_key_alone(own: Path) -> None:
    network = Network(announced(key=KEY))
    look_up = only(finder(network, "line3", own=own).find(1.0)).look_up
    assert look_up is not None
    assert look_up("line3") == Whereabouts(("10.0.0.7",), 5555)
    network.cameras = [
        announced(key=KEY, address="10.0.0.9"), announced(key=OTHER_KEY, address="10.0.0.66"),
    ]  # fmt: skip
    assert look_up("line3") == Whereabouts(("10.0.0.9",), 5555)
    network.cameras = [announced(key=OTHER_KEY, address="10.0.0.66")]
    with pytest.raises(OSError, match=r"the key SHA256:.*, want SHA256:.* as before"):
        look_up("line3")
    network.cameras = [announced()]
    with pytest.raises(OSError, match="with no key, want SHA256:"):
        look_up("line3")
    network.cameras = []
    with pytest.raises(OSError, match="it is not announced by mDNS"):
        look_up("line3")
    network.cameras = [announced(key=KEY, port=6000)]
    assert look_up("line3") == Whereabouts(("10.0.0.7",), 6000)
    network.error = TransportError("no network interface takes multicast")
    with pytest.raises(OSError, match="multicast"):
        look_up("line3")
