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
        ("2025-01-31T12:00:00", "2025-01-31T22:00:00"),  # without an offset the time tells nothing
        ("2025-01-31 12:00:00.5", "2025-01-31T22:00:00"),
        ("2025-01-31T12[Mars/Base]", "2025-01-31T22:00:00"),
        ("2025-01-31[America/New_York]", "2025-01-31T22:00:00"),
        ("2025-01-31T12:00Z", "2025-01-31T12:00:00"),
        ("20250131T120000,5Z", "2025-01-31T12:00:00.5"),
        ("2025-01-31T12:00:00+02", "2025-01-31T10:00:00"),
        ("2025-01-31T12:00:00+02:00:30", "2025-01-31T09:59:30"),
        ("2025-01-31T12:00:00+05:00[Europe/Berlin][u-ca=iso8601]", "2025-01-31T07:00:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59"),
        ("30 days", "2025-03-01T12:00:00"),
        ("1 week", "2025-03-24T12:00:00"),
        ("24 hours", "2025-03-30T12:00:00"),
        ("1day, 2hrs 3min", "2025-03-30T09:57:00"),
        ("2w ago", "2025-03-17T12:00:00"),
        ("P30D", "2025-03-01T12:00:00"),
        ("PT24H", "2025-03-30T12:00:00"),
        ("p1w2dt3h", "2025-03-22T09:00:00"),
        ("-P30D", "2025-03-01T12:00:00"),
        ("+30 days", "2025-03-01T12:00:00"),
        ("PT1.5H", "2025-03-31T10:30:00"),
        ("1,5h", "2025-03-31T10:30:00"),
        ("2 days, 1:30:00", "2025-03-29T10:30:00"),
        ("90 ms", "2025-03-31T11:59:59.910000"),
        ("false", None),
    ],
)
def test_what_is_understood(text: str, expected: str | None) -> None:
    assert parse_cutoff(text, now=NOW, localize=lambda moment: moment.replace(tzinfo=EAST)) == expected


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2021-05", "1 month", "2 years", "P1M", "P1Y", "P", "PT", "2025-02-30", "2025-01-31T25:00:00Z",
     "2025013", "", "3", "days", "1 day 2 days", "99999999999 weeks", "9999-12-31", " 2025-01-31", "False", "1h,30m",
     "2025-0131", "2025-01-31T12:0000Z", "2025-01-31Z", "2025-01-31T24:00:00", "2025-01-31[!u-ca=iso8601]", "30 DAYS",
     "30 days,", "2 hours 1 day", "1.5 days", "P1.5D", "1.5h 3m", "-1 day ago", "+ 1 day", "1 day ago ", "P1DT",
     "1:30"],
)  # fmt: skip
def test_what_is_refused_says_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match=r"no (date|moment)") as caught:
        parse_cutoff(text, now=NOW)
    assert "30 days" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "relative"), [("2025-01-31", False), ("2025-01-31T12:00:00Z", False), ("20250131", False),
     ("2025-01-31T12:00:00", False), ("2025-01-31[UTC]", False), ("false", False), ("P30D", True)]
)  # fmt: skip
def test_relative_moments_are_told(text: str, *, relative: bool) -> None:
    assert is_relative(text) is relative


@given(st.text() | st.text("0123456789-+PTWDHMSZ:.,[] dayhourswek", max_size=24))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    try:
        found = parse_cutoff(text, now=NOW)
    except UsageError:
        return
    assert found is None or comparable(f"{found}Z") == found


MOMENTS = st.datetimes(timezones=st.just(timezone.utc))


@given(MOMENTS, MOMENTS)
def test_texts_compare_as_the_moments_do(one: datetime, other: datetime) -> None:
    texts = [comparable(moment.isoformat()) for moment in (one, other)]
    assert (texts[0] < texts[1]) is (one < other)
