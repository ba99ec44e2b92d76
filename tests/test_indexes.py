"""Which indexes are asked, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envsync.errors import UsageError
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import Requirements
from pytest_envsync.wheels.index.indexes import (
    Index,
    effective_indexes,
    listings,
    named_index,
    parse_index,
    public_index,
)


def asked(requirements: Requirements | None = None, **options: object) -> list[str]:
    settings = SyncOptions(**options)  # type: ignore[arg-type]  # fields of the dataclass by name
    return [index.url for index in effective_indexes(requirements or Requirements(), settings)]


def test_without_a_word_the_public_index_is_asked() -> None:
    assert asked() == [public_index()]
    assert public_index().endswith("/simple/")


def test_the_default_is_asked_last_and_the_settings_go_before_the_files() -> None:
    requirements = Requirements(
        index=("https://e.example.org",), index_url="https://z.example.org", extra_index_urls=("https://f.example.org",)
    )  # fmt: skip
    given = {"index": ("https://a.example.org",), "extra_index_urls": ("https://b.example.org",)}
    extra = ["https://a.example.org", "https://b.example.org", "https://e.example.org", "https://f.example.org"]
    assert asked(requirements, **given) == [*extra, "https://z.example.org"]
    assert asked(requirements, **given, index_url="https://y.example.org") == [*extra, "https://y.example.org"]
    assert asked(requirements, **given, default_index="https://x.example.org")[-1] == "https://x.example.org"


def test_no_index_beats_them_all() -> None:
    assert asked(no_index=True, index=("https://a.example.org",)) == []
    assert asked(Requirements(no_index=True), default_index="https://a.example.org") == []


def test_one_index_in_two_spellings_is_asked_once() -> None:
    found = asked(index=("https://user:p@a.example.org/simple/",), default_index="https://a.example.org/simple")
    assert found == ["https://user:p@a.example.org/simple/"]


def test_an_index_may_be_a_path_and_have_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = tmp_path.as_uri()
    assert parse_index("./a b") == Index(f"{here}/a%20b")
    assert parse_index("own=simple") == Index(f"{here}/simple", "own")
    assert parse_index("own=https://example.org/?a=b") == Index("https://example.org/?a=b", "own")
    assert parse_index("https://example.org/?a=b") == Index("https://example.org/?a=b")
    assert parse_index("./odd=name") == Index(f"{here}/odd=name")
    with pytest.raises(UsageError, match="no name for an index"):
        parse_index("my own=https://example.org")


def test_a_requirement_asks_for_one_index_by_name_or_address() -> None:
    own = Index("https://user:p@example.org/simple/", "own")
    assert named_index("own", [own]) is own
    assert named_index("https://example.org/simple", [own]) is own
    assert named_index("https://other.example.org", [own]) == Index("https://other.example.org")


def test_listings_are_addresses_and_asked_once(tmp_path: Path) -> None:
    place = tmp_path.as_uri()
    found = listings(
        Requirements(find_links=(str(tmp_path), "https://b")), SyncOptions(find_links=(place, "https://a"))
    )
    assert found == (place, "https://a", "https://b")


def test_an_index_shows_no_secret() -> None:
    index = Index("https://user:secret@example.org/", "own")
    assert str(index) == "own (https://user:****@example.org/)"
    assert "secret" not in f"{index!r}{(index,)!r}"


@pytest.mark.parametrize("address", ["http://me:pw@[bad/simple", "corp=https://me:pw@example.org:port/simple"])
def test_an_address_that_is_not_valid_is_named_without_its_password(address: str) -> None:
    with pytest.raises(UsageError, match=r"`https?://me:\*{4}@.*` is no valid address"):
        parse_index(address)
    with pytest.raises(UsageError, match="is no valid address"):
        listings(Requirements(), SyncOptions(find_links=(address.removeprefix("corp="),)))
