"""What the envsync markers of a test say: merged, checked, turned into wishes and axes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from factories import write_tree
from pytest_envsync.pytest_plugin.fixtures import markings
from pytest_envsync.pytest_plugin.fixtures.markings import MarkingError, Place, axis_of, merged, wish_of
from pytest_envsync.pytest_plugin.surroundings import Surroundings

OPTIONS = {
    "constraints": ["places"],
    "extras": ["list"],
    "find_links": ["places"],
    "index_url": ["place"],
    "no_index": ["flag"],
    "require_hashes": ["flag"],
    "link_mode": ["value", "clone", "copy"],
    "exclude_newer": ["value"],
    "no_binary": ["list"],
    "config_settings": ["list"],
}


def envsync(*args: Any, **kwargs: Any) -> pytest.Mark:
    """The marker as pytest hands it over."""
    mark: pytest.Mark = pytest.mark.envsync(*args, **kwargs).mark
    return mark


def declared(file: Path, **values: list[str]) -> dict[str, Any]:
    """The row of a declared environment."""
    return {"files": [str(file)], "python": [], "extras": [], "groups": [], "project": [], **values}


@pytest.fixture
def given(tmp_path: Path) -> Surroundings:
    """A session in tmp_path, with one declared environment."""
    nothing: dict[str, Any] = {"arguments": [], "options": {}, "base": str(tmp_path)}
    return Surroundings(
        host="/host/python", python_name="py3.13", host_environ={}, cache_dir=str(tmp_path / "cache"),
        rootdir=str(tmp_path), directory=str(tmp_path), files=[str(tmp_path / "requirements.lock")], python="3.11",
        extras=["own"], groups=[],
        line=nothing, ini=nothing, option_shapes=OPTIONS, drift="warn", drift_ignore=[], trace=False, report=None,
        declared={
            "low": declared(tmp_path / "low.txt", python=["3.11", "3.12"], extras=["x"]),
            "lower": declared(tmp_path / "lower.txt", groups=["dev"]),
        },
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A test in tests/, with lockfiles beside it and in rootdir."""
    write_tree(
        tmp_path, {"requirements.lock": "", "both.txt": "", "tests/both.txt": "", "tests/own.txt": "", "a/b.txt": ""}
    )
    return Place((str(tmp_path / "tests"), str(tmp_path)))


def test_the_closest_marker_wins_key_by_key() -> None:
    function = envsync("function.txt", extras=["a"])
    of_class = envsync("class.txt", extras=["b"], python="3.12")
    module = envsync("module.txt", groups=["dev"], python="3.11", index_url="https://example.org/simple/")
    assert merged([function, of_class, module]) == {
        "files": ("function.txt",),
        "extras": ["a"],
        "python": "3.12",
        "groups": ["dev"],
        "index_url": "https://example.org/simple/",
    }


def test_files_and_a_matrix_replace_each_other() -> None:
    assert merged([envsync("one.txt"), envsync(matrix=["a.txt", "b.txt"])]) == {"files": ("one.txt",)}
    assert merged([envsync(matrix=["a.txt"]), envsync("one.txt")]) == {"matrix": ["a.txt"]}


def test_files_are_looked_up_beside_the_test_and_then_in_rootdir(
    tmp_path: Path, given: Surroundings, place: Place
) -> None:
    beside = wish_of(merged([envsync("both.txt")]), given, place)
    assert beside.files == (str(tmp_path / "tests/both.txt"),)
    root = wish_of(merged([envsync("requirements.lock", "own.txt")]), given, place)
    assert root.files == (str(tmp_path / "requirements.lock"), str(tmp_path / "tests/own.txt"))


def test_without_files_the_default_of_the_session_is_meant(given: Surroundings, place: Place) -> None:
    wish = wish_of({"groups": ["dev"]}, given, place)
    assert wish.files == ()
    assert dict(wish.options) == {"extras": ["own"], "groups": ["dev"]}


def test_options_and_python_are_carried(given: Surroundings, place: Place) -> None:
    wish = wish_of(merged([envsync("own.txt", python="3.12", extras="x", no_index=True, private=True)]), given, place)
    assert (wish.python, wish.private) == ("3.12", True)
    assert dict(wish.options) == {"extras": ["x"], "no_index": True}


def test_a_declared_environment_brings_its_interpreters_as_an_axis(
    tmp_path: Path, given: Surroundings, place: Place
) -> None:
    axis = axis_of(merged([envsync("low")]), given, place)
    assert axis is not None
    assert axis.ids == ("py3.11", "py3.12")
    assert [(wish.files, wish.python, dict(wish.options)) for wish in axis.wishes] == [
        ((str(tmp_path / "low.txt"),), "3.11", {"extras": ["x"]}),
        ((str(tmp_path / "low.txt"),), "3.12", {"extras": ["x"]}),
    ]


def test_a_glob_means_declared_environments(given: Surroundings, place: Place) -> None:
    mixed = axis_of(merged([envsync("low*")]), given, place)
    assert mixed is not None
    # An interpreter that nobody asks for is that of the host.
    assert mixed.ids == ("low-py3.11", "low-py3.12", "lower-py3.13")
    axis = axis_of(merged([envsync("low*", python="3.12")]), given, place)
    assert axis is not None
    assert axis.ids == ("low", "lower")
    assert {wish.python for wish in axis.wishes} == {"3.12"}


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ({"matrix": ["both.txt", "own.txt"]}, ("both", "own")),
        ({"matrix": {"first": "both.txt", "second": ["own.txt", "both.txt"]}}, ("first", "second")),
        ({"matrix": ["own.txt"]}, ("own",)),
        ({"matrix": ["own.txt", "low"]}, ("own-py3.13", "low-py3.11", "low-py3.12")),
        ({"files": ("own.txt",), "python": ["3.11", "3.12"]}, ("py3.11", "py3.12")),
        ({"files": ("own.txt",), "python": ["3.12"]}, ("py3.12",)),
        ({"matrix": ["both.txt", "own.txt"], "python": ["3.11", "3.12"]},
         ("both-py3.11", "both-py3.12", "own-py3.11", "own-py3.12")),
        ({"python": ["3.11", "3.12"]}, ("py3.11", "py3.12")),
    ],
)  # fmt: skip
def test_ids_hold_only_what_varies(
    given: Surroundings, place: Place, said: dict[str, Any], ids: tuple[str, ...]
) -> None:
    axis = axis_of(said, given, place)
    assert axis is not None
    assert axis.ids == ids


