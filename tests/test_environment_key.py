"""One key for one content: what changes an environment changes its key, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_envsync.distributions import Candidate
from pytest_envsync.environments.key import LENGTH, environment_key, question_key
from pytest_envsync.environments.request import EnvironmentRequest, ProjectRequest
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, Source, VcsSource
from pytest_envsync.values import replace

ONE, TWO = "1" * 64, "2" * 64


def candidate(name: str = "demo", source: Source | None = None, **values: Any) -> Candidate:
    return Candidate(name=name, version="1.0", kind="wheel", requested=source or IndexSource("==1.0"), **values)


def key(
    *candidates: Candidate,
    digests: dict[str, str] | None = None,
    fingerprint: str = "cpython-3.11",
    options: dict[str, Any] | None = None,
    installer_metadata: bool = True,
    **request: Any,
) -> str:
    """The key of a request that differs from the plainest one by what is given."""
    wanted = candidates or (candidate(),)
    return environment_key(
        wanted,
        digests or dict.fromkeys((item.name for item in wanted), ONE),
        fingerprint=fingerprint,
        request=EnvironmentRequest(files=("/lock.txt",), options=SyncOptions(**options or {}), **request),
        installer_metadata=installer_metadata,
    )


URL = "https://example.org/demo-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: key(digests={"demo": TWO}), id="another artifact"),
        pytest.param(lambda: key(candidate("other")), id="another name"),
        pytest.param(lambda: key(candidate(), candidate("other")), id="one more"),
        pytest.param(lambda: key(fingerprint="cpython-3.12"), id="another interpreter"),
        pytest.param(lambda: key(candidate(source=ArchiveSource(URL))), id="from an address"),
        pytest.param(lambda: key(candidate(source=DirectorySource("/src"))), id="from a directory"),
        pytest.param(lambda: key(candidate(source=DirectorySource("/src", editable=True))), id="editable"),
        pytest.param(lambda: key(candidate(source=VcsSource("git", "https://x/y", commit_id="a" * 40))), id="git"),
        pytest.param(lambda: key(candidate(cache_info={"timestamp": 1})), id="an edited source"),
        pytest.param(lambda: key(candidate(build_info={"config_settings": {"a": "b"}})), id="build settings"),
        pytest.param(lambda: key(overlay="/overlay", overlay_digest="1"), id="an overlay"),
        pytest.param(lambda: key(project=ProjectRequest(path="/project")), id="a project"),
        pytest.param(lambda: key(options={"link_mode": "copy"}), id="a link mode"),
        pytest.param(lambda: key(options={"compile_bytecode": True}), id="compiled"),
        pytest.param(lambda: key(installer_metadata=False), id="no installer metadata"),
    ],
)
def test_what_changes_the_content_changes_the_key(other: Any) -> None:
    assert other() != key()


def test_overlays_differ_by_what_they_hold() -> None:
    assert key(overlay="/overlay", overlay_digest="1") != key(overlay="/overlay", overlay_digest="2")


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(
            lambda: key(candidate(source=IndexSource(">=1", index="https://example.org/simple/"))), id="index"
        ),
        pytest.param(lambda: key(options={"index_url": "https://user:secret@example.org/simple/"}), id="credentials"),
        pytest.param(lambda: key(options={"require_hashes": True, "offline": True, "refresh": True}), id="how"),
        pytest.param(lambda: key(recreate=True), id="recreated"),
        pytest.param(lambda: key(python="3.11"), id="how the interpreter was named"),
    ],
)
def test_what_does_not_change_the_content_does_not_change_the_key(same: Any) -> None:
    assert same() == key()


def test_the_order_of_the_lines_does_not_count() -> None:
    first, second = candidate("a"), candidate("b")
    digests = {"a": ONE, "b": TWO}
    assert key(first, second, digests=digests) == key(second, first, digests=digests)


def test_credentials_of_an_address_do_not_count() -> None:
    open_, closed = ArchiveSource(URL), ArchiveSource(URL.replace("//", "//user:secret@"))
    assert key(candidate(source=open_)) == key(candidate(source=closed))


def test_a_key_fits_the_first_line_of_a_script() -> None:
    assert len(key()) == LENGTH
    assert not key().strip("0123456789abcdef")


def test_a_question_is_the_same_whatever_the_files_say_today() -> None:
    request = EnvironmentRequest(files=("/lock.txt",), options=SyncOptions(extras=("a",)))

    def name(asked: EnvironmentRequest, cwd: str = "/", base_prefix: str = "/usr") -> str:
        return question_key(asked, cwd=cwd, base_prefix=base_prefix)

    changed = [
        name(replace(request, files=("/other.txt",))),
        name(replace(request, python="3.12")),
        name(replace(request, project=ProjectRequest(path="/project"))),
        name(replace(request, options=SyncOptions(extras=("b",)))),
        name(request, cwd="/elsewhere"),
        name(request, base_prefix="/opt"),
        name(replace(request, overlay="/y", overlay_digest="2")),
    ]
    assert len({name(request), *changed}) == len(changed) + 1
    same = replace(request, recreate=True, options=SyncOptions(extras=("a",), refresh=True))
    assert name(same) == name(request)
    # What an overlay holds follows from the files.
    overlays = {name(replace(request, overlay=f"/{digest}", overlay_digest=digest)) for digest in ("1", "2")}
    assert len(overlays) == 1
