"""What holds for every pylock file: the specification's library agrees, and nothing but a refusal is raised."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import tomli
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock, PylockSelectError
from packaging.tags import parse_tag

from asking import MARKERS, target
from pytest_envsync.errors import InputError
from pytest_envsync.inputs.pylock import read_pylock
from pytest_envsync.inputs.pylock_selection import active_packages
from test_pylock_input import COMMIT, HEAD, A, package

MARKER_TEXTS = st.sampled_from(
    ["", "sys_platform == 'linux'", "os_name == 'nt'", "python_version >= '3.10'", "'cli' in extras",
     "'dev' in dependency_groups or os_name == 'nt'", "'cli' not in extras and 'test' in dependency_groups"]
)  # fmt: skip
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["aaa", "bbb", "ccc", "ddd"]),
        MARKER_TEXTS,
        st.sampled_from(["", ">=3.8", "<3.11", ">=3.12"]),
    ),
    max_size=6,
)


@given(
    ENTRIES,
    st.lists(st.sampled_from(["cli", "web"]), unique=True),
    st.lists(st.sampled_from(["dev", "test"]), unique=True),
    st.sampled_from([[], ["dev"], ["test"]]),
)
def test_the_library_of_the_specification_chooses_the_same(
    entries: list[tuple[str, str, str]], extras: list[str], groups: list[str], default_groups: list[str]
) -> None:
    parts = []
    for name, marker, python in entries:
        lines = [f'marker = "{marker}"'] if marker else []
        parts.append(package(name, "1.0", *lines, *([f'requires-python = "{python}"'] if python else [])))
    text = (
        f'{HEAD}extras = ["cli", "web"]\ndependency-groups = ["dev", "test"]\ndefault-groups = {default_groups}\n'
        + ("".join(parts) or "packages = []\n")
    )
    environment: Any = MARKERS  # the library has a type of its own for a dictionary with these keys
    chosen: list[str] | None
    found: list[str] | None
    try:
        chosen = [
            str(one.name)
            for one, _ in Pylock.from_dict(tomli.loads(text)).select(
                environment=environment,
                tags=list(parse_tag("py3-none-any")),
                extras=extras,
                dependency_groups=groups or None,
            )
        ]
    except PylockSelectError:
        chosen = None
    try:
        lock = read_pylock(text, shown="pylock.toml", base="/x")
        found = [one.name for one in active_packages(lock, target(), extras=extras, groups=groups)]
    except InputError:
        found = None
    assert found == chosen


TOML_VALUES = st.recursive(
    st.one_of(
        st.text(max_size=6), st.integers(-2, 3), st.booleans(), st.datetimes(),
        st.sampled_from(["1.0", "demo", A, "git", COMMIT, "https://x.test/demo-1.0.zip", "w/demo-1.0-py3-none-any.whl",
                         "os_name == 'x'", "'x' in extras", "file:///x/demo-1.0.tar.gz", "https://["]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["path", "url", "hashes", "sha256", "name", "size", "type", "commit-id",
                                         "subdirectory", "editable", "upload-time"]), inner, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip
PACKAGE_TABLES = st.dictionaries(
    st.sampled_from(["name", "version", "marker", "requires-python", "wheels", "sdist", "archive", "vcs", "directory",
                     "index", "dependencies"]),
    TOML_VALUES,
    max_size=5,
)  # fmt: skip
LOCKS = st.fixed_dictionaries(
    {
        "lock-version": st.one_of(st.just("1.0"), TOML_VALUES),
        "created-by": st.just("x"),
        "packages": st.one_of(
            st.lists(
                st.one_of(PACKAGE_TABLES, PACKAGE_TABLES.map(lambda table: {**table, "name": "demo"})), max_size=3
            ),
            TOML_VALUES,
        ),
    },
    optional=dict.fromkeys(("extras", "environments", "requires-python", "default-groups"), TOML_VALUES),
)


def as_toml(value: object) -> str:
    """*value* as TOML writes it inside of a line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(as_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{key} = {as_toml(item)}' for key, item in value.items())}}}"
        case datetime():
            return value.isoformat()
        case _:
            return str(value)


@given(LOCKS)
def test_any_values_are_read_or_refused(values: dict[str, Any]) -> None:
    text = "".join(f"{key} = {as_toml(value)}\n" for key, value in values.items())
    try:
        active_packages(read_pylock(text, shown="pylock.toml", base="/x"), target())
    except InputError as error:
        assert "key with no value" not in error.message  # noqa: PT017 - a refusal is one of two good ends


@given(st.sampled_from(["", HEAD]), st.text())
def test_any_text_is_read_or_refused(head: str, text: str) -> None:
    try:
        read_pylock(head + text, shown="pylock.toml", base="/x")
    except InputError as error:
        assert error.origin is not None  # noqa: PT017 - a refusal is one of two good ends
