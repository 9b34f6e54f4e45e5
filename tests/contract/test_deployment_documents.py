"""Tables and examples of the pages for those who set stations up: whole, and taken by the tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
_SEPARATOR = re.compile(r"\|(?: *:?-+:? *\|)+")


def page(name: str) -> str:
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


def broken_tables(text: str) -> list[str]:
    """First rows of blocks of rows that have no separator below the first one."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"(?:^\|.*\n?)+", prose, re.MULTILINE)
    return [
        rows[0]
        for rows in map(str.splitlines, blocks)
        if len(rows) < 2 or not _SEPARATOR.fullmatch(rows[1])
    ]


def firewall() -> str:
    """Return the example of nftables."""
    found = re.search(r"^    table inet rankcast \{\n(?:    .*\n)+", page("deployment.md"), re.M)
    assert found
    return found[0]


def test_rows_after_an_empty_line_are_found() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert broken_tables(table) == []
    assert broken_tables(f"{table}\n| 3 | 4 |\n| 5 | 6 |\n") == ["| 3 | 4 |"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_row_stands_outside_of_its_table(path: Path) -> None:
    assert broken_tables(path.read_text(encoding="utf-8")) == []


def test_the_example_of_a_firewall_opens_what_the_table_of_ports_lists() -> None:
    rules = firewall()
    for needed in ("5555, 5565", "9464", "224.0.0.251", "ff02::fb", 'iifname "eth1"'):
        assert needed in rules
    # Neighbours and routers: a table of both families that drops these stops IPv6.
    assert "ipv6-icmp accept" in rules


def test_nftables_takes_the_example_of_a_firewall(tmp_path: Path) -> None:
    if shutil.which("nft") is None:
        pytest.skip("no nft on this machine: apt-get install nftables")
    file = tmp_path / "rankcast.nft"
    file.write_text(firewall())
    done = subprocess.run(["nft", "-c", "-f", str(file)], capture_output=True, text=True)
    if "Operation not permitted" in done.stderr:
        pytest.skip("nft -c needs root")
    assert (done.returncode, done.stderr) == (0, "")


def test_each_end_has_a_metrics_address_of_its_own_on_every_page() -> None:
    assert "send --config sender.toml --metrics 127.0.0.1:9464" in page("operations.md")
    assert "receive --config receiver.toml --metrics 127.0.0.1:9465" in page("operations.md")
    assert "relay --config relay.toml --metrics 127.0.0.1:9466" in page("operations.md")
    assert '["127.0.0.1:9464", "127.0.0.1:9465", "127.0.0.1:9466"]' in page("operations.md")
    assert "127.0.0.1:9465 in that of the receiver" in page("install.md")
    assert "127.0.0.1:9466 in that" in page("install.md")


def test_incoming_ports_on_windows_are_all_named() -> None:
    windows = page("install.md").partition("## Windows")[2].partition("## macOS")[0]
    incoming = windows[windows.index("Incoming") :].partition(". ")[0]
    for needed in ("--web", "--metrics", "5353/udp"):
        assert needed in incoming
