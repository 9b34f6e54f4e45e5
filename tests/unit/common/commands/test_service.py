"""`rankcast service`: units of this installation, written whole, with checked settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rankcast.commands.service import manager as manager_module
from rankcast.commands.service import service
from rankcast.commands.service.manager import SystemdManager
from rankcast.commands.service.unit import MARK, check_visible, service_command, unit_text
from rankcast.errors import RankcastError, SettingsError
from rankcast.net import Role, authorize, new_key
from support.later import later

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no systemd on Windows")

OPTIONS = ("--", "--source", "synthetic:conveyor")
FAKE = """#!/bin/sh
echo "$*" >> "$0.log"
case "$*" in *{failing}*) echo 'Failed to obey: no.' >&2; exit 5;; esac
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without units, whose systemd does not run."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    return tmp_path


def start_systemd(
    home: Path, monkeypatch: pytest.MonkeyPatch, failing: str = "nothing-fails"
) -> Path:
    """Let the user's systemd run; return the file with the commands that it got."""
    (home / "runtime" / "systemd" / "private").mkdir(parents=True, exist_ok=True)
    (home / "bin").mkdir(exist_ok=True)
    fake = home / "bin" / "systemctl"
    fake.write_text(FAKE.format(failing=failing))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    return fake.with_name("systemctl.log")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(service, arguments)


def units(home: Path) -> list[str]:
    """Every file there, those that are being written included."""
    folder = home / "config" / "systemd" / "user"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_service_is_written_enabled_and_started(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = start_systemd(home, monkeypatch)
    settings = home / "sender.toml"
    settings.write_text('[camera]\nsource = "synthetic:conveyor"\nname = "line3"\n')
    done = call("install", "send", "--user", "--name", "line3", "--config", str(settings))
    assert done.exit_code == 0, done.exception
    assert units(home) == ["rankcast-line3.service"]
    path = home / "config" / "systemd" / "user" / "rankcast-line3.service"
    text = path.read_text()
    assert text.startswith(MARK)
    assert re.search(rf"^ExecStart=/.* send --config {re.escape(str(settings))}$", text, re.M)
    assert path.stat().st_mode & 0o777 == 0o644
    assert log.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable rankcast-line3.service",
        "--user restart rankcast-line3.service",
    ]
    # The same command again replaces what it wrote.
    assert call("install", "send", "--user", "--name", "line3", *OPTIONS).exit_code == 0
    assert "synthetic:conveyor" in path.read_text()
    removed = call("uninstall", "line3", "--user")
    assert removed.exit_code == 0
    assert units(home) == []
    assert "--user disable --now rankcast-line3.service" in log.read_text()


def test_settings_that_would_not_start_are_refused_in_the_words_of_the_end(home: Path) -> None:
    done = call("install", "send", "--user", "--no-start", "--", "--codec", "mpeg9")
    assert isinstance(done.exception, SettingsError)
    assert "the service would not start: --codec: [codec] name" in str(done.exception)
    assert "mpeg9" in str(done.exception)
    assert units(home) == []


def unit_of(home: Path, name: str) -> str:
    return (home / "config" / "systemd" / "user" / f"rankcast-{name}.service").read_text()


def test_paths_in_options_start_where_the_command_is_called(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "k").mkdir(mode=0o700)
    secret, public = new_key(home / "k", "line3")
    authorize(public, home / "k" / "authorized", Role.VIEWER)
    monkeypatch.chdir(home)
    done = call("install", "send", "--user", "--no-start", *OPTIONS, "--key", "k/line3.key",
                "--authorized=k/authorized", "--name", "--key", "--name=k")  # fmt: skip
    assert done.exit_code == 0, done.exception
    text = unit_of(home, "send")
    assert f"--key {secret} --authorized={home}/k/authorized --name --key --name=k" in text


@pytest.mark.parametrize(
    ("end", "options", "reason"),
    [
        ("send", ("--key", "k/line3.key", "--authorized", "k"), "k/line3.key"),
        ("send", ("--metrics", "0.0.0.0:9464"), "can be reached from other machines"),
        ("send", ("--set", "metrics.listen=127.0.0.1:0", "--set", "metrics.token=/nonexistent"),
         "/nonexistent"),
        ("send", ("--key", "~nobody-of-that-name/x"), "no home folder is known"),
        ("receive", ("--display",), "has no screen"),
        ("receive", ("--set", "display.enabled=true"), "has no screen"),
        ("receive", ("--key", "k/viewer1.key", "--server-key", "k/line3.pub"), "k/viewer1.key"),
    ],
)  # fmt: skip
def test_what_a_service_could_not_use_is_refused(
    home: Path, end: str, options: tuple[str, ...], reason: str
) -> None:
    source = ("--source", "synthetic:conveyor") if end == "send" else ()
    done = call("install", end, "--user", "--no-start", "--", *source, *options)
    assert isinstance(done.exception, SettingsError)
    assert reason in str(done.exception)
    assert "\n" not in str(done.exception)
    assert units(home) == []


