"""Output files of a comparison: pictures, JSON and HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from rankcast.atomic_file import write_whole
from rankcast.commands.compare.html_page import HtmlPage, write_page
from rankcast.printable import printable


@dataclass(frozen=True, slots=True)
class ReportTarget:
    """Output requested on the command line, in addition to the table on the terminal."""

    name: str
    """Name of the picture, printable."""
    stem: Path
    """Folder and common first part of the picture names."""
    json_file: Path | None
    html_file: Path | None
    pictures: bool
    """True to draw the sheet and the plot."""

    def picture(self, suffix: str) -> Path:
        """Return the path of a picture."""
        return self.stem.with_name(f"{self.stem.name}-{suffix}.png")

    def write_json(self, document: Mapping[str, Any]) -> None:
        """Write the JSON file, if requested."""
        if self.json_file is not None:
            text = json.dumps(document, indent=2, allow_nan=False)
            write_whole(self.json_file, text.encode() + b"\n")
            self.announce("table", self.json_file)

    def write_html(self, page: HtmlPage) -> None:
        """Write the HTML file, if requested."""
        if self.html_file is not None:
            write_page(self.html_file, page)
            self.announce("report", self.html_file)

    @staticmethod
    def announce(what: str, path: Path) -> None:
        """Print the name of a written file."""
        click.echo(f"{what:<9}{printable(path)}")
