"""The one rule for paths in settings and options: what ``~`` means and what is refused."""

from __future__ import annotations

from pathlib import Path


def expand_path(text: str) -> str:
    """Expand ``~`` and ``~user`` at the start of a path.

    A relative path stays relative to the current folder, of a settings file too. A file whose name
    begins with a tilde is written ``./~name``.

    Raises
    ------
    ValueError
        If the path is empty, contains a NUL character or names the home of an unknown user.
    """
    if not text.strip():
        raise ValueError("the path is empty: name a file or folder, or leave the setting out")
    if "\0" in text:
        raise ValueError("the path contains a NUL character, which no file name can hold")
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        home = Path(text).parts[0]
        raise ValueError(
            f"no home folder is known for {home}: write the whole path, "
            "or ./~name for a name that begins with a tilde"
        ) from None


def expand_optional_path(text: str) -> str:
    """Expand a path whose setting is off while it is empty; see `expand_path`."""
    return expand_path(text) if text else text
