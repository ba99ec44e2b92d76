"""An answer is used again for exactly as long as its server allows."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envsync.wheels.index.freshness import freshness_of, retry_after

NOW = 1_700_000_000.0


def judge(headers: dict[str, str], status: int = 200) -> tuple[bool, float, float]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return freshness_of(status, named, requested=NOW - 2, received=NOW)


def date(offset: float) -> str:
    return formatdate(NOW + offset, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ({"cache_control": "max-age=600"}, 600),
        ({"cache_control": 'public, Max-Age="600" , immutable'}, 600),
        ({"cache_control": "max-age=600, max-age=5"}, 600),
        ({"cache_control": "s-maxage=600"}, 0),
        ({"cache_control": "max-age=x"}, 0),
        ({"cache_control": "max-age=-1"}, 0),
        ({"cache_control": "max-age=99999999999999"}, 2.0**31),
        ({"cache_control": "no-cache, max-age=600"}, 0),
        ({"cache_control": 'no-cache="set-cookie", max-age=600'}, 0),
        ({"cache_control": "max-age=600", "expires": date(5)}, 600),
        ({"expires": date(300), "date": date(0)}, 300),
        ({"expires": date(300), "date": date(100)}, 200),
        ({"expires": date(300)}, 300),
        ({"expires": "0", "date": date(0)}, 0),
        ({"expires": date(-300), "date": date(0)}, 0),
        ({"pragma": "no-cache"}, 0),
        ({"last_modified": date(-1_000_000)}, 0),
        ({}, 0),
    ],
)
def test_the_lifetime_is_what_the_server_says(headers: dict[str, str], lifetime: float) -> None:
    assert judge(headers)[1] == lifetime


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({}, 2),  # the time the request took
        ({"age": "30"}, 32),
        ({"age": "junk"}, 2),
        ({"date": date(-50)}, 50),
        ({"date": date(50)}, 2),
        ({"date": date(-50), "age": "100"}, 102),
    ],
)
def test_the_age_counts_what_passed_on_the_way(headers: dict[str, str], age: float) -> None:
    assert judge(headers)[2] == age


@pytest.mark.parametrize(
    ("status", "headers", "storable"),
    [
        (200, {}, True),
        (200, {"cache_control": "no-store"}, False),
        (200, {"cache_control": "private"}, True),
        (200, {"vary": "Accept, Accept-Encoding"}, True),
        (200, {"vary": "*"}, False),
        (200, {"vary": "Authorization"}, False),
        (404, {}, False),
        (404, {"cache_control": "max-age=60"}, True),
    ],
)
def test_what_may_be_kept(status: int, headers: dict[str, str], *, storable: bool) -> None:
    assert judge(headers, status)[0] is storable


@given(
    st.dictionaries(
        st.sampled_from(["cache-control", "expires", "date", "age", "vary", "pragma"]), st.text(max_size=30), max_size=4
    )
)
def test_no_headers_make_a_traceback(headers: dict[str, str]) -> None:
    freshness = freshness_of(200, headers, requested=NOW, received=NOW)
    assert freshness.lifetime >= 0
    assert freshness.age >= 0


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_lifetime_survives_being_written(lifetime: int, age: int) -> None:
    found = judge({"cache_control": f"public, max-age={lifetime}", "age": str(age)})
    assert found == (True, lifetime, age + 2)


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("", None), ("7", 7), (date(9), 9), (date(-9), 0), ("soon", None)]
)  # fmt: skip
def test_the_wish_of_a_server_to_be_left_alone(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, now=NOW) == seconds
