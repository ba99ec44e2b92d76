"""Secrets stay out of what is shown; two spellings of one place compare equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envsync.addresses import (
    Realm,
    canonical_address,
    file_path,
    file_url,
    is_url,
    is_valid,
    masked,
    realm_of,
    split_credentials,
    without_credentials,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.org/simple/", "https://example.org/simple/"),
        ("https://user:secret@example.org/simple/", "https://user:****@example.org/simple/"),
        ("https://token@example.org/simple/", "https://****@example.org/simple/"),
        ("git+ssh://git@example.org/repo.git", "git+ssh://git@example.org/repo.git"),
        ("demo @ https://a@b.org:secret@example.org/x.whl", "demo @ https://a@b.org:****@example.org/x.whl"),
        ("https://user:se/cr#et@example.org/x", "https://user:****@example.org/x"),
        ("https://user:se@cret@example.org/x", "https://user:****@example.org/x"),
        ("git+https://example.org:8443/repo@v1", "git+https://example.org:8443/repo@v1"),
        ("https://example.org/x.whl?X-Amz-Signature=abc&y=1", "https://example.org/x.whl?X-Amz-Signature=****&y=1"),
        ("https://example.org/x.whl?sv=1&sig=a%2Fb#sha256=00", "https://example.org/x.whl?sv=1&sig=****#sha256=00"),
        ("me:secret@example.org/simple", "me:****@example.org/simple"),
        ("demo @ me:secret@example.org/x.whl", "demo @ me:****@example.org/x.whl"),
        ("`/home/x/me_x:se:cret@[::1]/simple`", "`/home/x/me_x:****@[::1]/simple`"),
        ("corp=a@b.org:secret@example.org/simple", "corp=a@b.org:****@example.org/simple"),
        ("git@example.org:me/repo@v1", "git@example.org:me/repo@v1"),
        ("file:/x/y@z", "file:/x/y@z"),
        ("locks/x.txt:3: demo@1", "locks/x.txt:3: demo@1"),
        ("-i https://u:p@h/s --index https://v:q@i/s", "-i https://u:****@h/s --index https://v:****@i/s"),
        ("", ""),
    ],
)  # fmt: skip
def test_secrets_are_masked_and_nothing_else_is(text: str, shown: str) -> None:
    assert masked(text) == shown


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1))
def test_no_password_is_shown_however_odd_it_is(secret: str) -> None:
    password = f"Q{secret}Q"
    assert password not in masked(f"https://user:{password}@example.org/simple/")


def test_credentials_are_split_off_and_decoded() -> None:
    assert split_credentials("https://a%40b:c%2Fd@example.org:8080/x?y#z") == (
        "https://example.org:8080/x?y#z",
        "a@b",
        "c/d",
    )
    assert split_credentials("https://token@example.org/") == ("https://example.org/", "token", None)
    assert split_credentials("https://example.org/@scope/x") == ("https://example.org/@scope/x", None, None)


@pytest.mark.parametrize("url", ["http://me:pw@[bad/simple", "https://me:pw@example.org:port/"])
def test_what_is_no_address_is_equal_to_itself_alone_and_keeps_its_secret(url: str) -> None:
    assert not is_valid(url)
    assert canonical_address(url) == url
    assert "pw" not in without_credentials(url)


def test_realms_know_the_ports_of_schemes() -> None:
    assert (
        realm_of("HTTPS://Example.org/x") == realm_of("https://example.org:443/") == Realm("https", "example.org", 443)
    )
    assert realm_of("http://example.org/") != realm_of("https://example.org/")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://example.org/simple", "https://user:p@Example.org/simple/", True),
        ("https://example.org/repo.git", "https://example.org/repo", True),
        ("https://example.org/a%20b", "https://example.org/a b", True),
        ("https://example.org/a%2Fb", "https://example.org/a/b", False),
        ("https://github.com/Owner/Repo", "https://github.com/owner/repo", True),
        ("https://example.org/Owner", "https://example.org/owner", False),
        ("https://example.org/x?a=1", "https://example.org/x?a=2", False),
    ],
)
def test_canonical_addresses_tell_one_place_from_another(one: str, other: str, *, same: bool) -> None:
    assert (canonical_address(one) == canonical_address(other)) is same


def test_paths_become_addresses_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a b%20#c"
    assert file_path(file_url(str(path))) == str(path)
    assert [is_url("file:///x"), is_url("https://x"), is_url("./x"), is_url("/x"), is_url("C:\\x")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("end", ["`", "` cannot be reached", "`: status 404", "", " is gone"])
def test_a_closing_quote_is_no_part_of_a_token(end: str) -> None:
    assert masked(f"`http://h/?token=s3cr3t{end}") == f"`http://h/?token=****{end}"


def test_a_token_is_masked_whatever_is_in_it() -> None:
    assert masked("`http://h/?token=s3`cr3t` is gone") == "`http://h/?token=****` is gone"
