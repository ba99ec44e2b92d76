"""The keys by which a source tree is judged fresh: what a project lists, and the files that its patterns match.

Patterns are read as the reference reads them: ``*``, ``?`` and ``[a-z]`` stay in one part of the path, ``**`` stands
for any number of directories, ``{a,b}`` for either, hidden files count. What comes before the first wildcard is a
directory; where only a file name follows it, as in ``src/*.py``, that may lie at any depth below.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pytest_envsync.errors import InputError
from pytest_envsync.values import NamedTuple

_MAGIC = re.compile(r"[*?\[{]")
_KINDS = ("file", "dir", "git", "env")
_GIT = ("commit", "tags")


class CacheKey(NamedTuple):
    """One key. *value* is a path or pattern, a name of a variable, or for git what counts, ``commit`` and ``tags``."""

    kind: Literal["file", "dir", "git", "env"]
    value: str
    git: frozenset[str] = frozenset()


DEFAULT_KEYS = (
    CacheKey("file", "pyproject.toml"),
    CacheKey("file", "setup.py"),
    CacheKey("file", "setup.cfg"),
    CacheKey("dir", "src"),
)


def read_cache_keys(path: str) -> tuple[CacheKey, ...]:
    """Return the keys of the source tree at *path*: of ``[tool.envsync]``, else of ``[tool.uv]``, else the usual ones.

    Raises InputError for keys that mean nothing: a tree would seem fresh for ever.
    """
    import tomli

    place = os.path.join(path, "pyproject.toml")
    try:
        with open(place, "rb") as file:
            tool = tomli.loads(file.read().decode("utf-8-sig")).get("tool", {})
    except (OSError, ValueError):
        return DEFAULT_KEYS  # whoever builds it says what is wrong with it
    for name in ("envsync", "uv"):
        table = tool.get(name) if isinstance(tool, dict) else None
        if isinstance(table, dict) and "cache-keys" in table:
            try:
                return parse_cache_keys(table["cache-keys"])
            except ValueError as error:
                raise InputError(
                    f"`cache-keys` in `[tool.{name}]` of `{place}`: {error}",
                    hint="a key is a path, or a table with one of `file`, `dir`, `git` and `env`",
                ) from error
    return DEFAULT_KEYS


def parse_cache_keys(value: object) -> tuple[CacheKey, ...]:
    """Return what a list of keys says. Raises ValueError for one that is none."""
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found `{value}`")  # noqa: TRY004 - a value of a file, no fault of a caller
    return tuple(map(_parse_key, value))


def _parse_key(value: object) -> CacheKey:
    if isinstance(value, str):
        value = {"file": value}
    if not isinstance(value, dict):
        raise ValueError(f"`{value}` is neither a path nor a table")  # noqa: TRY004 - as above
    unknown = [name for name in value if name not in _KINDS]
    if unknown or len(value) != 1:
        raise ValueError(f"`{unknown[0]}` is unknown" if unknown else f"one of {', '.join(_KINDS)} is needed")
    ((kind, content),) = value.items()
    if kind == "git":
        return CacheKey("git", "", _git_parts(content))
    if not isinstance(content, str):
        raise ValueError(f"`{kind}` must be text, found `{content}`")  # noqa: TRY004 - as above
    if kind == "file":
        patterns(content)
    return CacheKey(kind, content)


def _git_parts(content: object) -> frozenset[str]:
    if isinstance(content, bool):
        return frozenset({"commit"} if content else ())
    if not isinstance(content, dict) or not all(isinstance(item, bool) for item in content.values()):
        raise ValueError("`git` must be true, or a table of `commit` and `tags`")
    unknown = [name for name in content if name not in _GIT]
    if unknown:
        raise ValueError(f"`{unknown[0]}` of `git` is unknown")
    return frozenset(name for name, is_wanted in content.items() if is_wanted)


def matching_files(path: str, text: str) -> Iterator[str]:
    """Yield the files below the directory *path* that the path or pattern *text* stands for."""
    if not _MAGIC.search(text):
        yield os.path.join(path, text)
        return
    parts = text.split("/")
    fixed = next(number for number, part in enumerate(parts) if _MAGIC.search(part))
    base = os.path.join(path, *parts[:fixed]) if fixed and parts[0] else "/".join(parts[:fixed]) or path
    for segments in patterns(text):
        yield from _walk(base, segments)


def patterns(text: str) -> list[tuple[re.Pattern[str] | None, ...]]:
    """Return what *text* says behind its fixed part, once for each choice: a pattern for each part, None for ``**``.

    Empty for text without wildcards. Raises ValueError for brackets that are not closed, or hold a range backwards.
    """
    parts = text.split("/")
    fixed = next((number for number, part in enumerate(parts) if _MAGIC.search(part)), None)
    if fixed is None:
        return []
    rest = parts[fixed:]
    if len(rest) == 1 and rest != ["**"]:
        rest = ["**", *rest]
    return [
        tuple(None if part == "**" else _expression(part) for part in choice.split("/") if part)
        for choice in _choices("/".join(rest))
    ]


def _choices(text: str) -> list[str]:
    """Return *text* with each of the alternatives in its braces."""
    match = re.search(r"\{([^{}]*)\}", text)
    if match is None:
        if "{" in text or "}" in text:
            raise ValueError(f"a brace of `{text}` is not closed")
        return [text]
    head, tail = text[: match.start()], text[match.end() :]
    return [found for choice in match.group(1).split(",") for found in _choices(f"{head}{choice}{tail}")]


def _expression(part: str) -> re.Pattern[str]:
    """Return the regular expression for one part of a pattern."""
    expression, rest = "", part
    while rest:
        sign, rest = rest[0], rest[1:]
        if sign == "*":
            expression += ".*"
        elif sign == "?":
            expression += "."
        elif sign == "[":
            end = rest.find("]", 2 if rest[:1] in {"!", "^"} else 1)
            if end < 0:
                raise ValueError(f"a bracket of `{part}` is not closed")
            content, rest = rest[:end].replace("\\", "\\\\"), rest[end + 1 :]
            inverse = content[:1] in {"!", "^"}
            expression += f"[{'^' if inverse else ''}{_escaped(content[inverse:])}]"
        else:
            expression += re.escape(sign)
    try:
        return re.compile(f"(?s:{expression})\\Z")
    except re.error as error:
        raise ValueError(f"a range of `{part}` ends before it begins") from error


def _escaped(content: str) -> str:
    return re.sub(r"([\[&~|^])", r"\\\1", content)


def _walk(directory: str, segments: Sequence[re.Pattern[str] | None]) -> Iterator[str]:
    head, rest = segments[0], segments[1:]
    try:
        with os.scandir(directory) as listing:
            entries = list(listing)
    except OSError:
        return
    if head is None:
        if rest:
            yield from _walk(directory, rest)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, segments)
            elif not rest:
                yield entry.path
        return
    for entry in entries:
        if head.match(entry.name) is None:
            continue
        if not rest:
            yield entry.path
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, rest)
