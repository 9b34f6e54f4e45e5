"""``python:MODULE:FACTORY``: frames of an object of the user's own."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from threading import Event
from types import ModuleType
from typing import Any, Final

from pydantic import ConfigDict

from rankcast.errors import RankcastError, SettingsError, SourceError, one_line
from rankcast.frame import Frame
from rankcast.printable import printable
from rankcast.user_path import expand_path
from rankcast_sender.sources.uri import SourceOptions

_WANTED: Final = "python:MODULE:FACTORY or python:PATH.py:FACTORY"


class PythonOptions(SourceOptions):
    """Options of ``python:``: all but `fps` go to the factory, numbers, true and false as such."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @classmethod
    def check_path(cls, path: str) -> None:
        """Reject a path without module and factory."""
        module, _, factory = path.rpartition(":")
        if not module or not factory.isidentifier():
            raise SettingsError(f"got source python:{path:.100}, want {_WANTED}")

    @property
    def of_factory(self) -> Mapping[str, Any]:
        """Keyword arguments of the factory."""
        return {name: _plain(value) for name, value in (self.model_extra or {}).items()}


class PythonSource:
    """Frames that an object of the user's yields.

    The factory returns anything that can be iterated, such as a generator. It yields arrays of
    shape (H, W) or (H, W, C), uint8 or uint16, colour as BGR, or `rankcast.Frame` to add times,
    significant bits or metadata. Frames are numbered here. Where the object has an attribute `fps`,
    or the source an option `fps`, Rankcast sets the pace; otherwise the object does. Its `close`,
    where it has one, is called at the end, in the thread that iterates.

    Parameters
    ----------
    path : str
        ``MODULE:FACTORY``.
    options : PythonOptions

    Raises
    ------
    SettingsError
        If there is no such module or factory, or it does not take the options.
    SourceError
        If the factory fails.
    """

    def __init__(self, path: str, options: PythonOptions) -> None:
        options.check_path(path)
        module, _, name = path.rpartition(":")
        self._name = f"python:{printable(path)}"
        self._interrupted = Event()
        self._object = self._made(_factory(module, name, self._name), options.of_factory)
        fps = options.fps or getattr(self._object, "fps", None)
        self._fps = float(fps) if fps else None

    def _made(self, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        try:
            made = factory(**arguments)
            iter(made)
        except RankcastError:
            raise
        except TypeError as exc:
            raise SettingsError(
                f"{self._name} does not take the options {dict(arguments)} or returns nothing to "
                f"iterate over ({one_line(exc)})"
            ) from exc
        except Exception as exc:
            raise SourceError(f"{self._name} cannot be opened: {one_line(exc)}") from exc
        return made

    @property
    def description(self) -> str:
        """That of the object, or its name."""
        text = getattr(self._object, "description", None)
        return printable(text)[:200] if isinstance(text, str) else self._name

    @property
    def live(self) -> bool:
        """True if the object sets the pace."""
        return self._fps is None

    @property
    def fps(self) -> float | None:
        """As the options or the object state it."""
        return self._fps

    @property
    def frame_interval_s(self) -> float | None:
        """One period; None where the object sets the pace."""
        return None if self._fps is None else 1.0 / self._fps

    @property
    def gaps(self) -> int:
        """Always 0: the object does not say what it lost."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of the object.

        Raises
        ------
        SourceError
            If it fails, or yields something that is no picture.
        """
        number = 0
        try:
            for item in self._object:
                if self._interrupted.is_set():
                    return
                frame = replace(item, frame=number) if isinstance(item, Frame) else Frame(
                    item, frame=number
                )  # fmt: skip
                yield frame
                number += 1
        except SettingsError:
            raise
        except Exception as exc:
            raise SourceError(f"{self._name} failed at frame {number}: {one_line(exc)}") from exc

    def interrupt(self) -> None:
        """End the iteration with the next frame: nothing can interrupt the object itself."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the object, where it can be closed."""
        close = getattr(self._object, "close", None)
        if callable(close):
            close()


def _factory(module: str, name: str, source: str) -> Callable[..., Any]:
    try:
        loaded = _from_file(module) if module.endswith(".py") else importlib.import_module(module)
    except Exception as exc:
        hint = ""
        if isinstance(exc, ModuleNotFoundError) and exc.name == module:
            hint = f": write python:./{module}.py:{name} for a file of the current folder"
        raise SettingsError(f"{source} cannot be imported ({one_line(exc)}){hint}") from exc
    factory: Any = getattr(loaded, name, None)
    if not callable(factory):
        raise SettingsError(f"{source}: {module} has no function or class {name}")
    return factory  # type: ignore[no-any-return]


def _from_file(path: str) -> ModuleType:
    file = os.path.abspath(expand_path(path))
    # Under another name than an installed module could have.
    name = f"rankcast_source_{os.path.splitext(os.path.basename(file))[0]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _plain(text: Any) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
