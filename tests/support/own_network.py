"""A network and name server of their own for real processes, in a namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

WAIT_S: Final = 20.0
_SILENT_SERVER: Final = (
    "import socket, sys\n"
    "server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "server.bind(('127.0.0.1', 53))\n"
    "print('ready', flush=True)\n"
    "sys.stdin.read()\n"
)


@contextmanager
def own_network(folder: Path, hosts: str = "", *, setup: str = "") -> Iterator[Sequence[str]]:
    """Yield the launcher of processes that share a network with loopback alone.

    The name server there takes queries and never answers.

    Parameters
    ----------
    folder : Path
        For the files that replace those of /etc.
    hosts : str
        Contents of /etc/hosts.
    setup : str
        Shell commands that add to the network.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("namespaces need root")
    for tool in ("unshare", "nsenter", "ip", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine")
    files = {
        "resolv.conf": "nameserver 127.0.0.1\noptions timeout:5 attempts:4\n",
        "hosts": f"127.0.0.1 localhost\n{hosts}",
        "nsswitch.conf": "hosts: files dns\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    mounts = " && ".join(f"mount --bind {folder / name} /etc/{name}" for name in files)
    script = f'set -e; ip link set lo up; {setup or ":"}; {mounts}; exec {sys.executable} -c "$1"'
    holder = subprocess.Popen(
        ["unshare", "-mn", "sh", "-c", script, "sh", _SILENT_SERVER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "ready\n":
            _, error = holder.communicate(timeout=WAIT_S)
            pytest.skip(f"no namespace of our own here: {error.strip()}")
        yield ("nsenter", "-t", str(holder.pid), "-m", "-n")
    finally:
        holder.kill()
        holder.communicate(timeout=WAIT_S)
