"""What the ``envsync`` markers of a test say, merged and checked.

The closest marker wins key by key: function, class, module. Runs inside session environments:
standard library, pytest and pluggy only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from pytest_envsync.pytest_plugin.naming import NAME, NameClash, identity, python_part, unique_names
from pytest_envsync.pytest_plugin.surroundings import Surroundings

_OWN = ("extras", "all_extras", "groups", "python", "project", "private", "matrix")


class MarkingError(Exception):
    """A marker says something that means nothing; the text says what it may say."""


class Wish(NamedTuple):
    """One environment that a test asks for.

    *files* are absolute, or addresses; empty: the default of the session. *options* go to the engine.
    """

    files: tuple[str, ...] = ()
    python: str | None = None
    project: str | None = None
    private: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """A text that is equal for equal wishes."""
        return repr(self._replace(private=False))


class Axis(NamedTuple):
    """What a test is parametrised with: an id and a wish for each."""

    ids: tuple[str, ...]
    wishes: tuple[Wish, ...]


def merged(markers: Iterable[Any]) -> dict[str, Any]:
    """Return what *markers* (closest first) say; ``files`` stands for the positional arguments.

    Files and matrix are two ways to say one thing: the closest that gives either wins.
    """
    found: dict[str, Any] = {}
    for marker in markers:
        given = dict(marker.kwargs)
        if marker.args:
            given["files"] = marker.args
        if "files" in found or "matrix" in found:
            given.pop("files", None)
            given.pop("matrix", None)
        for name, value in given.items():
            found.setdefault(name, value)
    return found


def check(marker: Any, surroundings: Surroundings) -> None:
    """Raise MarkingError when one marker says something that means nothing."""
    given = marker.kwargs
    if "files" in given:
        raise MarkingError("files are given without a name: envsync('some.lock')")
    for value in marker.args:
        if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
            raise MarkingError(f"{value!r} is no lockfile: give its path, or the name of a declared environment")
    if marker.args and given.get("matrix") is not None:
        raise MarkingError("give files or a matrix, not both")
    for name in ("all_extras", "private"):
        if not isinstance(given.get(name, False), bool):
            raise MarkingError(f"{name}={given[name]!r} is neither True nor False")
    for name in ("extras", "groups"):
        texts(given.get(name, ()), name)
    if given.get("python") is not None:
        texts(given["python"], "python")
    project = given.get("project")
    if project is not None and not isinstance(project, (str, os.PathLike)):
        raise MarkingError(f"project={project!r} is no path")
    if given.get("matrix") is not None:
        _check_matrix(given["matrix"])
    _check_options([name for name in given if name not in _OWN], surroundings.option_names)


def texts(value: object, name: str) -> tuple[str, ...]:
    """Return *value*, a text or several, as a tuple. Raises MarkingError for anything else."""
    if isinstance(value, (str, os.PathLike)):
        return (os.fspath(value),)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        items = tuple(value)
        if all(isinstance(item, (str, os.PathLike)) and os.fspath(item) for item in items):
            return tuple(os.fspath(item) for item in items)
    raise MarkingError(f"{name}={value!r} is neither a text nor a list of texts")


def _check_matrix(matrix: object) -> None:
    if isinstance(matrix, Mapping):
        for name, files in matrix.items():
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise MarkingError(f"matrix: {name!r} is no name (letters, digits, `.`, `_` and `-`)")
            if not texts(files, f"matrix[{name!r}]"):
                raise MarkingError(f"matrix[{name!r}] names no file")
    elif isinstance(matrix, str) or not texts(matrix, "matrix"):
        raise MarkingError(f"matrix={matrix!r} is neither a list of lockfiles nor a mapping from names to files")


def _check_options(names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, [*known, *_OWN], n=2)
            meant = f": did you mean {' or '.join(f'`{item}`' for item in near)}?" if near else ""
            raise MarkingError(f"`{name}` is no option of an environment{meant}")


class Place(NamedTuple):
    """Where a test stands: *directories* in which its files are looked up, in order."""

    directories: tuple[str, ...]


def axis_of(said: Mapping[str, Any], surroundings: Surroundings, place: Place) -> Axis | None:
    """Return what a test whose markers say *said* is parametrised with; None for one environment.

    Raises MarkingError for files that are not there and names that clash.
    """
    rows = _rows(said, surroundings, place)
    pythons = texts(said["python"], "python") if said.get("python") is not None else ()
    is_axis = isinstance(said.get("python"), Iterable) and not isinstance(said["python"], str)
    cells = [
        (name, wish._replace(python=_interpreter(python, place) if python else wish.python))
        for name, wish, own_pythons in rows
        for python in pythons or own_pythons or (None,)
    ]
    varies_name = len({name for name, _ in cells}) > 1
    varies_python = len({wish.python for _, wish in cells}) > 1
    if len(cells) == 1 and said.get("matrix") is None and not is_axis:
        return None
    ids = []
    for name, wish in cells:
        python = python_part(wish.python) if wish.python else "py"
        parts = [name if varies_name else "", python if varies_python else ""]
        ids.append(identity(parts) or (name if said.get("matrix") is not None else python))
    if len(set(ids)) < len(ids):
        raise MarkingError(f"two environments have the id `{next(one for one in ids if ids.count(one) > 1)}`")
    return Axis(tuple(ids), tuple(wish for _, wish in cells))


def wish_of(said: Mapping[str, Any], surroundings: Surroundings, place: Place) -> Wish:
    """Return the one environment that *said* speaks of. Raises MarkingError, also when it is several."""
    axis = axis_of(said, surroundings, place)
    if axis is not None and len(axis.wishes) > 1:
        raise MarkingError(f"the marker speaks of {len(axis.wishes)} environments: {', '.join(axis.ids)}")
    if axis is not None:
        return axis.wishes[0]
    (_, wish, pythons), *_ = _rows(said, surroundings, place)
    python = next(iter(texts(said["python"], "python")), None) if said.get("python") is not None else None
    python = python or next(iter(pythons), None)
    return wish._replace(python=_interpreter(python, place) if python else wish.python)


def _rows(said: Mapping[str, Any], surroundings: Surroundings, place: Place) -> list[tuple[str, Wish, tuple[str, ...]]]:
    """Return name, wish and own interpreters for each set of files that *said* speaks of."""
    matrix = said.get("matrix")
    if isinstance(matrix, Mapping):
        sets = [(str(name), texts(files, "matrix")) for name, files in matrix.items()]
        return [(name, *_wish(files, said, surroundings, place)) for name, files in sets]
    if matrix is not None:
        words = [word for text in texts(matrix, "matrix") for word in _expanded(text, surroundings, place)]
        return _named(words, said, surroundings, place)
    files = tuple(os.fspath(file) for file in said.get("files", ()))
    words = [word for text in files for word in _expanded(text, surroundings, place)]
    if len(files) == 1 and len(words) > 1:
        return _named(words, said, surroundings, place)
    wish, pythons = _wish(tuple(words), said, surroundings, place)
    return [("", wish, pythons)]


def _named(
    words: Sequence[str], said: Mapping[str, Any], surroundings: Surroundings, place: Place
) -> list[tuple[str, Wish, tuple[str, ...]]]:
    given = [(word if word in surroundings.declared else None, word) for word in words]
    try:
        names = unique_names(given)
    except NameClash as clash:
        raise MarkingError(f"two environments are called `{clash.name}`: give a mapping from names to files") from clash
    return [(name, *_wish((word,), said, surroundings, place)) for name, word in zip(names, words, strict=True)]


def _expanded(text: str, surroundings: Surroundings, place: Place) -> list[str]:
    """Return the declared environments that a glob means; anything else is itself."""
    if not any(sign in text for sign in "*?[") or _find(text, place) is not None:
        return [text]
    return [name for name in surroundings.declared if fnmatchcase(name, text)] or [text]


def _wish(
    words: tuple[str, ...], said: Mapping[str, Any], surroundings: Surroundings, place: Place
) -> tuple[Wish, tuple[str, ...]]:
    """Return the wish for *words*, files or declared names, and the interpreters that they are declared with."""
    files: list[str] = []
    declared: dict[str, list[str]] = {"python": [], "extras": [], "groups": [], "project": []}
    for word in words:
        found = _find(word, place)
        row = surroundings.declared.get(word)
        if found is not None or "://" in word:
            files.append(found or word)
        elif row is not None:
            files += row["files"]
            for name in declared:
                declared[name] += row[name]
        else:
            raise MarkingError(f"there is no lockfile `{word}`{_looked_in(place)}{_declared(surroundings)}")
    options = {name: value for name, value in said.items() if name not in {*_OWN, "files"}}
    extras = texts(said["extras"], "extras") if "extras" in said else tuple(declared["extras"])
    groups = texts(said["groups"], "groups") if "groups" in said else tuple(declared["groups"])
    if not words:
        extras, groups = extras or tuple(surroundings.extras), groups or tuple(surroundings.groups)
    sets = {"extras": list(extras), "groups": list(groups), "all_extras": said.get("all_extras")}
    options.update({name: value for name, value in sets.items() if value})
    project = os.fspath(said["project"]) if said.get("project") is not None else next(iter(declared["project"]), None)
    wish = Wish(
        files=tuple(files),
        project=_project(project, place),
        private=bool(said.get("private")),
        options=tuple(sorted((name, _plain(value)) for name, value in options.items())),
    )
    return wish, tuple(declared["python"])


def _find(word: str, place: Place) -> str | None:
    for directory in place.directories:
        path = os.path.normpath(os.path.join(directory, os.path.expanduser(word)))  # noqa: PTH111, PTH118 - plain text
        if os.path.isfile(path):  # noqa: PTH113 - plain text
            return path
    return None


def _looked_in(place: Place) -> str:
    return f" (looked in {', '.join(place.directories)})" if place.directories else ""


def _declared(surroundings: Surroundings) -> str:
    names = ", ".join(surroundings.declared)
    return f"; declared environments: {names}" if names else ""


def _interpreter(text: str, place: Place) -> str:
    if os.sep in text and place.directories:
        return os.path.normpath(os.path.join(place.directories[0], os.path.expanduser(text)))  # noqa: PTH111, PTH118 - plain text
    return text


def _project(text: str | None, place: Place) -> str | None:
    if text is None or text in {"auto", "none"}:
        return text
    for directory in place.directories:
        path = os.path.normpath(os.path.join(directory, os.path.expanduser(text)))  # noqa: PTH111, PTH118 - plain text
        if os.path.isdir(path):  # noqa: PTH112 - plain text
            return path
    raise MarkingError(f"there is no project `{text}`{_looked_in(place)}")


def _plain(value: Any) -> Any:
    """Return *value* as JSON has it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value
