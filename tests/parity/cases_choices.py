"""Cases on which of several files is taken, and on indexes that do not do their part: §7 of the reference's behaviour."""

from __future__ import annotations

from case import Case, Step, case


def between(name: str, args: str, **more: object) -> Case:
    """Return a case of the project that has several files of one version."""
    return case(name, "tie\n", f"{args} r.txt", index=False, **more)  # type: ignore[arg-type] # keywords of case


LOCK = 'lock-version = "1.0"\ncreated-by = "tests"\n[[packages]]\nname = "aaa"\nversion = "1.0"\n[[packages.wheels]]\n'
ZEROS = "0" * 64


def fetching(name: str, address: str, status: int) -> list[Case]:
    """Return cases of a file that cannot be had: given directly, listed by an index, in a lock."""
    lock = f'{LOCK}url = "{address}/aaa-1.0-py3-none-any.whl"\nhashes = {{ sha256 = "{ZEROS}" }}\n'
    return [
        case(f"fetching-{name}", f"aaa @ {address}/aaa-1.0-py3-none-any.whl\n", status=status),
        case(f"fetching-{name}-sdist", f"sdonly @ {address}/sdonly-1.0.tar.gz\n", status=status),
        case(f"fetching-{name}-lock", args="pylock.toml", files={"pylock.toml": lock}, status=status),
    ]


# The first file came on the first of January 2001 at midnight, the second twenty years later.
SEES_THE_FIRST = (
    "2001-01-01T00:00:00", "2001-01-01T00:00", "2001-01-01 00", "2001-01-01[Europe/Berlin]", "20010101[u-ca=iso8601]", "2001-01-01T00:00:00.1Z",
    "2001-01-01T00:00:00,1Z", "20010101T000001Z", "2001-01-01T00:00:00-01", "2001-01-01T02:00+01:00[Europe/Berlin]", "2016-12-31T23:59:60Z",
    "9000 days", "-9000 days", "+P9000D", "P9000DT1.5H", "9000 days, 1:30:00", "9000d 1.5h ago",
)  # fmt: skip
SEES_NOTHING = (
    "2000-12-31T23:59:59",
    "2001-01-01T00:00Z",
    "2001-01-01T00:00:00+05:00[Europe/Berlin]",
    "2001-01-01T00:00:00Z[America/New_York]",
    "20000 days",
)
MEANS_NOTHING = (
    "2001-01-01Z",
    " 2001-01-01",
    "2001-01-01T24:00:00",
    "2001-01-01[!u-ca=iso8601]",
    "30 DAYS",
    "1h,30m",
    "30 days,",
    "2 hours 1 day",
    "-1 day ago",
    "P1.5D",
    "False",
)


def dry(name: str, line: str, status: int = 0, **more: object) -> Case:
    """Return a case of a dry run."""
    return case(f"dry-{name}", f"{line}\n", "--dry-run r.txt", status=status, **more)  # type: ignore[arg-type] # keywords of case


HONEST = "a dry run fails where the run itself would"

CASES: list[Case] = [
    dry("missing-path", "./nope/aaa-1.0-py3-none-any.whl", 1),
    dry("missing-named-path", "aaa @ ./nope/aaa-1.0-py3-none-any.whl", 1),
    dry("missing-address", "aaa @ @FILES@/aaa-9.0-py3-none-any.whl", 1),
    dry("address-of-nobody", "aaa @ http://127.0.0.1:9/aaa-1.0-py3-none-any.whl", 2),
    dry("another-python", "@WHEELS@/future-1.0-py3-none-any.whl", 1),
    dry("another-name", "@ODD@/wrongname-1.0-py3-none-any.whl", 1),
    dry("no-zip", "@ODD@/nozip-1.0-py3-none-any.whl", 1),
    dry("no-metadata", "@ODD@/nometadata-1.0-py3-none-any.whl", 1),
    dry("another-version", "@ODD@/wrongversion-1.0-py3-none-any.whl", 2, reference=0, differs=HONEST),
    dry("wrong-hash", f"aaa @ @FILES@/aaa-1.0-py3-none-any.whl --hash=sha256:{ZEROS}", 1, reference=0, differs=HONEST),
    case("check-of-a-missing-path", "./nope/aaa-1.0-py3-none-any.whl\n", "--check r.txt", status=1),
    case("dry-and-then-not", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", "--dry-run r.txt", then=(Step(),)),
    *(
        case(f"exclude-newer-{text}", "aaa\n", f"--exclude-newer='{text}' r.txt", status=status)
        for texts, status in ((SEES_THE_FIRST, 0), (SEES_NOTHING, 1), (MEANS_NOTHING, 2))
        for text in texts
    ),
    *fetching("nobody", "http://127.0.0.1:9", 2),
    *fetching("nothing", "@BASE@/nothing", 1),
    *fetching("refused", "@BASE@/status/401", 2),
    *fetching("gone", "@BASE@/status/410", 2),
    *fetching("broken", "@BASE@/status/500", 2),
    case("fetching-by-ftp", args="pylock.toml", files={"pylock.toml": f'{LOCK}url = "ftp://x/aaa-1.0-py3-none-any.whl"\nhashes = {{ sha256 = "{ZEROS}" }}\n'}, status=2),
    case("lock-with-an-sdist-of-another-name", args="pylock.toml", files={"pylock.toml": f'{LOCK}url = "@FILES@/aaa-1.0-py3-none-any.whl"\nhashes = {{ sha256 = "@SHA256:aaa-1.0@" }}\n[packages.sdist]\nurl = "@FILES@/both-1.0.tar.gz"\nhashes = {{ sha256 = "{ZEROS}" }}\n'}),
    case("fetching-offline", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", "--offline r.txt", status=1),
    case("index-that-is-gone", "aaa\n", "--extra-index-url @BASE@/status/410 r.txt", status=2),
    *(between(f"equals-of-an-index-{name}", f"-i @BASE@/{name}/") for name in ("up", "down", "turned")),
    between("equals-of-a-directory", "--no-index -f @DIR@/ties --only-binary tie"),
    between("equals-of-a-page", "--no-index -f @BASE@/down/tie/"),
    *(
        between(f"one-version-in-two-indexes-{strategy}", f"-i @BASE@/best/ --extra-index-url @BASE@/plain/ --index-strategy {strategy}")
        for strategy in ("first-index", "unsafe-first-match", "unsafe-best-match")
    ),
    between("one-version-in-two-indexes-and-the-better-first", "-i @BASE@/plain/ --extra-index-url @BASE@/best/ --index-strategy unsafe-best-match"),
    *(case(f"page-that-is-none-{name}", "aaa\n", f"-i @BASE@/{name}/ r.txt", index=False, status=1) for name in ("list", "broken", "null")),
    *(
        case(f"refused-and-another-index-{strategy}", "aaa\n", f"--index-strategy {strategy} --extra-index-url @LOCKED@ r.txt", status=status)
        for strategy, status in (("first-index", 1), ("unsafe-first-match", 0), ("unsafe-best-match", 0))
    ),
]  # fmt: skip
