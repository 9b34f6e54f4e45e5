"""An HTML report in one self-contained file: table, pictures and plots."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from rankcast.atomic_file import write_whole

_STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0; background: #f6f7f8; color: #1a1a1a;
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1500px; margin: 0 auto; padding: 28px 32px 48px; }
h1 { font-size: 26px; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 34px 0 10px; }
p.about { color: #5f6368; margin: 4px 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; background: white; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 14px; text-align: right; border-bottom: 1px solid #e3e5e8;
  white-space: nowrap; }
th { border-bottom: 2px solid #5f6368; }
th.word, td.word { text-align: left; }
td.long { white-space: normal; color: #5f6368; }
/* The name stays in sight while a telephone scrolls the numbers. */
tr > :first-child:not(.long) { position: sticky; left: 0; background: inherit; }
thead tr, tbody tr { background: white; }
tbody tr:hover { background: #f1f5fb; }
ul { margin: 8px 0; padding-left: 20px; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr));
  gap: 18px; }
figure { margin: 0; background: white; border: 1px solid #e3e5e8; padding: 10px; }
figure img { width: 100%; display: block; image-rendering: auto; }
figcaption { margin-top: 8px; } figcaption b { font-size: 16px; }
figcaption span { color: #5f6368; display: block; }
img.plot { display: block; width: 100%; min-width: 760px; max-width: 1500px;
  box-sizing: border-box; background: white; border: 1px solid #e3e5e8; }
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its caption."""

    png: bytes
    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HtmlTable:
    """Rows of text; the first columns contain words, the others numbers.

    The last cell of a row with fewer cells than titles spans the remaining columns.
    """

    titles: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    words: int = 2
    """Number of columns that contain words."""


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """The content of the page, from top to bottom."""

    title: str
    about: str
    table: HtmlTable
    notes: Sequence[str]
    figures: Sequence[Figure]
    plots: Sequence[bytes]
    """PNG files."""


def write_page(path: Path, page: HtmlPage) -> None:
    """Write the page atomically.

    Raises
    ------
    RankcastError
        If the file cannot be written.
    """
    notes = "".join(f"<li>{escape(note)}</li>" for note in page.notes)
    figures = "".join(map(_figure, page.figures))
    plots = "".join(
        f'<div class="scroll"><img class="plot" alt="plot" src="{_data(png)}"></div>'
        for png in page.plots
    )
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # No fetches and no scripts, whatever a hostile file name contains.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{escape(page.title)}</h1><p class="about">{escape(page.about)}</p>'
        f"<h2>Table</h2>{_table(page.table)}"
        + (f"<ul>{notes}</ul>" if notes else "")
        + (f'<h2>Pictures</h2><div class="sheet">{figures}</div>' if figures else "")
        + (f"<h2>Plots</h2>{plots}" if plots else "")
        + "</main></body></html>\n"
    )
    write_whole(path, html.encode())


def _table(table: HtmlTable) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        parts = []
        for number, cell in enumerate(cells):
            kind = ' class="word"' if number < table.words else ""
            if number == len(cells) - 1 and len(cells) < len(table.titles):
                kind = f' class="word long" colspan="{len(table.titles) - number}"'
            parts.append(f"<{tag}{kind}>{escape(cell)}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    body = "".join(row(cells, "td") for cells in table.rows)
    return (
        f'<div class="scroll"><table><thead>{row(table.titles, "th")}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(figure: Figure) -> str:
    lines = "".join(f"<span>{escape(line)}</span>" for line in figure.lines)
    return (
        f'<figure><img alt="{escape(figure.heading)}" src="{_data(figure.png)}">'
        f"<figcaption><b>{escape(figure.heading)}</b>{lines}</figcaption></figure>"
    )


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
