"""Key files: made with tight modes, read strictly, all of a folder or nothing."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from rankcast.commands.keys import keys
from rankcast.errors import RankcastError, SettingsError
from rankcast.net import Role, authorize, client_keys, load_authorized, new_key, revoke, server_keys
from rankcast.net.key_file import MAX_FILE_BYTES, read_public, read_secret

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def keys_command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(keys, [str(argument) for argument in arguments])


@posix
@pytest.mark.usefixtures("umask")
def test_a_new_secret_is_readable_by_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    secret, public = new_key(tmp_path / "mine", "cam")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700


def test_what_was_written_is_read_again_and_the_halves_belong_together(tmp_path: Path) -> None:
    secret, public = new_key(tmp_path, "cam")
    key = read_secret(secret)
    assert key.public == read_public(public).public == zmq.curve_public(key.secret)
    assert server_keys(secret).public == key.public


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    secret, public = new_key(tmp_path, "cam")
    before = secret.read_bytes()
    with pytest.raises(SettingsError, match="exists already"):
        new_key(tmp_path, "cam")
    secret.rename(tmp_path / "kept")
    with pytest.raises(SettingsError, match="exists already"):
        new_key(tmp_path, "cam")
    assert (tmp_path / "kept").read_bytes() == before
    assert not secret.exists()
    assert public.exists()


def test_a_secret_shows_in_no_text_of_its_records(tmp_path: Path) -> None:
    secret, public = new_key(tmp_path, "cam")
    key = read_secret(secret)
    texts = [repr(key), repr(server_keys(secret)), str(client_keys(secret, [public]))]
    assert all(key.public.decode() in text for text in texts)
    assert not any(key.secret.decode() in text for text in texts)


@posix
def test_a_secret_of_another_user_is_refused_and_one_of_root_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, _ = new_key(tmp_path, "cam")
    owner = secret.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    if owner:
        with pytest.raises(SettingsError, match=r"belongs to user .*, want 54321.*: chown 54321"):
            read_secret(secret)
        return
    read_secret(secret)
    os.chown(secret, 54322, 54322)
    with pytest.raises(SettingsError, match="belongs to user 54322, want 54321") as refusal:
        read_secret(secret)
    assert "\n" not in str(refusal.value)
    monkeypatch.setattr(os, "geteuid", lambda: 54322)
    read_secret(secret)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SettingsError, match="belongs to user 54322, want root, who runs this"):
        read_secret(secret)


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666, 0o601])
def test_a_secret_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    secret, _ = new_key(tmp_path, "cam")
    secret.chmod(mode)
    with pytest.raises(SettingsError, match=rf"has mode {mode:04o}.*chmod 600"):
        read_secret(secret)


@posix
def test_a_credential_of_systemd_shows_the_mask_of_its_access_list_as_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, _ = new_key(tmp_path, "cam")
    secret.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "elsewhere"))
    with pytest.raises(SettingsError, match="has mode 0440"):
        read_secret(secret)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    read_secret(secret)
    secret.chmod(0o444)
    with pytest.raises(SettingsError, match="has mode 0444, others may read it: chmod 440"):
        read_secret(secret)


@posix
def test_public_keys_that_others_can_replace_are_refused(tmp_path: Path) -> None:
    _, public = new_key(tmp_path, "cam")
    public.chmod(0o664)
    with pytest.raises(SettingsError, match="others may write it: chmod 644"):
        read_public(public)
    folder = tmp_path / "authorized"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(SettingsError, match="others may write it: chmod 755"):
        load_authorized(folder)


def test_on_windows_the_mode_of_a_secret_is_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret, _ = new_key(tmp_path, "cam")
    secret.chmod(0o644)
    with monkeypatch.context() as patch:
        patch.setattr("rankcast.net.key_file.os.name", "nt")
        with caplog.at_level(logging.WARNING):
            read_secret(secret)
    assert "cannot check who may read it on Windows" in caplog.text


def test_the_wrong_half_is_named_as_such(tmp_path: Path) -> None:
    secret, public = new_key(tmp_path, "cam")
    with pytest.raises(SettingsError, match="is a public key, want the secret one"):
        read_secret(public)
    with pytest.raises(SettingsError, match="is a secret key, want the public one"):
        read_public(secret)


def test_halves_of_two_keys_are_refused(tmp_path: Path) -> None:
    secret, _ = new_key(tmp_path, "cam")
    other = read_secret(new_key(tmp_path, "other")[0])
    key = read_secret(secret)
    secret.write_text(secret.read_text().replace(key.public.decode(), other.public.decode()))
    with pytest.raises(SettingsError, match="do not belong together"):
        read_secret(secret)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "public = 3", 'public = "short"', 'public = ""', "x = 1\n" * 2000,
     'public = "' + "~" * 40 + '"', 'public = "' + "#" * 40 + '"', "[public]", "\x00", "\xff",
     'public = "\\u00e9' + "0" * 39 + '"', 'public = "' + "0" * 41 + '"', "a = " + "[" * 2000],
)  # fmt: skip
def test_what_is_no_key_is_refused_in_one_line_without_its_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.pub"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError) as caught:
        read_public(path)
    message = str(caught.value).removeprefix(f"{path}: ")
    assert "\n" not in message
    assert "#####" not in message
    assert "~~~~~" not in message


@given(data=st.binary(max_size=200))
def test_no_file_does_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pub"
    path.write_bytes(data)
    with pytest.raises(SettingsError):
        read_public(path)


@posix
@pytest.mark.parametrize("cut", range(0, 160, 9))
def test_a_secret_cut_anywhere_is_refused_without_telling_it(tmp_path: Path, cut: int) -> None:
    secret, _ = new_key(tmp_path, "cam")
    own = read_secret(secret).secret.decode()
    data = secret.read_bytes()
    secret.write_bytes(data[: min(cut, len(data) - 3)])
    with pytest.raises(SettingsError) as caught:
        read_secret(secret)
    assert not any(own[at : at + 8] in str(caught.value) for at in range(32))


def test_files_that_are_missing_long_or_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_public(tmp_path / "none.pub")
    (tmp_path / "long.pub").write_text("#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(SettingsError, match="is not a key file"):
        read_public(tmp_path / "long.pub")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pub", 0o600)
        with pytest.raises(SettingsError, match="is not a regular file"):
            read_public(tmp_path / "pipe.pub")


def test_a_bare_public_key_in_the_folder_is_a_viewer(tmp_path: Path) -> None:
    _, public = new_key(tmp_path / "made", "anna")
    folder = tmp_path / "authorized"
    folder.mkdir(mode=0o755)
    (folder / "anna.pub").write_bytes(public.read_bytes())
    (folder / "README").write_text("who is who")
    (folder / ".anna.pub.part").write_text("being written")
    (key,) = load_authorized(folder).by_public.values()
    assert (key.name, key.role, key.public) == ("anna", Role.VIEWER, read_public(public).public)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("bob.pub", "nonsense", "is not a key file"),
        ("bob.pub", 'role = "viewer"', "is not a public key"),
        ("Bob Smith.pub", None, "want 1 to 32 of a-z"),
        ("bob.key", "", "is a secret key among"),
        ("bob.pub", "SAME", "is the same key as anna.pub"),
        ("bob.pub", "SAME\nrole = 'root'", "want viewer or operator"),
        ("bob.pub", "SAME\nlevel = '3'", "is not a public key"),
    ],
)
def test_one_malformed_file_refuses_the_whole_folder(
    tmp_path: Path, name: str, text: str | None, reason: str
) -> None:
    folder = tmp_path / "authorized"
    _, public = new_key(tmp_path, "anna")
    authorize(public, folder, Role.VIEWER)
    same = public.read_text()
    (folder / name).write_text(same if text is None else text.replace("SAME", same))
    with pytest.raises(SettingsError, match=reason):
        load_authorized(folder)


def test_a_name_and_a_key_are_authorised_once(tmp_path: Path) -> None:
    folder = tmp_path / "authorized"
    _, anna = new_key(tmp_path, "anna")
    _, other = new_key(tmp_path / "other", "anna")
    authorize(anna, folder, Role.VIEWER)
    authorize(anna, folder, Role.OPERATOR)
    assert [key.role for key in load_authorized(folder).by_public.values()] == [Role.OPERATOR]
    with pytest.raises(SettingsError, match="is another key: revoke anna first"):
        authorize(other, folder, Role.VIEWER)
    anna.rename(tmp_path / "bob.pub")
    with pytest.raises(SettingsError, match="authorised already, as anna"):
        authorize(tmp_path / "bob.pub", folder, Role.VIEWER)


def test_revoking_says_when_senders_cannot_follow(tmp_path: Path) -> None:
    folder = tmp_path / "authorized"
    for name in ("anna", "bob"):
        authorize(new_key(tmp_path, name)[1], folder, Role.VIEWER)
    revoke(folder, "anna")
    assert [key.name for key in load_authorized(folder).by_public.values()] == ["bob"]
    with pytest.raises(SettingsError, match="no key anna is authorised"):
        revoke(folder, "anna")
    (folder / "bad.pub").write_text("nonsense")
    with pytest.raises(SettingsError, match=r"bob is removed, but running senders .*bad\.pub"):
        revoke(folder, "bob")


def test_a_client_needs_a_server_key_and_tries_all_it_has(tmp_path: Path) -> None:
    secret, _ = new_key(tmp_path, "viewer1")
    servers = [new_key(tmp_path, name)[1] for name in ("cam", "cam-new")]
    with pytest.raises(SettingsError, match="--key needs --server-key"):
        client_keys(secret, [])
    found = client_keys(secret, servers)
    assert [keys.server_public for keys in found] == [read_public(path).public for path in servers]


def test_keys_are_refused_where_the_library_cannot_do_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, public = new_key(tmp_path, "cam")
    monkeypatch.setattr("zmq.zmq_version_info", lambda: (4, 3, 4))
    with pytest.raises(SettingsError, match=r"want 4\.3\.5 or later"):
        server_keys(secret)
    monkeypatch.setattr("zmq.has", lambda _: False)
    with pytest.raises(SettingsError, match="lacks CURVE"):
        client_keys(secret, [public])


def test_the_commands_make_authorise_list_and_revoke(tmp_path: Path) -> None:
    folder = tmp_path / "authorized"
    made = keys_command("new", "viewer1", "--dir", tmp_path)
    assert made.exit_code == 0
    secret = read_secret(tmp_path / "viewer1.key")
    role = ["--role", "operator"]
    allowed = keys_command("authorize", tmp_path / "viewer1.pub", "--dir", folder, *role)
    assert allowed.exit_code == 0
    listed = keys_command("list", "--dir", folder)
    assert "viewer1" in listed.output
    assert secret.public.decode() in listed.output
    as_json = json.loads(keys_command("list", "--dir", folder, "--json").output)
    public = secret.public.decode()
    assert as_json == {"viewer1": {"role": "operator", "cameras": None, "public": public}}
    assert keys_command("revoke", "viewer1", "--dir", folder).exit_code == 0
    assert json.loads(keys_command("list", "--dir", folder, "--json").output) == {}
    said = made.output + allowed.output + listed.output
    assert secret.secret.decode() not in said


def test_a_key_is_authorised_for_cameras_and_again_for_all(tmp_path: Path) -> None:
    folder = tmp_path / "authorized"
    _, public = new_key(tmp_path, "viewer1")
    said = keys_command("authorize", public, "--dir", folder, "--cameras", "line4,line3")
    assert said.exit_code == 0
    assert said.output.endswith("viewer1.pub: viewer of line3, line4\n")
    assert load_authorized(folder).limits_cameras
    listed = keys_command("list", "--dir", folder)
    assert "line3, line4" in listed.output
    as_json = json.loads(keys_command("list", "--dir", folder, "--json").output)
    assert as_json["viewer1"]["cameras"] == ["line3", "line4"]
    again = keys_command("authorize", public, "--dir", folder, "--role", "operator")
    assert again.output.endswith("viewer1.pub: operator of line3, line4\n")
    assert load_authorized(folder).limits_cameras
    assert keys_command("authorize", public, "--dir", folder, "--cameras", "*").exit_code == 0
    assert not load_authorized(folder).limits_cameras
    assert " all" in keys_command("list", "--dir", folder).output


@pytest.mark.parametrize(
    ("cameras", "why"),
    [
        ("Line 3", "got camera name 'Line 3'"),
        ("line3,", "got camera name ''"),
        ("", "got camera name ''"),
        ("line3,../line4", "got camera name '../line4'"),
        (",".join(f"c{number}" for number in range(65)), "got 65 cameras, want 1 to 64"),
    ],
)
def test_cameras_that_cannot_be_are_refused_in_one_line(
    tmp_path: Path, cameras: str, why: str
) -> None:
    _, public = new_key(tmp_path, "viewer1")
    folder = tmp_path / "authorized"
    error = keys_command("authorize", public, "--dir", folder, "--cameras", cameras).exception
    assert isinstance(error, SettingsError)
    assert why in str(error)
    assert "\n" not in str(error)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("cameras", "why"),
    [
        ('"line3"', "cameras is no list"),
        ("[]", "got 0 cameras"),
        ("[3]", "got camera name ''"),
        ('["Line3"]', "got camera name 'Line3'"),
        ('[["line3"]]', "got camera name ''"),
        ("5", "cameras is no list"),
    ],
)
def test_a_key_file_with_other_cameras_is_malformed(tmp_path: Path, cameras: str, why: str) -> None:
    _, public = new_key(tmp_path, "viewer1")
    folder = tmp_path / "authorized"
    target = authorize(public, folder, Role.VIEWER)
    target.write_text(target.read_text() + f"cameras = {cameras}\n")
    with pytest.raises(SettingsError, match=why) as caught:
        load_authorized(folder)
    assert str(target) in str(caught.value)


def test_the_largest_list_of_cameras_can_be_read_back(tmp_path: Path) -> None:
    _, public = new_key(tmp_path, "viewer1")
    names = frozenset(f"{number:032d}" for number in range(64))
    authorize(public, tmp_path / "authorized", Role.OPERATOR, names)
    (key,) = load_authorized(tmp_path / "authorized").by_public.values()
    assert (key.cameras, key.role) == (names, Role.OPERATOR)


def test_a_folder_that_takes_nothing_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RankcastError, match="cannot be created"):
        new_key(tmp_path / "file" / "keys", "cam")
