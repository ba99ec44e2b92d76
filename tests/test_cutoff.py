"""``--exclude-newer`` in each of its formats."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_envsync.errors import UsageError
from pytest_envsync.wheels.choice.cutoff import comparable, is_relative, parse_cutoff

NOW = datetime(2025, 3, 31, 12, 0, tzinfo=timezone.utc)
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-31T12:00:00Z", "2025-01-31T12:00:00"),
        ("2025-01-31t12:00:00.120z", "2025-01-31T12:00:00.12"),
        ("2025-01-31 12:00:00+02:00", "2025-01-31T10:00:00"),
        ("2025-01-31T23:30:00-0130", "2025-02-01T01:00:00"),
        ("2000-01-01", "2000-01-01T22:00:00"),  # the next midnight, two hours east
        ("20000101", "2000-01-01T22:00:00"),
        ("2025-01-31T12:00:00", "2025-01-31T10:00:00"),  # noon, two hours east
        ("2025-01-31 12:00:00.5", "2025-01-31T10:00:00"),
        ("30 days", "2025-03-01T12:00:00"),
        ("1 week", "2025-03-24T12:00:00"),
        ("24 hours", "2025-03-30T12:00:00"),
        ("1day, 2hrs 3min", "2025-03-30T09:57:00"),
        ("2w ago", "2025-03-17T12:00:00"),
        ("P30D", "2025-03-01T12:00:00"),
        ("PT24H", "2025-03-30T12:00:00"),
        ("p1w2dt3h", "2025-03-22T09:00:00"),
        ("false", None),
    ],
)
def test_what_is_understood(text: str, expected: str | None) -> None:
    assert parse_cutoff(text, now=NOW, localize=lambda moment: moment.replace(tzinfo=EAST)) == expected


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2021-05", "1 month", "2 years", "P1M", "P1Y", "P", "PT", "2025-02-30", "2025-01-31T25:00:00Z",
     "2025-01-31T12:00", "2025013", "", "3", "days", "1 day 2 days", "99999999999 weeks", "9999-12-31"],
)  # fmt: skip
def test_what_is_refused_says_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match=r"no (date|moment)") as caught:
        parse_cutoff(text, now=NOW)
    assert "30 days" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "relative"), [("2025-01-31", False), ("2025-01-31T12:00:00Z", False), ("20250131", False),
     ("2025-01-31T12:00:00", False), ("false", False), ("P30D", True)]
)  # fmt: skip
def test_relative_moments_are_told(text: str, *, relative: bool) -> None:
    assert is_relative(text) is relative


MOMENTS = st.datetimes(timezones=st.just(timezone.utc))


@given(MOMENTS, MOMENTS)
def test_texts_compare_as_the_moments_do(one: datetime, other: datetime) -> None:
    texts = [comparable(moment.isoformat()) for moment in (one, other)]
    assert (texts[0] < texts[1]) is (one < other)