def test_one_environment_is_no_axis(given: Surroundings, place: Place) -> None:
    assert axis_of({"files": ("own.txt",), "python": "3.12"}, given, place) is None
    assert axis_of({}, given, place) is None


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (lambda: envsync(3), "3 is no lockfile"),
        (lambda: envsync(""), "'' is no lockfile"),
        (lambda: envsync("a.txt", matrix=["b.txt"]), "files or a matrix"),
        (lambda: envsync(files="a.txt"), "without a name"),
        (lambda: envsync("a.txt", private="yes"), "private='yes' is neither True nor False"),
        (lambda: envsync("a.txt", extras=3), "extras=3 is neither a text nor a list"),
        (lambda: envsync("a.txt", groups={"a": 1}), "groups="),
        (lambda: envsync("a.txt", python=3.12), "python=3.12 is neither"),
        (lambda: envsync("a.txt", project=True), "project=True is no path"),
        (lambda: envsync(matrix="a.txt"), "neither a list of lockfiles nor a mapping"),
        (lambda: envsync(matrix=[]), "neither a list of lockfiles nor a mapping"),
        (lambda: envsync(matrix={"a b": "a.txt"}), "'a b' is no name"),
        (lambda: envsync(matrix={"a": []}), "matrix['a'] names no file"),
        (lambda: envsync("a.txt", extra=["x"]), "`extra` is no option of an environment: did you mean `extras`"),
        (lambda: envsync("a.txt", nonsense=1), "`nonsense` is no option of an environment"),
        (lambda: envsync("a.txt", python=[]), "python=[] names no interpreter"),
        (lambda: envsync("a.txt", python=""), "python='' names no interpreter"),
        (lambda: envsync("a.txt", link_mode="silly"), "link_mode='silly' is none of clone, copy"),
        (lambda: envsync("a.txt", index_url=3), "index_url=3 is no text"),
        (lambda: envsync("a.txt", index_url=None), "index_url=None is no text"),
        (lambda: envsync("a.txt", exclude_newer=True), "exclude_newer=True is no text"),
        (lambda: envsync("a.txt", no_index="yes"), "no_index='yes' is neither True nor False"),
        (lambda: envsync("a.txt", find_links=["a", 3]), "find_links=['a', 3] is neither a text nor a list of texts"),
        (lambda: envsync("a.txt", no_binary=b"attrs"), "no_binary=b'attrs' is neither a text nor a list of texts"),
    ],
)
def test_arguments_that_mean_nothing_are_named(
    given: Surroundings, marker: Callable[[], pytest.Mark], message: str
) -> None:
    with pytest.raises(MarkingError) as wrong:
        markings.check(marker(), given)
    assert message in str(wrong.value)


@pytest.mark.parametrize(
    "options",
    [
        {"link_mode": "copy", "no_index": True},
        {"index_url": "https://example.org/simple/", "find_links": Path("wheels")},
        {"find_links": ("a", Path("b")), "no_binary": "attrs", "config_settings": {"key": "value"}},
        {"exclude_newer": date(2026, 1, 1)},
        {"exclude_newer": False},
    ],
)
def test_values_that_the_engine_takes_are_let_be(given: Surroundings, options: dict[str, Any]) -> None:
    markings.check(envsync("a.txt", **options), given)


@pytest.mark.parametrize(
    ("python", "options", "message"),
    [
        (["3.11"], {}, "python=['3.11'] is no interpreter; a call makes one environment"),
        ("", {}, "python='' is no interpreter"),
        (None, {"matrix": ["low.txt"]}, "`matrix` is for markers"),
        (None, {"all_extras": 1}, "all_extras=1 is neither True nor False"),
    ],
)
def test_a_call_of_the_factory_makes_one_environment(python: object, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MarkingError) as wrong:
        markings.check_call(python, options, OPTIONS)
    assert message in str(wrong.value)


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path, given: Surroundings, place: Place) -> None:
    with pytest.raises(MarkingError) as wrong:
        axis_of({"files": ("gone.txt",)}, given, place)
    assert str(wrong.value) == (
        f"there is no lockfile `gone.txt` (looked in {tmp_path / 'tests'}, {tmp_path}); "
        "declared environments: low, lower"
    )


def test_names_that_clash_ask_for_a_mapping(given: Surroundings, place: Place, tmp_path: Path) -> None:
    write_tree(tmp_path, {"x/lock.txt": "", "y/x/lock.txt": ""})
    with pytest.raises(MarkingError, match="mapping from names"):
        axis_of({"matrix": ["x/lock.txt", "y/x/lock.txt"]}, given, Place((str(tmp_path),)))


def test_equal_wishes_have_one_key(given: Surroundings, place: Place) -> None:
    one = wish_of(merged([envsync("own.txt", no_index=True, find_links=["a"])]), given, place)
    other = wish_of(merged([envsync("own.txt", find_links=("a",), no_index=True, private=True)]), given, place)
    assert one.key == other.key
    assert one != other
