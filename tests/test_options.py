"""The table of options, its agreement with SyncOptions, and the scan of a command line."""

from __future__ import annotations

import typing
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envsync.errors import UsageError
from pytest_envsync.options import SyncOptions
from pytest_envsync.options.option import Option
from pytest_envsync.options.table import BY_NAME, OPTIONS, REFUSED
from pytest_envsync.options.values import choices_of, from_python, read_variable
from pytest_envsync.settings.arguments import ALL, Arguments, Spellings, scan
from pytest_envsync.values import fields

COMMAND_ONLY = {
    "no_installer_metadata", "no_color", "output_format", "quiet", "verbose", "color", "no_progress", "directory",
    "project", "config_file", "no_config", "auto_prune",
}  # fmt: skip


def said(*argv: str) -> Arguments:
    """What *argv* says by the spellings of ``sync``."""
    return scan(argv, ALL)[0]


DERIVED = {"yields_index_url"}
"""What no place says but the merging finds out."""


def test_every_field_of_sync_options_is_declared_once() -> None:
    declared = [option.name for option in OPTIONS if not option.ignored]
    assert sorted(declared) == sorted({item.name for item in fields(SyncOptions)} - DERIVED | COMMAND_ONLY)


@pytest.mark.parametrize(
    "field", [item for item in fields(SyncOptions) if item.name not in DERIVED], ids=lambda item: item.name
)
def test_kind_agrees_with_the_type_of_the_field(field: typing.Any) -> None:
    option = BY_NAME[field.name]
    kind = typing.get_type_hints(SyncOptions)[field.name]
    assert option.is_list == (kind == tuple[str, ...])
    assert (option.kind == "flag") == (kind is bool)


def test_no_spelling_and_no_variable_has_two_meanings() -> None:
    flags = [flag for option in OPTIONS for flag in (*option.flags, *option.aliases, *option.inverse)]
    variables = [option.variable for option in OPTIONS if option.variable]
    assert len(flags) == len(set(flags))
    assert len(variables) == len(set(variables))
    assert not set(flags) & set(REFUSED)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.flags and not option.ignored], ids=repr)
def test_every_option_that_help_shows_has_a_text(option: Option) -> None:
    assert option.help
    assert option.help[0].isupper()
    assert not option.help.endswith(".")
    assert option.kind in {"flag", "count"} or option.metavar


@pytest.mark.parametrize(
    ("argv", "values"),
    [
        (["-c", "a", "--constraint=b"], {"constraints": ("a", "b")}),
        (["-ca"], {"constraints": ("a",)}),
        (["-c=a"], {"constraints": ("a",)}),
        (["-c", "-"], {"constraints": ("-",)}),
        (["--constraints="], {"constraints": ()}),
        (["--extra", "a,b", "--extra", "c"], {"extras": ("a", "b", "c")}),
        (["--no-binary", ":all:"], {"no_binary": (":all:",)}),
        (["--reinstall", "--no-reinstall"], {"reinstall": False}),
        (["--no-reinstall", "--reinstall"], {"reinstall": True}),
        (["--force-reinstall"], {"reinstall": True}),
        (["--no-verify-hashes"], {"verify_hashes": False}),
        (["-qq"], {"quiet": 2}),
        (["-nq"], {"no_cache": True, "quiet": 1}),
        (["-C", "a=b", "--config-settings=a=c"], {"config_settings": ("a=b", "a=c")}),
        (["--compile"], {"compile_bytecode": True}),
        (["--no-compile"], {"compile_bytecode": False}),
        (["--trusted-host", "h"], {"allow_insecure_host": ("h",)}),
        (["--native-tls"], {"system_certs": True}),
        (["--build"], {"no_build": False}),
        (["--index-url=-x"], {"index_url": "-x"}),
        (["--python-preference", "system"], {"python_preference": "system"}),
        (["--exclude-newer-package", "a=2020-01-01"], {"exclude_newer_package": ("a=2020-01-01",)}),
    ],
)
def test_a_command_line_is_read_as_the_reference_reads_it(argv: list[str], values: dict[str, object]) -> None:
    assert said(*argv).values == values


def test_files_and_what_stands_behind_two_dashes() -> None:
    result = said("a.txt", "-", "-q", "b.txt", "--", "-x", "--")
    assert (result.files, result.rest) == (["a.txt", "-", "b.txt"], ["-x", "--"])


