"""Settings: layers, precedence and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from rankcast.codec import CODECS_BY_NAME
from rankcast.errors import SettingsError
from rankcast.settings import (
    CodecTable,
    Layer,
    Table,
    command_layers,
    option_layers,
    parse_set,
    set_layers,
    to_toml,
    validate,
)
from rankcast.settings.layers import environment_layer, file_layer


class Belt(Table):
    speed_mm_s: float = Field(default=100.0, gt=0)
    name: str = "belt"


class Plant(Table):
    belt: Belt = Belt()
    codec: CodecTable = CodecTable(name="svd")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("codec.rank=0.2", ("codec.rank", 0.2)),
        ("codec.rank=5", ("codec.rank", 5)),
        ("codec.engine=exact", ("codec.engine", "exact")),
        ('camera.source="camera:0"', ("camera.source", "camera:0")),
        ("camera.source=camera:0?width=10", ("camera.source", "camera:0?width=10")),
        ("camera.loop=true", ("camera.loop", True)),
        ("a.b=", ("a.b", "")),
        ("a.b=1\nc=2", ("a.b", "1\nc=2")),
    ],
)
def test_set_takes_toml_values_and_bare_words(text: str, want: tuple[str, object]) -> None:
    assert parse_set(text) == want


@pytest.mark.parametrize("text", ["rank", "=3", "a..b=1", ".a=1"])
def test_set_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"want table\.key=value"):
        parse_set(text)


def test_later_layers_win(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_text('[belt]\nspeed_mm_s = 1.0\nname = "file"\n')
    layers = [
        file_layer(path),
        *environment_layer(
            "PLANT__", {"PLANT__BELT__NAME": "env", "PLANT__BELT__SPEED_MM_S": "2.0"}
        ),
        *option_layers({"--name": ("belt.name", None)}),
        *set_layers(["belt.speed_mm_s=3.0"]),
    ]
    plant = validate(Plant, layers)
    assert (plant.belt.speed_mm_s, plant.belt.name) == (3.0, "env")


def test_an_unknown_key_names_its_origin_table_and_the_known_keys(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_text("[belt]\nspeed = 1.0\n")
    with pytest.raises(SettingsError) as caught:
        validate(Plant, [file_layer(path)])
    assert str(caught.value) == (f"{path}: [belt] speed is unknown; known here: speed_mm_s, name")


def test_text_for_a_number_names_the_value() -> None:
    with pytest.raises(SettingsError) as caught:
        validate(Plant, [Layer("plant.toml", {"belt": {"speed_mm_s": "fast"}})])
    assert str(caught.value).startswith("plant.toml: [belt] speed_mm_s = 'fast': ")
    assert "number" in str(caught.value)


def test_a_value_out_of_range_names_the_limit() -> None:
    with pytest.raises(SettingsError, match=r"--set belt.speed_mm_s: .*= -1.0: .*more than 0"):
        validate(Plant, set_layers(["belt.speed_mm_s=-1.0"]))


def test_a_scalar_for_a_table_is_one_clear_line() -> None:
    with pytest.raises(SettingsError, match=r"\[belt\] = 3: ") as caught:
        validate(Plant, set_layers(["belt=3"]))
    assert "\n" not in str(caught.value)


def test_options_of_the_named_codec_come_from_its_own_table() -> None:
    codec = {"name": "jpeg", "svd": {"rank": 0.3}, "jpeg": {"quality": 50}}
    plant = validate(Plant, [Layer("plant.toml", {"codec": codec})])
    assert plant.codec.chosen == {"quality": 50}


def test_options_directly_in_the_codec_table_win() -> None:
    file = Layer("plant.toml", {"codec": {"name": "jpeg", "jpeg": {"quality": 50}}})
    plant = validate(Plant, [file, *set_layers(["codec.quality=60"])])
    assert plant.codec.chosen == {"quality": 60}


@pytest.mark.parametrize(
    ("name", "table", "said", "chosen"),
    [
        ("svd-patch", {"quality": 75, "gop": 50}, "codec.psnr=40", {"psnr": 40, "gop": 50}),
        ("svd", {"rank": 0.1, "engine": "exact"}, "codec.energy=0.9",
         {"energy": 0.9, "engine": "exact"}),
    ],
)  # fmt: skip
def test_an_option_replaces_what_it_excludes_in_the_file(
    name: str, table: dict[str, object], said: str, chosen: dict[str, object]
) -> None:
    file = Layer("plant.toml", {"codec": {"name": name, name: table}})
    assert validate(Plant, [file, *set_layers([said])]).codec.chosen == chosen


@pytest.mark.parametrize(
    ("codec", "said"),
    [
        ({"name": "jpeg", "jpeg": 3}, "has no option 'jpeg'"),
        ({"name": "vhs"}, "got codec 'vhs'"),
        ({"name": "jpeg", "tracking": 1}, "has no option 'tracking'"),
        ({"name": "raw", "jpeg": {"quality": 0}}, "quality = 0"),
        ({"name": "raw", "vhs": {"quality": 0}}, "got codec 'vhs'"),
    ],
)
def test_wrong_codec_settings_name_their_origin(codec: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        validate(Plant, [Layer("plant.toml", {"codec": codec})])
    assert str(caught.value).startswith("plant.toml: [codec")
    assert said in str(caught.value)


def test_a_missing_file_and_broken_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent.toml: cannot be read"):
        file_layer(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"[belt\n")
    with pytest.raises(SettingsError, match=r"broken.toml: not valid TOML"):
        file_layer(broken)
    broken.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(SettingsError, match=r"broken.toml: line 2 has a byte that is not UTF-8"):
        file_layer(broken)


def test_effective_settings_are_printed_as_toml_that_can_be_read_back(tmp_path: Path) -> None:
    layers = set_layers(
        ['belt.name="a \\"quoted\\" \\\\ name"', "codec.name=jpeg", "codec.quality=9"]
    )
    plant = validate(Plant, layers)
    path = tmp_path / "printed.toml"
    path.write_text(to_toml(plant))
    again = validate(Plant, [file_layer(path)])
    assert again.belt == plant.belt
    assert again.codec.effective == plant.codec.effective == {"quality": 9}
    assert to_toml(again) == to_toml(plant)


@pytest.mark.parametrize("name", list(CODECS_BY_NAME))
def test_the_printed_settings_hold_every_option_that_counts(tmp_path: Path, name: str) -> None:
    plant = validate(Plant, set_layers([f"codec.name={name}"]))
    path = tmp_path / "printed.toml"
    path.write_text(to_toml(plant))
    again = validate(Plant, [file_layer(path)])
    assert again.codec.chosen == plant.codec.effective
    options = CODECS_BY_NAME[name].options
    for group in options.exclusive:
        assert len(set(group) & again.codec.chosen.keys()) == 1, group
    assert set(options().model_dump(exclude_none=True)) <= again.codec.chosen.keys()


@pytest.mark.parametrize("text", ["a\nb", "tab\t", "\x7f", "\x1b[0m", "ß“"])
def test_any_text_is_printed_so_that_it_can_be_read_back(tmp_path: Path, text: str) -> None:
    plant = validate(Plant, [Layer("plant.toml", {"belt": {"name": text}})])
    path = tmp_path / "printed.toml"
    path.write_text(to_toml(plant), encoding="utf-8")
    assert validate(Plant, [file_layer(path)]).belt.name == text


FILE = Layer("plant.toml", {"codec": {"name": "svd", "svd": {"rank": 0.1}}})


@pytest.mark.parametrize(
    ("layers", "chosen"),
    [
        ([FILE, *set_layers(["codec.svd.energy=0.9"])], {"energy": 0.9}),
        ([FILE, *environment_layer("P__", {"P__CODEC__ENERGY": "0.9"}),
          *set_layers(["codec.psnr=40"])], {"psnr": 40}),
        ([FILE, *environment_layer("P__", {"P__CODEC__ENERGY": "0.9"}),
          *set_layers(["codec.svd.psnr=40"])], {"psnr": 40}),
        ([FILE, *environment_layer("P__", {"P__CODEC__RANK": "0.2"}),
          *set_layers(["codec.svd.rank=0.3"])], {"rank": 0.3}),
        ([FILE, *set_layers(["codec.name=jpeg", "codec.svd.psnr=40"])], {}),
    ],
)  # fmt: skip
def test_a_rule_of_a_later_layer_replaces_that_of_an_earlier_one(
    layers: list[Layer], chosen: dict[str, object]
) -> None:
    assert validate(Plant, layers).codec.chosen == chosen


@pytest.mark.parametrize(
    "layers",
    [
        [Layer("plant.toml", {"codec": {"name": "svd", "svd": {"rank": 0.1, "psnr": 40.0}}})],
        [Layer("plant.toml", {"codec": {"name": "svd", "rank": 0.1, "psnr": 40.0}})],
        [FILE, *set_layers(["codec.rank=0.1", "codec.psnr=40"])],
        [FILE, *set_layers(["codec.svd.energy=0.1", "codec.svd.psnr=40"])],
        [FILE, *environment_layer("P__", {"P__CODEC__ENERGY": "0.9", "P__CODEC__PSNR": "40"})],
    ],
)
def test_two_rules_from_one_place_are_an_error(layers: list[Layer]) -> None:
    with pytest.raises(SettingsError, match="want at most one of rank, energy, psnr"):
        validate(Plant, layers)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("codec.rank=0", "--set codec.rank: [codec] rank = 0: want an integer of at least 1"),
        ("codec.svd.rank=0", "--set codec.svd.rank: [codec.svd] rank = 0: want an integer"),
        ("codec.energy=nan", "--set codec.energy: [codec] energy = nan: want a finite number"),
        ("codec.rank=[]", "--set codec.rank: [codec] rank = []: want a finite number"),
        ("codec.colour=red", "--set codec.colour: [codec] colour = 'red': want 'bgr' or"),
        ("belt.speed_mm_s=nan", "--set belt.speed_mm_s: [belt] speed_mm_s = nan: want a fin"),
        ("belt.speed_mm_s=inf", "--set belt.speed_mm_s: [belt] speed_mm_s = inf: want a fin"),
        ("belt=3", "--set belt: [belt] = 3: want a table"),
        ("codec=3", "--set codec: [codec] = 3: want a table"),
        ("codec.name=3", "--set codec.name: [codec] name = '3': got codec '3', want one of"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_at_its_key_and_in_plain_words(said: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        validate(Plant, [FILE, *set_layers([said])])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["123", "true", "1e3", "2026-11-20", "[1]", "0x10"])
def test_text_that_looks_like_a_number_stays_text_where_text_is_wanted(text: str) -> None:
    for layers in (
        set_layers([f"belt.name={text}"]),
        environment_layer("PLANT__", {"PLANT__BELT__NAME": text}),
    ):
        assert validate(Plant, layers).belt.name == text
    with pytest.raises(SettingsError, match="want text"):
        validate(Plant, [Layer("plant.toml", {"belt": {"name": 123}})])


def test_a_variable_that_nothing_reads_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RANKCAST_SEND_CODEC_RANK", "0.2")
    monkeypatch.setenv("RANKCAST_SEND__CODEC__RANK", "0.2")
    monkeypatch.setenv("RANKCAST_LOG_LEVEL", "INFO")
    command_layers(None, "RANKCAST_SEND__", {}, ())
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "unknown environment variable RANKCAST_SEND_CODEC_RANK" in record.getMessage()


def test_a_mistake_on_the_command_line_names_the_option() -> None:
    with pytest.raises(SettingsError, match=r"^--speed: \[belt\] speed_mm_s = -2.0: "):
        validate(Plant, option_layers({"--speed": ("belt.speed_mm_s", -2.0)}))
