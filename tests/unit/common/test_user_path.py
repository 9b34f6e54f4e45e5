"""The rule for paths of settings and options, and every place that has to follow it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from rankcast.codec import CODECS_BY_NAME
from rankcast.encoder import check_options
from rankcast.errors import SettingsError
from rankcast.path_parameter import EXISTING_FOLDER, PATH
from rankcast.settings import Layer, Table, option_layers, to_toml, validate
from rankcast.settings.layers import file_layer
from rankcast.user_path import expand_optional_path, expand_path
from rankcast_receiver.settings import ReceiverSettings
from rankcast_sender.settings import SenderSettings

COMMANDS = {entry.name: entry.load() for entry in entry_points(group="rankcast.commands")}
PATH_WORDS = ("FILE", "DIR", ".key", ".pub", ".rkm", ".rkc", "PATH", "IMAGE")
"""What stands in the metavar of an argument that names a file or a folder."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_home_folder(home: Path) -> None:
    assert expand_path("~/pictures") == str(home / "pictures")
    assert expand_path("~") == str(home)


@pytest.mark.parametrize(
    "text", ["pictures", "./~pictures", "a/~/b", "/srv/pictures", "with space ", "a~", "-"]
)
@pytest.mark.usefixtures("home")
def test_any_other_path_stays_as_it_is(text: str) -> None:
    assert expand_path(text) == text


@pytest.mark.skipif(sys.platform == "win32", reason="~user is looked up in the user database")
def test_the_home_of_another_user_is_looked_up() -> None:
    import pwd

    root = pwd.getpwuid(0)
    assert expand_path(f"~{root.pw_name}/a") == f"{root.pw_dir.rstrip('/')}/a"
    with pytest.raises(ValueError, match="no home folder is known for ~nobody-has-this-name"):
        expand_path("~nobody-has-this-name/a")


@pytest.mark.parametrize("text", ["", " ", "\t", "a\0b"])
def test_what_can_be_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        expand_path(text)
    if text:
        with pytest.raises(ValueError, match="path"):
            expand_optional_path(text)


def test_an_empty_path_turns_a_setting_off() -> None:
    assert expand_optional_path("") == ""


def _path_fields(model: type[BaseModel], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Dotted keys of the settings that name files or folders, as their descriptions say."""
    found = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Table):
            found += _path_fields(annotation, (*before, name))
        elif name in ("dir", "models", "key", "authorized", "server_keys"):
            found.append((*before, name))
    return found


SETTINGS = [
    (model, path) for model in (SenderSettings, ReceiverSettings) for path in _path_fields(model)
]


def _nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("model", "path"), SETTINGS, ids=[f"{m.__name__}-{'.'.join(p)}" for m, p in SETTINGS]
)
def test_every_path_of_the_settings_follows_the_rule(
    home: Path, model: type[BaseModel], path: tuple[str, ...]
) -> None:
    # Keys come in pairs.
    both = (
        {"security": {"key": "k", "authorized": "a"}}
        if model is SenderSettings
        else {"security": {"key": "k", "server_keys": ["s"]}}
    )
    layers = [Layer("pair", both if path[0] == "security" else {})]
    settings = validate(model, [*layers, Layer("test", _nested(path, "~/here"))])
    value: Any = settings
    for part in path:
        value = getattr(value, part)
    assert value in (str(home / "here"), [str(home / "here")])
    with pytest.raises(SettingsError, match="NUL"):
        validate(model, [*layers, Layer("test", _nested(path, "a\0b"))])


def test_the_settings_name_the_paths_that_are_known() -> None:
    assert {".".join(path) for _, path in SETTINGS} == {
        "audit.dir", "security.key", "security.authorized", "stream.models", "save.dir",
        "security.server_keys",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "option", "more"), [("pca", "model", {"layout": "frames"}), ("gan", "model", {})]
)
def test_options_of_codecs_follow_the_rule(
    home: Path, codec: str, option: str, more: dict[str, Any]
) -> None:
    options = check_options(codec, {option: "~/m.rkm", **more})
    assert getattr(options, option) == str(home / "m.rkm")
    paths = {
        (name, field)
        for name, row in CODECS_BY_NAME.items()
        for field in row.options.model_fields
        if "model" in field
    }
    assert (codec, option) in paths
    assert len(paths) == 2, "a codec has a path that this test does not know"


def _parameters(command: click.Command, name: str) -> list[tuple[str, click.Parameter]]:
    if isinstance(command, click.Group):
        return [
            each
            for part, inner in command.commands.items()
            for each in _parameters(inner, f"{name} {part}")
        ]
    return [(f"{name} {parameter.name}", parameter) for parameter in command.params]


PARAMETERS = [each for name, command in COMMANDS.items() for each in _parameters(command, name)]


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS, ids=[name for name, _ in PARAMETERS])
def test_every_path_on_the_command_line_follows_the_rule(
    name: str, parameter: click.Parameter
) -> None:
    metavar = parameter.metavar or ""
    is_path = any(word in metavar for word in PATH_WORDS) or metavar in ("IN", "OUT")
    assert (parameter.type in (PATH, EXISTING_FOLDER)) == is_path, (
        f"{name}: {metavar} is of {parameter.type!r}"
    )


@pytest.mark.parametrize("value", ["", "a\0b", "~nobody-has-this-name/a"])
def test_an_option_that_is_no_path_is_wrong_usage(value: str) -> None:
    @click.command()
    @click.option("--out", type=PATH)
    def command(out: Path) -> None:
        click.echo(out)

    result = CliRunner().invoke(command, ["--out", value])
    assert result.exit_code == 2
    assert "path" in result.output or "home folder" in result.output


def test_an_option_for_a_folder_takes_no_other(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert EXISTING_FOLDER.convert(str(tmp_path), None, None) == tmp_path
    for name in ("file", "absent"):
        with pytest.raises(click.UsageError, match=r"is not a folder"):
            EXISTING_FOLDER.convert(str(tmp_path / name), None, None)


def test_an_option_is_expanded_once(home: Path) -> None:
    """A file whose name begins with a tilde stays that file on its way into the settings."""
    path = PATH.convert("./~pictures", None, None)
    settings = validate(ReceiverSettings, option_layers({"--save": ("save.dir", path)}))
    assert Path(settings.save.dir) == Path("~pictures")
    path = PATH.convert("~/pictures", None, None)
    settings = validate(ReceiverSettings, option_layers({"--save": ("save.dir", path)}))
    assert settings.save.dir == str(home / "pictures")


def test_checked_settings_show_the_expanded_path(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "receiver.toml"
    file.write_text('[save]\ndir = "~/pictures"\n')
    printed = to_toml(validate(ReceiverSettings, [file_layer(file)]))
    assert f'dir = "{(home / "pictures").as_posix()}"' in printed.replace("\\\\", "/")


def test_no_folder_is_named_tilde(home: Path, tmp_path: Path) -> None:
    """`save.dir = "~/pictures"` and `--save=~/pictures` save below the home folder."""
    work = tmp_path / "work"
    work.mkdir()
    script = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from rankcast_receiver.cli import receive\n"
        "receive(['--check', *sys.argv[1:]])\n"
    )
    for option in ("--save=~/pictures", '--set=save.dir="~/pictures"'):
        done = subprocess.run(
            [sys.executable, "-c", script, option], cwd=work, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert str(home / "pictures") in done.stdout
    assert not list(work.iterdir())