def test_a_scan_can_end_at_the_first_word() -> None:
    result, rest = scan(["--offline", "sync", "-q"], ALL, until_word=True)
    assert (result.values, rest) == ({"offline": True}, ["sync", "-q"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--dry-run", "--dry-run"], "more than once"),
        (["--system", "--system"], "more than once"),
        (["-i", "a", "-i", "b"], "more than once"),
        (["--link-mode", "copy", "--link-mode", "clone"], "more than once"),
        (["-q", "-v"], "`--quiet` cannot be used with `--verbose`"),
        (["--extra", "a", "--all-extras"], "`--extra` cannot be used with `--all-extras`"),
        (["--no-build", "--only-binary", "a"], "cannot be used with"),
        (["--no-build", "--no-binary", "a"], "cannot be used with"),
        (["--target", "a", "--prefix", "b"], "cannot be used with"),
        (["--venv", "a", "--target", "b"], "cannot be used with"),
        (["--dry-run", "--check"], "cannot be used with"),
        (["--offline", "--refresh"], "cannot be used with"),
        (["--offline", "--refresh-package", "a"], "cannot be used with"),
        (["--link-mode", "move"], "invalid value `move`"),
        (["--output-format=xml"], "invalid value `xml`"),
        (["--color", "blue"], "invalid value `blue`"),
        (["--python-platform", "vax"], "invalid value `vax`"),
        (["--torch-backend", "zzz"], "invalid value `zzz`"),
        (["-C", "a"], "invalid value `a`"),
        (["--config-settings-package", "a=b"], "invalid value `a=b`"),
        (["--exclude-newer-package", "a"], "invalid value `a`"),
        (["--reinstall-package", "a,b"], "invalid value `a,b`"),
        (["--require-hashes=true"], "unexpected value `true`"),
        (["--dry-run="], "unexpected value ``"),
        (["--target="], "is empty"),
        (["--python-version", "-3"], "a value is required"),
        (["--extra", "--all-extras"], "a value is required"),
        (["-p"], "a value is required"),
        (["--cach"], "unexpected option `--cach`"),
        (["-x"], "unexpected option `-x`"),
    ],
)
def test_what_the_reference_refuses_is_refused(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        said(*argv)
    assert message in str(caught.value)


@pytest.mark.parametrize("flag", sorted(REFUSED))
def test_refused_options_say_what_to_do_instead(flag: str) -> None:
    with pytest.raises(UsageError, match="not supported by a sync") as caught:
        said(flag, "x")
    assert caught.value.hint == REFUSED[flag]


@pytest.mark.parametrize(("typed", "near"), [("--cach-dir", "--cache-dir"), ("--require-hash", "--require-hashes")])
def test_a_misspelled_option_gets_the_near_one(typed: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        said(typed)
    assert caught.value.hint == f"did you mean `{near}`?"


def test_both_of_two_negated_options_do_not_exclude_each_other() -> None:
    assert said("--all-extras", "--no-all-extras", "--extra", "x").values["extras"] == ("x",)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("constraints", "a b", ("a", "b")),
        ("constraints", "", None),
        ("find_links", "a b,c", ("a b", "c")),
        ("extras", "a,b", ("a", "b")),
        ("offline", "T", True),
        ("offline", "no", False),
        ("verify_hashes", "1", False),
        ("verify_hashes", "0", True),
        ("python", "", None),
        ("link_mode", "copy", "copy"),
    ],
)
def test_variables_are_split_and_judged(name: str, text: str, value: object) -> None:
    assert read_variable(BY_NAME[name], text, "UV_X") == value


@pytest.mark.parametrize(
    ("name", "text"), [("offline", ""), ("offline", "maybe"), ("link_mode", "move"), ("link_mode", "")]
)
def test_a_variable_with_an_impossible_value_is_named(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="UV_X"):
        read_variable(BY_NAME[name], text, "UV_X")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("extras", "a", ("a",)),
        ("extras", ["a", "b"], ("a", "b")),
        ("config_settings", {"a": "1", "b": ["x", "y"], "c": True}, ("a=1", "b=x", "b=y", "c=true")),
        ("config_settings_package", {"demo": {"a": "1"}}, ("demo:a=1",)),
        ("exclude_newer_package", {"demo": False, "other": "P3D"}, ("demo=false", "other=P3D")),
        ("exclude_newer", False, "false"),
        ("python_version", 3.12, "3.12"),
        ("offline", True, True),
    ],
)
def test_values_of_toml_and_python(name: str, value: object, expected: object) -> None:
    assert from_python(BY_NAME[name], value, "place") == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("offline", "yes"), ("extras", 1.5j), ("extras", {"a": 1}), ("link_mode", ["copy"]), ("cert", True)],
)
def test_values_of_another_type_are_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError, match="place: expected"):
        from_python(BY_NAME[name], value, "place")


def test_choices_can_stand_elsewhere() -> None:
    assert "x86_64-manylinux_2_28" in choices_of(BY_NAME["python_platform"])
    assert "cu126" in choices_of(BY_NAME["torch_backend"])


tokens = st.sampled_from([flag for option in OPTIONS for flag in (*option.flags, *option.aliases, *option.inverse)])
words = st.one_of(tokens, st.text(max_size=6), tokens.map(lambda flag: f"{flag}=x"))


@given(st.lists(words, max_size=6))
def test_any_line_is_read_or_refused(argv: Sequence[str]) -> None:
    try:
        result, _ = scan(argv, Spellings(OPTIONS))
    except UsageError:
        return
    assert set(result.values) <= set(BY_NAME)
