"""What counts as satisfied, what is replaced, what goes: the tables are the specification."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_envsync.changes import Change
from pytest_envsync.direct_url import direct_url_of, recorded_url, source_text, url_path
from pytest_envsync.distributions import Candidate, InstalledDistribution
from pytest_envsync.plan import Plan, is_same_version, make_plan, planned_changes, seed_packages
from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, Source, VcsSource
from pytest_envsync.target import Target

TARGET = Target(
    python="/env/bin/python",
    version="3.11.7",
    implementation="cpython",
    cache_tag="cpython-311",
    markers={},
    tags=("cp311-cp311-linux_x86_64", "py3-none-any"),
    paths={},
    prefix="/env",
    base_python="/usr/bin/python3",
    base_prefix="/usr",
    is_virtual=True,
    fingerprint="x",
)
NOTE = {"timestamp": {"secs_since_epoch": 1, "nanos_since_epoch": 2}, "commit": None, "env": {}}
LATER = {"timestamp": {"secs_since_epoch": 9, "nanos_since_epoch": 2}}
COMMIT = "a" * 40


def wanted(source: Source | None = None, version: str | None = "1.0", name: str = "demo", **more: Any) -> Candidate:
    return Candidate(name=name, version=version, kind="wheel", requested=source or IndexSource(), **more)


def present(version: str = "1.0", name: str = "demo", **more: Any) -> InstalledDistribution:
    return InstalledDistribution(
        name=name, version=version, path=f"/env/lib/{name}-{version}.dist-info", **{"tags": ("py3-none-any",), **more}
    )


def archive(url: str, **more: Any) -> dict[str, Any]:
    return {"url": url, "archive_info": {}, **more}


def git(url: str = "https://host/repo.git", commit: str = COMMIT, **more: Any) -> dict[str, Any]:
    return {"url": url, "vcs_info": {"vcs": "git", "commit_id": commit}, **more}


def directory(url: str, *, editable: bool = False) -> dict[str, Any]:
    return {"url": url, "dir_info": {"editable": True} if editable else {}}


REGISTRY = [
    (wanted(), present(), "keep"),
    (wanted(version="1.0.0"), present("1.0"), "keep"),
    (wanted(version="1.0a1"), present("1.0-alpha.1"), "keep"),
    (wanted(version="1.1"), present("1.0"), "reinstall"),
    (wanted(version="1.0"), present("1.0+cpu"), "reinstall"),
    # An index is satisfied by any origin, an editable too.
    (wanted(version="2.0"), present("2.0", direct_url=archive("https://host/demo-2.0-py3-none-any.whl")), "keep"),
    (wanted(version="2.0"), present("2.0", direct_url=directory("file:///src/demo", editable=True)), "keep"),
    (wanted(), present(kind="egg-link", tags=()), "keep"),
    (wanted(), present(kind="egg-info-directory", tags=()), "keep"),
    # Hashes of what is installed are not looked at.
    (wanted(), present(sha256="0" * 64), "keep"),
    # Tags of the installed WHEEL must fit; without WHEEL nothing is said.
    (wanted(), present(tags=("cp39-cp39-win_amd64",)), "reinstall"),
    (wanted(), present(tags=("cp39-cp39-win_amd64", "cp311-cp311-linux_x86_64")), "keep"),
    (wanted(), present(tags=()), "keep"),
    # Settings of the build count only where they were noted.
    (wanted(), present(build_info={}), "keep"),
    (wanted(build_info={"config_settings": {"a": "b"}}), present(), "keep"),
    (wanted(build_info={"config_settings": {"a": "b"}}), present(build_info={}), "reinstall"),
    (wanted(), present(build_info={"config_settings": {"a": "b"}}), "reinstall"),
    (
        wanted(build_info={"config_settings": {"a": "b"}}),
        present(build_info={"config_settings": {"a": "b"}}),
        "keep",
    ),
]
URL = "https://host/demo-1.0-py3-none-any.whl"
ARCHIVES = [
    (wanted(ArchiveSource(URL)), present(direct_url=archive(URL)), "keep"),
    (wanted(ArchiveSource(URL)), present(), "reinstall"),
    (wanted(ArchiveSource(URL)), present(direct_url=archive("https://user:pw@host/demo-1.0-py3-none-any.whl")), "keep"),
    (wanted(ArchiveSource(URL)), present(direct_url=archive("https://host/demo%2D1.0-py3-none-any.whl")), "keep"),
    (wanted(ArchiveSource(URL)), present(direct_url=archive("https://other/demo-1.0-py3-none-any.whl")), "reinstall"),
    (wanted(ArchiveSource(URL)), present(direct_url=archive(URL, subdirectory="sub")), "reinstall"),
    (wanted(ArchiveSource(URL, subdirectory="sub")), present(direct_url=archive(URL, subdirectory="sub")), "keep"),
    (wanted(ArchiveSource(URL)), present(direct_url=directory("file:///src")), "reinstall"),
    (
        wanted(ArchiveSource(URL)),
        present(direct_url={"url": URL, "archive_info": {"hash": "sha256=" + "0" * 64}}),
        "keep",
    ),
    # Files of this machine: the same path or inode, and the note of their time.
    (
        wanted(ArchiveSource("file:///w/d.whl", path="/w/d.whl"), cache_info=NOTE),
        present(direct_url=archive("file:///w/d.whl"), cache_info=NOTE),
        "keep",
    ),
    (
        wanted(ArchiveSource("file:///w/link.whl", path="/w/link.whl"), cache_info=NOTE),
        present(direct_url=archive("file:///w/d.whl"), cache_info=NOTE),
        "keep",
    ),
    (
        wanted(ArchiveSource("file:///w/d.whl", path="/w/d.whl"), cache_info=LATER),
        present(direct_url=archive("file:///w/d.whl"), cache_info=NOTE),
        "reinstall",
    ),
    (
        wanted(ArchiveSource("file:///w/d.whl", path="/w/d.whl"), cache_info=NOTE),
        present(direct_url=archive("file:///w/d.whl")),
        "reinstall",
    ),
    (
        wanted(ArchiveSource("file:///w/d.whl"), cache_info=NOTE),
        present(direct_url=archive("file:///w/d.whl"), cache_info=NOTE),
        "keep",
    ),
    (
        wanted(ArchiveSource("file:///w/d.whl", path="/w/d.whl"), cache_info=NOTE),
        present(direct_url=archive("file:///w/other.whl"), cache_info=NOTE),
        "reinstall",
    ),
]
DIRECTORIES = [
    (
        wanted(DirectorySource("/s/demo"), version=None, cache_info=NOTE),
        present(direct_url=directory("file:///s/demo"), cache_info=NOTE),
        "keep",
    ),
    (
        wanted(DirectorySource("/s/demo", editable=True), version=None, cache_info=NOTE),
        present(direct_url=directory("file:///s/demo", editable=True), cache_info=NOTE),
        "keep",
    ),
    (
        wanted(DirectorySource("/s/demo", editable=True), version=None, cache_info=NOTE),
        present(direct_url=directory("file:///s/demo"), cache_info=NOTE),
        "reinstall",
    ),
    (
        wanted(DirectorySource("/s/demo"), version=None, cache_info=NOTE),
        present(direct_url=directory("file:///s/demo", editable=True), cache_info=NOTE),
        "reinstall",
    ),
    (
        wanted(DirectorySource("/s/demo"), version=None, cache_info=LATER),
        present(direct_url=directory("file:///s/demo"), cache_info=NOTE),
        "reinstall",
    ),
    (
        wanted(DirectorySource("/s/demo"), version=None, cache_info=NOTE),
        present(direct_url=directory("file:///s/other"), cache_info=NOTE),
        "reinstall",
    ),
    (wanted(DirectorySource("/s/demo"), version=None, cache_info=NOTE), present(), "reinstall"),
    (wanted(DirectorySource("/s/demo"), version=None, cache_info=NOTE), present(direct_url=archive(URL)), "reinstall"),
    # The mark of a directory: an inode here, a time of birth where the reference could ask for it.
    *(
        (
            wanted(DirectorySource("/s/demo"), version=None, cache_info={**NOTE, "directories": now}),
            present(direct_url=directory("file:///s/demo"), cache_info={**NOTE, "directories": before}),
            outcome,
        )
        for before, now, outcome in [
            ({"src": 7}, {"src": 7}, "keep"),
            ({"src": 7}, {"src": 8}, "reinstall"),
            ({"src": None}, {"src": 8}, "reinstall"),
            ({"src": 7}, {"src": None}, "reinstall"),
            ({"src": {"secs_since_epoch": 1}}, {"src": 8}, "keep"),
            ({"src": {"secs_since_epoch": 1}}, {"src": None}, "reinstall"),
            ({"src": {"secs_since_epoch": 1}}, {"src": {"secs_since_epoch": 2}}, "reinstall"),
            ({}, {"src": 8}, "reinstall"),
            ({}, {}, "keep"),
        ]
    ),
    (
        wanted(DirectorySource("/s/demo"), version=None, cache_info=NOTE),
        present(direct_url=directory("file:///s/demo")),
        "reinstall",
    ),
    (
        wanted(DirectorySource("/s/demo"), version="2.0", cache_info=NOTE),
        present(direct_url=directory("file:///s/demo"), cache_info=NOTE),
        "reinstall",
    ),
]
REPOSITORY = VcsSource("git", "https://host/repo", commit_id=COMMIT)
REPOSITORIES = [
    (wanted(REPOSITORY), present(direct_url=git()), "keep"),
    (wanted(REPOSITORY), present(direct_url=git("https://me:pw@host/repo.git")), "keep"),
    (wanted(REPOSITORY), present(direct_url=git(commit="b" * 40)), "reinstall"),
    (wanted(REPOSITORY), present(direct_url=git("https://host/other.git")), "reinstall"),
    (wanted(REPOSITORY), present(direct_url=git(subdirectory="sub")), "reinstall"),
    (wanted(VcsSource("git", "https://host/repo", subdirectory="sub", commit_id=COMMIT)),
     present(direct_url=git(subdirectory="sub")), "keep"),
    (wanted(REPOSITORY), present(direct_url=archive(URL)), "reinstall"),
    (wanted(REPOSITORY), present(), "reinstall"),
    # The name it was asked for by is not compared; a commit that is not known yet proves nothing.
    (wanted(VcsSource("git", "https://host/repo", requested_revision="main", commit_id=COMMIT)),
     present(direct_url=git()), "keep"),
    (wanted(VcsSource("git", "https://host/repo", requested_revision="main")), present(direct_url=git()), "reinstall"),
    (wanted(VcsSource("git", "https://github.com/Some/Repo", commit_id=COMMIT)),
     present(direct_url=git("https://github.com/some/repo.git")), "keep"),
]  # fmt: skip


@pytest.mark.parametrize(("candidate", "installed", "outcome"), [*REGISTRY, *ARCHIVES, *DIRECTORIES, *REPOSITORIES])
def test_what_counts_as_satisfied(candidate: Candidate, installed: InstalledDistribution, outcome: str) -> None:
    def same_file(one: str, other: str) -> bool:
        return {one, other} == {"/w/link.whl", "/w/d.whl"}

    plan = make_plan([candidate], [installed], target=TARGET, same_file=same_file)
    parts = {"keep": plan.keep, "reinstall": plan.reinstall, "install": plan.install, "remove": plan.remove}
    assert [name for name, part in parts.items() if part] == [outcome]


def test_what_is_missing_comes_and_what_nobody_asked_for_goes() -> None:
    plan = make_plan([wanted(name="new")], [present(name="old")], target=TARGET)
    assert [candidate.name for candidate in plan.install] == ["new"]
    assert [distribution.name for distribution in plan.remove] == ["old"]
    assert not plan.is_empty


def test_nothing_to_do_is_an_empty_plan() -> None:
    assert make_plan([wanted()], [present()], target=TARGET).is_empty
    assert make_plan([], [], target=TARGET).is_empty


@pytest.mark.parametrize("asked", [{"reinstall": True}, {"reinstall_packages": {"demo"}}, {"damaged": {"demo": "x"}}])
def test_a_satisfied_distribution_is_replaced_on_request(asked: dict[str, Any]) -> None:
    plan = make_plan([wanted(), wanted(name="other", version="1.0")], [present()], target=TARGET, **asked)
    assert [(item.candidate.name, bool(item.reason)) for item in plan.reinstall] == [("demo", True)]
    assert [candidate.name for candidate in plan.install] == ["other"]


def test_a_name_that_is_installed_twice_is_replaced_as_a_whole() -> None:
    twice = [present("0.9"), present("1.0")]
    plan = make_plan([wanted()], twice, target=TARGET)
    assert plan.reinstall[0].installed == tuple(twice)
    assert planned_changes(plan).lines == (
        Change("demo", "0.9", "uninstalled"),
        Change("demo", "1.0", "reinstalled"),
    )


def test_seeds_stay_and_everything_else_goes() -> None:
    plan = make_plan(
        [], [present(name="pip"), present(name="six")], target=TARGET, keep_seeds=seed_packages("3.11.7", "home = /x")
    )
    assert [distribution.name for distribution in plan.keep] == ["pip"]
    assert [distribution.name for distribution in plan.remove] == ["six"]


def test_a_seed_that_is_asked_for_is_an_ordinary_distribution() -> None:
    plan = make_plan(
        [wanted(name="pip", version="2")], [present("1", name="pip")], target=TARGET, keep_seeds=frozenset({"pip"})
    )
    assert [item.candidate.name for item in plan.reinstall] == ["pip"]


@pytest.mark.parametrize(
    ("version", "text", "seeds"),
    [
        ("3.11.7", None, {"pip", "setuptools", "wheel", "uv"}),
        ("3.12.1", None, {"pip", "uv"}),
        ("3.10.13", "home = /x\nversion = 3.10.13\n", {"pip", "setuptools", "wheel", "uv"}),
        ("3.11.7", "uv = 0.13.9\n", set()),
        ("3.11.7", "uv = 0.13.9\nseed = true\n", {"pip", "setuptools", "wheel", "uv"}),
        ("3.13.0", "uv = 0.13.9\r\nSEED = True\r\n", {"pip", "uv"}),
        ("3.11.7", "home = /x\nenvsync = 0.1.0\n", set()),
        ("3.12.1", "a line that says nothing\n", {"pip", "uv"}),
    ],
)
def test_who_made_the_environment_decides_about_its_seeds(version: str, text: str | None, seeds: set[str]) -> None:
    assert seed_packages(version, text) == seeds


@pytest.mark.parametrize(
    ("candidate", "installed", "lines"),
    [
        (wanted(version="2.0"), present("1.0"), [" - demo==1.0", " + demo==2.0"]),
        (wanted(), present(), [" ~ demo==1.0"]),
        (wanted(version="1.0.0"), present("1.0"), [" ~ demo==1.0.0"]),
        (
            wanted(ArchiveSource(URL)),
            present(),
            [" - demo==1.0", f" + demo==1.0 (from {URL})"],
        ),
        (
            wanted(DirectorySource("/s/demo", editable=True)),
            present(direct_url=directory("file:///s/demo")),
            [" ~ demo==1.0 (from file:///s/demo)"],
        ),
        (
            wanted(ArchiveSource("https://me:secret@host/d.whl")),
            None,
            [" + demo==1.0 (from https://host/d.whl)"],
        ),
    ],
)
def test_the_lines_of_the_report(
    candidate: Candidate, installed: InstalledDistribution | None, lines: list[str]
) -> None:
    plan = make_plan([candidate], [installed] if installed else [], target=TARGET, reinstall=True)
    assert str(planned_changes(plan)).splitlines() == lines


def test_a_version_that_only_the_build_tells_is_filled_in_afterwards() -> None:
    plan = make_plan([wanted(DirectorySource("/s/demo"), version=None)], [], target=TARGET)
    assert planned_changes(plan).installed == {"demo": ""}
    assert planned_changes(plan, {"demo": "3.0"}).installed == {"demo": "3.0"}


def test_the_parts_of_a_plan_are_in_name_order() -> None:
    names = ["b", "a", "c"]
    plan = make_plan([wanted(name=name) for name in names], [present(name=f"x{n}") for n in names], target=TARGET)
    assert [candidate.name for candidate in plan.candidates] == ["a", "b", "c"]
    assert [distribution.name for distribution in plan.remove] == ["xa", "xb", "xc"]
    assert Plan().is_empty


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.0", "1", True),
        ("1.0.0", "1", True),
        ("0", "0.0", True),
        ("10", "1", False),
        ("1.0.post1", "1.0-1", True),
        ("1!1.0", "1.0", False),
        ("1.0+a.b", "1.0+a-b", True),
        ("2004d", "2004d", True),
        ("2004d", "2004e", False),
    ],
)
def test_versions_are_equal_as_versions(one: str, other: str, *, same: bool) -> None:
    assert is_same_version(one, other) is same


@pytest.mark.parametrize(
    ("source", "values"),
    [
        (IndexSource("==1.0"), None),
        (ArchiveSource("https://u:p@host/a.whl"), {"url": "https://host/a.whl", "archive_info": {}}),
        (ArchiveSource("https://host/a.tar.gz", subdirectory="x"),
         {"url": "https://host/a.tar.gz", "archive_info": {}, "subdirectory": "x"}),
        (DirectorySource("/a b/c"), {"url": "file:///a%20b/c", "dir_info": {}}),
        (DirectorySource("/a", editable=True), {"url": "file:///a", "dir_info": {"editable": True}}),
        (VcsSource("git", "ssh://git@host/r.git", requested_revision="main", commit_id=COMMIT),
         {"url": "ssh://git@host/r.git",
          "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}}),
    ],
)  # fmt: skip
def test_what_is_recorded_of_a_source(source: Source, values: dict[str, Any] | None) -> None:
    assert direct_url_of(source) == values


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (None, ""),
        (archive("https://host/a.whl"), "https://host/a.whl"),
        (archive("https://host/a.zip", subdirectory="x"), "https://host/a.zip#subdirectory=x"),
        (git("https://host/r"), f"git+https://host/r@{COMMIT}"),
    ],
)
def test_how_a_source_is_shown(values: dict[str, Any] | None, text: str) -> None:
    assert source_text(values) == text


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://u:p@host/x", "https://host/x"),
        ("https://token@host/x", "https://host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("ssh://git:pw@host/x", "ssh://host/x"),
        ("file:///x@y", "file:///x@y"),
    ],
)
def test_credentials_are_not_recorded(url: str, bare: str) -> None:
    assert recorded_url(url) == bare


def test_only_a_file_address_is_a_path() -> None:
    assert url_path("file:///a%20b/c.whl") == "/a b/c.whl"
    assert url_path("https://host/a") is None
