"""What a unit of systemd forbids, made with bubblewrap and libseccomp where no systemd runs.

The files are read-only but for one folder, there are no capabilities, and the system calls are
those of the unit: SystemCallFilter=, MemoryDenyWriteExecute= and RestrictAddressFamilies=.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

UID: Final = 10001
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_EQUAL, _MASKED_EQUAL = 4, 7
_WRITE, _EXECUTE = 2, 4
_SHM_EXEC: Final = 0o100000
_FAMILIES: Final = 64
"""More than Linux has."""


class _Comparison(ctypes.Structure):
    """``struct scmp_arg_cmp`` of <seccomp.h>."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def directives(unit: Path) -> dict[str, list[str]]:
    """Return the settings of a unit, with all values of each."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@contextmanager
def unit_sandbox(unit: Path, writable: Path) -> Iterator[Sequence[str]]:
    """Yield the launcher of processes that may do what the services of a unit may.

    Parameters
    ----------
    unit : Path
    writable : Path
        Stands for the folder of StateDirectory=.
    """
    for tool in ("bwrap", "systemd-analyze"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine: apt-get install bubblewrap systemd")
    seccomp = _libseccomp()
    settings = directives(unit)
    # Not in the folder that the process may write to.
    with tempfile.TemporaryDirectory() as folder:
        filters = [Path(folder, "calls"), Path(folder, "arguments")]
        _write_calls(seccomp, settings, filters[0])
        _write_arguments(seccomp, settings, filters[1])
        arguments = [
            "bwrap", "--unshare-user", "--uid", str(UID), "--gid", str(UID), "--unshare-ipc",
            "--die-with-parent", "--cap-drop", "ALL", "--ro-bind", "/", "/",
            "--proc", "/proc", "--dev", "/dev", "--bind", "/dev/shm", "/dev/shm", "--tmpfs", "/tmp",
            "--bind", str(writable), str(writable), "--chdir", str(writable),
        ]  # fmt: skip
        # Descriptors of Popen end before the process is started: the shell opens its own.
        numbers = range(7, 7 + len(filters))
        for number in numbers:
            arguments += ["--add-seccomp-fd", str(number)]
        opened = " ".join(
            f"{number}<{shlex.quote(str(path))}"
            for number, path in zip(numbers, filters, strict=True)
        )
        launcher = ["sh", "-c", f'exec {shlex.join(arguments)} "$@" {opened}', "sh"]
        probe = subprocess.run([*launcher, "true"], capture_output=True, text=True)
        if probe.returncode:
            pytest.skip(f"bubblewrap cannot make namespaces here: {probe.stderr.strip():.200}")
        yield launcher


def _libseccomp() -> Any:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("no libseccomp on this machine: apt-get install libseccomp2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p,
    )  # fmt: skip
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    return library


def _write_calls(seccomp: Any, settings: dict[str, list[str]], path: Path) -> None:
    """Write a filter that allows the system calls of SystemCallFilter= and no other."""
    assert settings["SystemCallErrorNumber"] == ["EPERM"]
    sets = _call_sets()
    allowed = set(_members(sets, "@default"))
    for value in settings["SystemCallFilter"]:
        names = {name for word in value.lstrip("~").split() for name in _members(sets, word)}
        allowed = allowed - names if value.startswith("~") else allowed | names
    rules: list[tuple[int, str, list[_Comparison]]] = [(_ALLOW, name, []) for name in allowed]
    _export(seccomp, _ERRNO | errno.EPERM, rules, path)


def _write_arguments(seccomp: Any, settings: dict[str, list[str]], path: Path) -> None:
    """Write a filter that forbids arguments of system calls, as systemd does."""
    forbidden = _ERRNO | errno.EPERM
    rules: list[tuple[int, str, list[_Comparison]]] = []
    if settings["MemoryDenyWriteExecute"] == ["yes"]:
        both = _WRITE | _EXECUTE
        rules.append((forbidden, "mmap", [_Comparison(2, _MASKED_EQUAL, both, both)]))
        for name in ("mprotect", "pkey_mprotect"):
            rules.append((forbidden, name, [_Comparison(2, _MASKED_EQUAL, _EXECUTE, _EXECUTE)]))
        rules.append((forbidden, "shmat", [_Comparison(2, _MASKED_EQUAL, _SHM_EXEC, _SHM_EXEC)]))
    families = {int(getattr(socket, x)) for x in settings["RestrictAddressFamilies"][0].split()}
    for family in set(range(_FAMILIES)) - families:
        unsupported = _ERRNO | errno.EAFNOSUPPORT
        rules.append((unsupported, "socket", [_Comparison(0, _EQUAL, family, 0)]))
    _export(seccomp, _ALLOW, rules, path)


def _export(
    seccomp: Any, default: int, rules: list[tuple[int, str, list[_Comparison]]], path: Path
) -> None:
    """Write rules as the program that the kernel takes."""
    context = seccomp.seccomp_init(default)
    try:
        for action, name, comparisons in rules:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if number < 0:  # of another architecture, or newer than the library
                continue
            array = (_Comparison * len(comparisons))(*comparisons)
            done = seccomp.seccomp_rule_add_array(
                context, action, number, len(comparisons), ctypes.byref(array)
            )
            assert done == 0, f"{name}: {os.strerror(-done)}"
        with path.open("wb") as file:
            assert seccomp.seccomp_export_bpf(context, file.fileno()) == 0
    finally:
        seccomp.seccomp_release(context)


def _call_sets() -> dict[str, list[str]]:
    """Return the sets of system calls that systemd knows."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter"], check=True, capture_output=True, text=True
    ).stdout
    sets: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
            sets[name] = []
        elif line.startswith(" ") and not word.startswith("#"):
            sets[name].append(word)
    return sets


def _members(sets: dict[str, list[str]], word: str) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
        return
    for member in sets[word]:
        yield from _members(sets, member)
