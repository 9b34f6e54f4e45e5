"""Users, TLS and permissions of a real NATS server, as docs/operations.md configures it."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rankcast.errors import NoStreamError, RequestRefusedError, SettingsError
from rankcast.nats import NatsAddress, NatsOptions
from rankcast.nats.client import list_fleet, request_once
from rankcast_receiver import Subscriber
from rankcast_receiver.state import State
from rankcast_sender.nats import NatsOutlet, NatsOutletOptions
from rankcast_sender.publisher import Publisher
from support.certificates import make_certificate
from support.fakes import picture
from support.nats_server import NatsServer, nats_server

REPOSITORY = Path(__file__).resolve().parents[2]
WAIT_S = 30.0
CAM = ("default", "cam")


class Plant:
    """A server with the users of the document, and the options of each user."""

    def __init__(self, folder: Path, server: NatsServer) -> None:
        self.server = server
        self.address = NatsAddress.of(server.address)
        self._folder = folder

    def options(self, user: str, password: str = "") -> NatsOptions:
        file = self._folder / f"{user}.password"
        file.write_text(password or f"{user.rstrip('1').upper()}-PASSWORD")
        ca = self._folder / "server.crt"
        return NatsOptions(user=user, password_file=file, tls_ca=ca)

    def watch(self, user: str, password: str = "", timeout_s: float = WAIT_S) -> Subscriber:
        options = self.options(user, password)
        return Subscriber(self.server.address, nats=options, timeout_s=timeout_s)


def documented(folder: Path) -> str:
    """Return the configuration of the document, with the files of this test."""
    text = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- nats-server.conf -->(.*?)<!-- /nats-server.conf -->", text, re.S)
    assert found is not None
    config = re.sub(r"^ *listen: .*$", "", found[1], flags=re.M)
    make_certificate(folder)
    return config.replace("server.crt", f"{folder}/server.crt").replace(
        "server.key", f"{folder}/server.key"
    )


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with nats_server(tmp_path, documented(tmp_path)) as server:
        yield Plant(tmp_path, server)


@pytest.fixture
def publisher(plant: Plant) -> Iterator[Publisher]:
    options = plant.options("camera1")
    with Publisher(plant.server.address, name="cam", codec="jpeg", nats=options) as made:
        yield made


def test_a_viewer_watches_and_only_an_operator_changes_the_sender(
    plant: Plant, publisher: Publisher
) -> None:
    with plant.watch("viewer1") as viewer:
        assert publisher.wait_viewers(1, WAIT_S)
        publisher.send(picture(3))
        assert next(iter(viewer)).camera == "default.cam"

    def ask(user: str, op: str, **args: int) -> object:
        return request_once(
            plant.address, plant.options(user), CAM, op, args, timeout_s=WAIT_S
        ).result

    assert ask("viewer1", "get")["quality"] == 75  # type: ignore[index]
    with pytest.raises(RequestRefusedError, match="does not let this user publish"):
        ask("viewer1", "set", quality=40)
    assert publisher.settings["quality"] == 75
    assert ask("operator1", "set", quality=40) == {"quality": 40}


def test_a_wrong_password_is_the_state_of_the_receiver_and_a_line_of_the_sender(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    with plant.watch("viewer1", "guessed", timeout_s=2.0) as viewer:
        with pytest.raises(NoStreamError, match="refuses these credentials"):
            next(iter(viewer))
        assert [state.state for state in viewer.states] == [State.KEY_REFUSED]
    caplog.set_level(logging.WARNING)
    wrong = NatsOutletOptions(plant.address, plant.options("camera1", "guessed"))
    outlet = NatsOutlet(wrong)
    outlet.start()
    until_s = time.monotonic() + WAIT_S
    while "refuses these credentials" not in caplog.text:
        assert time.monotonic() < until_s, caplog.text
        time.sleep(0.02)
    outlet.close()
    assert "guessed" not in caplog.text


def test_a_user_without_permission_for_the_frames_is_told_so(plant: Plant) -> None:
    with plant.watch("camera1", timeout_s=4.0) as viewer:
        with pytest.raises(NoStreamError, match="does not let this user"):
            next(iter(viewer))
        assert [state.state for state in viewer.states] == [State.KEY_REFUSED]


def test_a_certificate_of_somebody_else_is_refused(plant: Plant, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "other")
    options = replace(plant.options("viewer1"), tls_ca=other.certificate)
    with pytest.raises(NoStreamError, match="certificate is not accepted"):
        list_fleet(plant.address, options, 1.0)


def test_a_server_without_tls_gets_no_password_from_who_wants_tls(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    with nats_server(tmp_path) as server:
        plain = Plant(tmp_path, server)
        with pytest.raises(NoStreamError, match=r"TLS failed|no reply"):
            list_fleet(plain.address, plain.options("viewer1"), 1.0)


def test_an_nkey_is_a_user_too(tmp_path: Path) -> None:
    import nkeys  # of the extra

    raw = bytes(range(32))
    seed = nkeys.encode_seed(raw, nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    file = tmp_path / "user.nk"
    file.write_bytes(bytes(seed))
    users = f'authorization {{ users: [{{nkey: "{public}"}}] }}'
    with nats_server(tmp_path, users) as server:
        address = NatsAddress.of(server.address)
        assert list_fleet(address, NatsOptions(nkey_seed=file), 0.3).cameras == ()
        with pytest.raises(NoStreamError, match="refuses these credentials"):
            list_fleet(address, NatsOptions(), 0.3)


def test_a_stranger_on_the_network_needs_tls_or_credentials_to_be_meant(tmp_path: Path) -> None:
    far = NatsAddress.of("nats://192.0.2.1:4222")
    with pytest.raises(SettingsError, match="is another machine: give tls://"):
        NatsOptions().check(far)
    file = tmp_path / "password"
    file.write_text("secret")
    with pytest.raises(SettingsError, match="without TLS the password would be sent"):
        NatsOptions(user="a", password_file=file).check(far)
    NatsOptions(insecure=True).check(far)
    NatsOptions().check(NatsAddress.of("tls://192.0.2.1:4222"))
