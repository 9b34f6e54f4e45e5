"""SystemdManager: where the units of the system or of a user lie, and how it is told of changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rankcast.atomic_file import make_folder, write_whole
from rankcast.commands.service.unit import MARK
from rankcast.errors import RankcastError, SettingsError

SYSTEM_UNITS: Final = Path("/etc/systemd/system")
SYSTEM_STATE: Final = Path("/var/lib/rankcast")
ACCOUNT: Final = "rankcast"
"""User of the services of the system."""
_INSTEAD: Final = {
    "win32": "Windows starts `rankcast receive --stay` by a task of the Task Scheduler",
    "darwin": "macOS starts `rankcast receive --stay` by a launch daemon",
}
_UNIT_MODE: Final = 0o644


class SystemdManager:
    """The systemd of this machine, or that of a user.

    Parameters
    ----------
    for_user : bool
    units : Path, optional
        Folder of its units, replaceable in tests.
    booted : Path, optional
        Folder that exists while it runs, replaceable in tests.
    """

    def __init__(
        self, *, for_user: bool, units: Path | None = None, booted: Path | None = None
    ) -> None:
        self._for_user = for_user
        self._units = units or (_user_units() if for_user else SYSTEM_UNITS)
        self._states = _user_states() if for_user else (SYSTEM_STATE,)
        # The first is what sd_booted(3) looks for.
        self._booted = booted or (_user_manager() if for_user else Path("/run/systemd/system"))

    @property
    def is_running(self) -> bool:
        """Return whether it runs, and can be told of changes."""
        return self._booted.exists() and shutil.which("systemctl") is not None

    def check_platform(self) -> None:
        """Check that this system may have systemd at all.

        Raises
        ------
        RankcastError
            If not; the message names what it has instead.
        """
        if not sys.platform.startswith("linux"):
            instead = _INSTEAD.get(sys.platform, "start `rankcast` with the service manager here")
            raise RankcastError(
                f"got {sys.platform}, want Linux with systemd: {instead}, see docs/deployment.md"
            )

    def check_rights(self) -> None:
        """Check that this process may change units.

        Raises
        ------
        SettingsError
        """
        if not self._for_user and os.geteuid() != 0:
            raise SettingsError(
                f"got an ordinary user, want root to write to {self._units}: use sudo, or --user"
            )

    def check_account(self) -> None:
        """Check that the user of the services exists.

        Raises
        ------
        SettingsError
            With the command that makes it.
        """
        if not self._for_user and not account_exists():
            raise SettingsError(
                f"got no user {ACCOUNT}, as which the service runs: useradd --system --user-group "
                f"--home-dir /var/lib/{ACCOUNT} --shell /usr/sbin/nologin {ACCOUNT}"
            )

    def state_folder(self) -> Path:
        """Return the folder in which services run; ``/`` if none has run yet."""
        return next((folder for folder in self._states if folder.is_dir()), Path("/"))

    def identity(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return arguments of `subprocess.run` that run a program as a service is run.

        That finds files that root can read but the service cannot. An ordinary user, and root
        without the account, stay who they are.
        """
        if self._for_user or os.geteuid() != 0 or not account_exists():
            return {"env": environment}
        home = _account_home()
        return {
            "env": {**environment, "HOME": home, "USER": ACCOUNT, "LOGNAME": ACCOUNT},
            "user": ACCOUNT, "group": ACCOUNT, "extra_groups": [],
        }  # fmt: skip

    def install(self, name: str, text: str, *, start: bool) -> Path:
        """Write a unit and reload systemd; if `start`, also enable and restart the service.

        Raises
        ------
        RankcastError
            If it cannot be written, systemd does not take it, or the service does not start. The
            unit file is then as before, except that one that does not start stays.
        """
        path = self._units / f"{name}.service"
        before = self._own_unit(path)
        make_folder(path.parent)
        write_whole(path, text.encode(), fsync=True)
        path.chmod(_UNIT_MODE)
        if not start:
            return path
        try:
            self.systemctl("daemon-reload")
            self.systemctl("enable", path.name)
        except RankcastError:
            if before is None:
                path.unlink()
            else:
                write_whole(path, before, fsync=True)
            raise
        self.systemctl("restart", path.name)
        return path

    def uninstall(self, name: str) -> Path:
        """Stop a service and remove its unit.

        Raises
        ------
        SettingsError
            If there is no such unit, or another program wrote it.
        RankcastError
            If systemd does not stop it.
        """
        path = self._units / f"{name}.service"
        if self._own_unit(path) is None:
            raise SettingsError(f"got {name}, want the name of an installed service: no {path}")
        if self.is_running:
            self.systemctl("disable", "--now", path.name)
        path.unlink()
        if self.is_running:
            self.systemctl("daemon-reload")
        return path

    def command(self, *arguments: str) -> list[str]:
        """Return a systemctl command for this manager."""
        return ["systemctl", *(["--user"] if self._for_user else []), *arguments]

    def systemctl(self, *arguments: str) -> None:
        """Run systemctl.

        Raises
        ------
        RankcastError
            If it fails, with its first line.
        """
        command = self.command(*arguments)
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"]
            unit = arguments[-1]
            log = "journalctl " + ("--user " if self._for_user else "") + f"-u {unit}"
            hint = f": read `{log}`" if arguments[0] == "restart" else ""
            raise RankcastError(
                f"`{' '.join(command)}` failed with {done.returncode}{hint} ({said[0]:.160})"
            )

    def _own_unit(self, path: Path) -> bytes | None:
        """Return an installed unit; None if there is none."""
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise RankcastError(f"{path}: cannot be read: {exc.strerror}") from exc
        if not text.startswith(MARK.encode()):
            raise SettingsError(
                f"got {path}, which `rankcast service install` has not written: move it away, or "
                "choose another --name"
            )
        return text


def account_exists() -> bool:
    """Return whether the user of services exists."""
    import pwd

    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return False
    return True


def _account_home() -> str:
    import pwd

    return pwd.getpwnam(ACCOUNT).pw_dir


def _user_units() -> Path:
    return _user_folder("XDG_CONFIG_HOME", ".config") / "systemd" / "user"


def _user_states() -> tuple[Path, ...]:
    """Return what ``%S/rankcast`` may be: the second one before systemd 254."""
    state = _user_folder("XDG_STATE_HOME", ".local/state")
    return state / "rankcast", _user_folder("XDG_CONFIG_HOME", ".config") / "rankcast"


def _user_folder(variable: str, usual: str) -> Path:
    configured = os.environ.get(variable, "")
    return Path(configured) if os.path.isabs(configured) else Path.home() / usual


def _user_manager() -> Path:
    return Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "systemd", "private")
