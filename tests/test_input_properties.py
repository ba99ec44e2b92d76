"""What holds for every text: it is read or refused, and what is printed reads the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asking import target
from pytest_envsync.errors import InputError
from pytest_envsync.hashes import Digest
from pytest_envsync.inputs.reading import Reading
from pytest_envsync.inputs.requirements_txt import format_requirement, read_requirements_text
from pytest_envsync.inputs.sources import read_requirements
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    Requirements,
    Source,
    SpecifiedRequirement,
    VcsSource,
)
from pytest_envsync.values import replace

A, B = "a" * 64, "b" * 64
WHEEL = "demo-1.0-py3-none-any.whl"


def check_refusal(error: InputError) -> None:
    """A refusal says where and what."""
    assert error.origin is not None
    assert error.message


def read_text(text: str) -> Requirements | None:
    """What *text* says, None when it is refused; any other exception is a failure."""

    def read(location: str) -> bytes:
        raise FileNotFoundError(location)

    reading = Reading(read, cwd="/some dir", environ={"HOME": "/home/x y", "EMPTY": ""})
    try:
        found = read_requirements_text(text, location="/some dir/r.txt", shown="r.txt", reading=reading)
    except InputError as error:
        check_refusal(error)
        return None
    return Requirements(entries=tuple(found.entries), constraints=tuple(found.constraints))


FRAGMENTS = st.sampled_from(
    [
        "demo", "Demo_X", "==", "\t", ">=", "1.0", "1.0.post1", ",", "~=", "===", "[", "]", "x", "(", ")",
        " ", "  ", ";", "; ", " ;", "#", " #", "@", " @ ", "-e ", "-r ", "-c ", "-i ", "-f ", "--hash=",
        f"sha256:{A}", f"md5:{A[:32]}", "\n", "\\\n", "\\", "'", '"', "python_version", "os_name", "'3.8'",
        " and ", " or ", " in ", " not in ", "extra", "https://", "http:", "file:///", "file:", "git+",
        "x.test", "/", "./", "../", ".", ":", "::", "[::1]", WHEEL, "demo-1.0.tar.gz", ".zip", ".whl",
        "?a=b", "&", "=", "subdirectory=", "egg=x", f"#sha256={A}", "%20", "%", "%2F", "${HOME}", "${EMPTY}",
        "${NONE}", "$", "*", "!", "é", "\u2028", "\x0b", "--no-index", "--no-binary", ":all:",
    ]
)  # fmt: skip
LINES = st.lists(FRAGMENTS, max_size=14).map("".join)


@given(st.one_of(LINES, st.text()))
def test_any_text_is_read_or_refused(text: str) -> None:
    read_text(text.replace("\0", ""))


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    def read(location: str) -> bytes:
        if location == "/cwd/r.txt":
            return content
        raise FileNotFoundError(location)

    try:
        read_requirements(["r.txt"], options=SyncOptions(), target=target(), read=read, cwd="/cwd", environ={})
    except InputError as error:
        check_refusal(error)


def same(one: SpecifiedRequirement, other: SpecifiedRequirement) -> bool:
    """Whether two requirements are equal but for their text and place."""
    return replace(one, text="", origin=None) == replace(other, text="", origin=None)


@given(LINES)
def test_what_is_printed_reads_the_same(text: str) -> None:
    first = read_text(text)
    for requirement in () if first is None else first.entries:
        again = read_text(format_requirement(requirement))
        assert again is not None, format_requirement(requirement)
        assert len(again.entries) == 1
        assert same(again.entries[0], requirement), format_requirement(requirement)


NAMES = st.from_regex(r"[a-z0-9]{1,4}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
SEGMENTS = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=12)
SOURCES: st.SearchStrategy[Source] = st.one_of(
    st.sampled_from(["", "==1.0", ">=1,<2", "===1.0-1", "~=1.2", "!=1.*"]).map(IndexSource),
    st.lists(SEGMENTS.filter(lambda part: part not in {".", ".."}), min_size=1, max_size=3).flatmap(
        lambda parts: st.booleans().map(lambda editable: DirectorySource(f"/{'/'.join(parts)}", editable))
    ),
    st.sampled_from(["v1.0", "feature/x", "a@b", None]).map(lambda rev: VcsSource("git", "https://x.test/r.git", rev)),
    st.sampled_from(["https://x.test/a/demo-1.0.tar.gz", "file:///x%20y/demo-1.0.zip"]).map(ArchiveSource),
)


@given(
    SOURCES,
    NAMES,
    st.lists(NAMES, max_size=2, unique=True),
    st.sampled_from([None, "os_name == 'x'"]),
    st.sampled_from([(), (Digest("sha256", A),), (Digest("md5", A[:32]), Digest("sha256", B))]),
)
def test_requirements_survive_being_printed(
    source: Source, name: str, extras: list[str], marker: str | None, digests: tuple[Digest, ...]
) -> None:
    requirement = SpecifiedRequirement(
        name=name, source=source, text="", extras=tuple(dict.fromkeys(extras)), marker=marker, digests=digests
    )
    line = format_requirement(requirement)
    again = read_text(line)
    assert again is not None, line
    assert same(again.entries[0], requirement), line