@pytest.mark.parametrize("folder", [".local/state/rankcast", later(".config/rankcast")])
def test_relative_paths_in_settings_start_where_the_service_runs(
    home: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    command = ("install", "send", "--user", "--dry-run", *OPTIONS, "--metrics", "127.0.0.1:0",
               "--set", "metrics.token=token")  # fmt: skip
    token = home / "token"
    token.write_text("0123456789abcdef\n")
    token.chmod(0o600)
    monkeypatch.chdir(home)
    assert isinstance(call(*command).exception, SettingsError)
    state = home / folder
    state.mkdir(parents=True)
    token.rename(state / "token")
    assert call(*command).exit_code == 0


def test_root_checks_as_the_user_of_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd  # Windows has none

    account = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(manager_module, "ACCOUNT", account.pw_name)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = SystemdManager(for_user=False).identity({"HOME": "/root-home", "LANG": "C"})
    assert found["env"]["HOME"] == account.pw_dir
    assert found["env"]["LANG"] == "C"
    assert (found["user"], found["group"]) == (account.pw_name, account.pw_name)
    assert found["extra_groups"] == []
    # A user's own service runs as that user, and so does its check.
    assert SystemdManager(for_user=True).identity({}) == {"env": {}}


def test_variables_of_this_shell_are_not_those_of_the_service(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKCAST_SEND__CODEC__NAME", "mpeg9")
    assert call("install", "send", "--user", "--no-start", *OPTIONS).exit_code == 0
    assert units(home) == ["rankcast-send.service"]


def test_without_a_running_systemd_nothing_is_written_unless_no_start_says_so(home: Path) -> None:
    done = call("install", "send", "--user", *OPTIONS)
    assert isinstance(done.exception, RankcastError)
    assert "no systemd runs here" in str(done.exception)
    assert units(home) == []
    done = call("install", "receive", "--user", "--no-start")
    assert done.exit_code == 0
    assert units(home) == ["rankcast-receive.service"]
    assert "systemctl --user enable --now rankcast-receive.service" in done.output


def test_a_dry_run_prints_the_unit_and_writes_nothing(home: Path) -> None:
    done = call("install", "send", "--user", "--dry-run", *OPTIONS)
    assert done.exit_code == 0
    assert done.stdout.startswith(MARK)
    assert units(home) == []


@pytest.mark.parametrize("failing", ["daemon-reload", "enable"])
def test_a_unit_that_systemd_refuses_is_as_before(
    home: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    start_systemd(home, monkeypatch, failing)
    manager = SystemdManager(for_user=True)
    with pytest.raises(RankcastError, match=r"failed with 5 \(Failed to obey: no\.\)"):
        manager.install("rankcast-send", MARK, start=True)
    assert units(home) == []
    path = manager.install("rankcast-send", f"{MARK}, the first", start=False)
    with pytest.raises(RankcastError):
        manager.install("rankcast-send", f"{MARK}, the second", start=True)
    assert units(home) == ["rankcast-send.service"]
    assert path.read_text() == f"{MARK}, the first"


def test_a_service_that_does_not_start_stays_and_its_log_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_systemd(home, monkeypatch, "restart")
    done = call("install", "send", "--user", *OPTIONS)
    assert "journalctl --user -u rankcast-send.service" in str(done.exception)
    assert units(home) == ["rankcast-send.service"]


def test_a_unit_of_somebody_else_is_neither_replaced_nor_removed(home: Path) -> None:
    folder = home / "config" / "systemd" / "user"
    folder.mkdir(parents=True)
    (folder / "rankcast-send.service").write_text("[Unit]\n")
    for arguments in (("install", "send", "--user", "--no-start"), ("uninstall", "send", "--user")):
        done = call(*arguments)
        assert isinstance(done.exception, SettingsError)
        assert "has not written" in str(done.exception)
    assert (folder / "rankcast-send.service").read_text() == "[Unit]\n"


@pytest.mark.usefixtures("home")
def test_a_service_that_is_not_installed_is_not_removed() -> None:
    assert "want the name of an installed service" in str(
        call("uninstall", "x", "--user").exception
    )


@pytest.mark.parametrize("name", ["", "Line3", "../x", "a b", "x" * 33, "a.service"])
def test_a_name_is_1_to_32_of_a_few_characters(home: Path, name: str) -> None:
    done = call("install", "send", "--user", "--no-start", "--name", name, *OPTIONS)
    assert isinstance(done.exception, SettingsError)
    assert units(home) == []


def test_the_system_needs_root_and_the_user_of_the_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = SystemdManager(for_user=False, units=tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SettingsError, match=r"want root to write to .*: use sudo, or --user"):
        system.check_rights()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    system.check_rights()
    monkeypatch.setattr(manager_module, "ACCOUNT", "nobody-of-that-name")
    with pytest.raises(SettingsError, match="useradd --system"):
        system.check_account()


@pytest.mark.parametrize(
    ("platform", "instead"), [("win32", "Task Scheduler"), ("darwin", "launch daemon")]
)
def test_other_systems_are_told_what_they_have_instead(
    monkeypatch: pytest.MonkeyPatch, platform: str, instead: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(RankcastError, match=rf"want Linux with systemd: .*{instead}"):
        SystemdManager(for_user=True).check_platform()


def test_what_the_sandbox_hides_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/home/anna/venv/bin/rankcast")
    for path in (Path("/home/anna/sender.toml"), Path("/root/x"), Path("/tmp/x"), link):
        with pytest.raises(SettingsError, match="cannot see"):
            check_visible([path])
    check_visible([Path("/opt/rankcast/bin/rankcast"), Path("/etc/rankcast/sender.toml")])


@pytest.mark.parametrize("end", ["send", "receive", "relay"])
def test_a_unit_for_the_system_is_the_file_with_another_command(end: str) -> None:
    file = Path(__file__).resolve().parents[4] / "config" / "systemd" / f"rankcast-{end}.service"
    lines = file.read_text(encoding="utf-8").splitlines()
    text = unit_text(end, ["/opt/x", end], for_user=False).splitlines()
    kept = [line for line in text if line != f"ExecStart=/opt/x {end}"][2:]
    assert kept == [line for line in lines[lines.index("[Unit]") :] if "ExecStart" not in line]


def test_a_receiver_waits_for_the_next_stream() -> None:
    command = service_command("receive", None, ())
    assert command[-2:] == ["receive", "--stay"]


@pytest.mark.parametrize("word", ["a\nb", "a\0b", "\x1b[2J"])
def test_words_that_a_unit_cannot_hold_are_refused(word: str) -> None:
    with pytest.raises(SettingsError, match="printable"):
        unit_text("send", ["/bin/rankcast", word], for_user=True)


@pytest.mark.parametrize("word", ["plain", "with space", "per%cent", "dol$lar", "a;b", "ü"])
def test_systemd_finds_the_program_that_was_meant(tmp_path: Path, word: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine: apt-get install systemd")
    # It names a command that does not exist.
    unit = tmp_path / "rankcast-x.service"
    unit.write_text(unit_text("send", [f"/nowhere/{word}", "send"], for_user=False))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert f"Command /nowhere/{word} is not executable" in done.stderr


@pytest.mark.parametrize("word", ['quo"te', "it's", "back\\slash"])
def test_a_program_that_systemd_would_not_start_is_refused(word: str) -> None:
    with pytest.raises(SettingsError, match="without quotes and backslashes"):
        unit_text("send", [f"/opt/{word}/rankcast", "send"], for_user=False)


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("replay:/data/*.png?fps=10", "replay:/data/*.png?fps=10"),
        ("codec.svd-patch.bitrate=4 Mbit/s", '"codec.svd-patch.bitrate=4 Mbit/s"'),
        ("10%", "10%%"),
        ("$HOME", "$$HOME"),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("it's", '"it\'s"'),
        (";", '";"'),
        ("", '""'),
    ],
)
def test_options_are_quoted_as_systemd_reads_them(word: str, written: str) -> None:
    text = unit_text("send", ["/opt/rankcast", "send", word], for_user=False)
    assert f"ExecStart=/opt/rankcast send {written}" in text.splitlines()
