"""How paths in settings and options are expanded and checked."""

from __future__ import annotations

from pathlib import Path


def expand_path(text: str) -> str:
    """Expand ``~`` and ``~user`` at the start of a path.

    A relative path, even one in a settings file, stays relative to the current folder. Write
    ``./~name`` for a file whose name begins with a tilde.

    Raises
    ------
    ValueError
        If the path is empty, contains a NUL character or names the home of an unknown user.
    """
    if not text.strip():
        raise ValueError("the path is empty: name a file or folder, or leave the setting out")
    if "\0" in text:
        raise ValueError("the path contains a NUL character, which no file name can contain")
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
    """Expand a path that may be empty, which disables its setting; see `expand_path`."""
    return expand_path(text) if text else text
