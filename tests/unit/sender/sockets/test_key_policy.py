"""KeyPolicy: a key that floods is refused for a while, longer each time."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from zmq.utils import z85

from rankcast.errors import SettingsError
from rankcast.net import CONTROL_ZAP_DOMAIN, ZAP_DOMAIN, Role, authorize, new_key, revoke
from rankcast.net.key_file import read_secret
from rankcast_sender.sockets import key_policy
from rankcast_sender.sockets.key_policy import FIRST_BAN_S, MAX_BAN_S, KeyPolicy
from support.clock import Clock


class Policy(KeyPolicy):
    """The policy of one authorised key, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        secret, public = new_key(folder, "anna")
        self.folder = folder / "authorized"
        authorize(public, self.folder, Role.VIEWER)
        self.public = read_secret(secret).public
        super().__init__(self.folder, now_s=self.clock)

    def admits(self) -> bool:
        credential = z85.decode(self.public)
        request = [b"1.0", b"1", ZAP_DOMAIN, b"10.0.0.9", b"", b"CURVE", credential]
        return self.judge(request)[2] == b"200"


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return Policy(tmp_path)


def test_a_key_that_floods_is_refused_for_a_minute_which_is_said_once(
    policy: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    assert policy.admits()
    for _ in range(1000):
        policy.ban(policy.public, "it sent too much")
    assert not policy.admits()
    assert not policy.admits()
    assert (policy.state.flooding, policy.state.refused) == (1, 2)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == ["the key of anna is refused for 60 s: it sent too much"]
    policy.clock.advance(FIRST_BAN_S)
    assert policy.admits()
    assert policy.state.flooding == 0


def test_the_pause_doubles_up_to_an_hour_and_begins_anew_after_good_conduct(
    policy: Policy,
) -> None:
    lengths = []
    for _ in range(9):
        policy.ban(policy.public, "it sent too much")
        began_s = policy.clock()
        while not policy.admits():
            policy.clock.advance(1.0)
        lengths.append(policy.clock() - began_s)
    assert lengths == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    policy.clock.advance(MAX_BAN_S)
    policy.ban(policy.public, "it sent too much")
    policy.clock.advance(FIRST_BAN_S)
    assert policy.admits()


def test_only_authorised_keys_are_remembered(policy: Policy) -> None:
    policy.ban(b"x" * 40, "it sent too much")
    assert policy.state.flooding == 0
    policy.ban(policy.public, "it sent too much")
    revoke(policy.folder, "anna")
    assert policy.reload()
    assert policy.state.flooding == 0


def test_a_key_with_cameras_is_admitted_once_the_socket_withholds_cameras(
    policy: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    authorize(policy.folder.parent / "anna.pub", policy.folder, Role.VIEWER, frozenset({"left"}))
    # The sockets have to be bound again: they follow every subscription.
    assert policy.reload()
    assert "anna is now viewer of left" in caplog.text
    assert policy.limits_cameras
    assert not policy.admits()
    assert policy.reload()
    policy.enforces_cameras = True
    assert policy.admits()
    assert not policy.reload()


def test_other_cameras_close_the_connections_that_exist_and_another_role_does_not(
    policy: Policy,
) -> None:
    public = policy.folder.parent / "anna.pub"
    for role, cameras, moved in (
        (Role.OPERATOR, None, False),
        (Role.OPERATOR, {"left"}, True),
        (Role.VIEWER, {"left"}, False),
        (Role.VIEWER, {"left", "right"}, True),
        (Role.VIEWER, {"right"}, True),
        (Role.VIEWER, None, True),
    ):
        authorize(public, policy.folder, role, None if cameras is None else frozenset(cameras))
        assert policy.reload() is moved, (role, cameras)
        policy.enforces_cameras = policy.limits_cameras


def test_each_connection_of_a_limited_sender_has_a_user_id_of_its_own(policy: Policy) -> None:
    credential = z85.decode(policy.public)
    request = [b"1.0", b"1", ZAP_DOMAIN, b"10.0.0.9", b"", b"CURVE", credential]
    assert policy.judge(request)[4] == policy.public
    authorize(policy.folder.parent / "anna.pub", policy.folder, Role.VIEWER, frozenset({"left"}))
    policy.reload()
    policy.enforces_cameras = True
    assert [policy.judge(request)[4] for _ in range(2)] == [
        policy.public + b"1",
        policy.public + b"2",
    ]


def test_cameras_are_refused_where_the_system_cannot_withhold_them(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_policy, "CAN_TELL", False)
    authorize(policy.folder.parent / "anna.pub", policy.folder, Role.VIEWER, frozenset({"left"}))
    with pytest.raises(SettingsError, match=r"anna may see some cameras only.*needs Linux"):
        KeyPolicy(policy.folder)
    assert not policy.reload()
    assert "needs Linux" in policy.state.alarm


def test_a_key_that_is_not_admitted_to_an_address_may_come_again(tmp_path: Path) -> None:
    policy = Policy(tmp_path)
    asked: list[tuple[str, bool]] = []

    def admits(key: str, *, control: bool) -> bool:
        asked.append((key, control))
        return control

    again = KeyPolicy(policy.folder, admits)
    credential = z85.decode(policy.public)
    request = [b"1.0", b"7", ZAP_DOMAIN, b"10.0.0.9", b"", b"CURVE", credential]
    assert again.judge(request)[:3] == [b"1.0", b"7", b"300"]
    request[2] = CONTROL_ZAP_DOMAIN
    assert again.judge(request)[2] == b"200"
    key = policy.public.decode()
    assert asked == [(key, False), (key, True)]
    assert again.state.refused == 0
