"""Inputs: what all of them say together.

Pure: reads through the function it is handed. Source: the rules of the reference for its positional arguments.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_envsync.errors import InputError
from pytest_envsync.inputs.advice import lock_advice
from pytest_envsync.inputs.collected import Collected
from pytest_envsync.inputs.kinds import Kind, is_pylock_name, kind_of
from pytest_envsync.inputs.paths import file_name, without_detours
from pytest_envsync.inputs.reading import Reader, Reading, Settle
from pytest_envsync.requirements import Origin, Requirements

if TYPE_CHECKING:
    from pytest_envsync.options import SyncOptions
    from pytest_envsync.target import Target

_SILENT = ("No dependencies", "does not contain any dependencies")

__all__ = ["Reader", "kind_of", "lock_advice", "read_requirements"]


def read_requirements(
    files: Sequence[str],
    *,
    options: SyncOptions,
    target: Target,
    read: Reader,
    cwd: str,
    environ: Mapping[str, str],
    root: str | None = None,
    settle: Settle = without_detours,
) -> Requirements:
    """Read *files* (paths, addresses, ``-``) and the constraints, groups and extras that *options* name.

    Relative paths start at *cwd*, which is absolute, those of requirements at *root* if it is given. *environ*
    fills in ``${NAME}``; *settle* knows the links among the directories. Settings of *options* that files may give
    as well (indexes, hashes, what may be built) are not mixed in: whoever uses them asks both.
    Groups are not read when the files ask for nothing at all and that is not allowed, as in the reference.

    Raises InputError, and whatever *read* raises but OSError.
    """
    kinds = [(name, kind_of(name)) for name in files]
    reading = Reading(read, cwd=cwd, environ=environ, root=root, settle=settle)
    constraints = [name for name in options.constraints if name.strip()]
    if any(kind == "pylock" for _, kind in kinds):
        return _read_pylock(kinds, constraints, reading=reading, options=options, target=target)
    _check_extras_allowed([kind for _, kind in kinds], options)
    collected = Collected()
    known_extras: set[str] | None = set()
    for name, kind in kinds:
        found, extras = _read_one(name, kind, reading=reading, options=options, target=target)
        known_extras = None if extras is None or known_extras is None else known_extras | extras
        if found.is_silent() and kind != "script":
            reading.warnings.append(_silence(name))
        collected.absorb(found)
    _check_extras_known(known_extras, options)
    for name in constraints:
        collected.absorb(_read_constraints(name, reading))
    if options.groups and (
        collected.entries or collected.trees or collected.has_project or options.allow_empty_requirements
    ):
        from pytest_envsync.inputs.project import read_groups

        collected.absorb(read_groups(options.groups, reading=reading, options=options, target=target))
    return _requirements(collected, reading)


def _requirements(collected: Collected, reading: Reading) -> Requirements:
    return Requirements(
        entries=tuple(collected.entries),
        constraints=tuple(collected.constraints),
        overrides=tuple(collected.overrides),
        excludes=tuple(collected.excludes),
        trees=tuple(collected.trees),
        has_project=collected.has_project,
        index=tuple(collected.index),
        index_rules=tuple(collected.index_rules),
        index_url=collected.index_url,
        extra_index_urls=tuple(collected.extra_index_urls),
        find_links=tuple(collected.find_links),
        no_index=collected.no_index,
        only_binary=tuple(collected.only_binary),
        no_binary=tuple(collected.no_binary),
        require_hashes=collected.require_hashes,
        warnings=_each_once(reading.warnings),
        files=reading.files,
        variables=reading.variables,
    )


def _read_one(
    name: str, kind: Kind, *, reading: Reading, options: SyncOptions, target: Target
) -> tuple[Collected, frozenset[str] | None]:
    """Read one input; the extras it knows, None when only a build can tell."""
    location = reading.locate(name, reading.cwd)
    try:
        if kind == "project":
            from pytest_envsync.inputs.project import read_project

            return read_project(location, shown=name, reading=reading, options=options, target=target)
        if kind == "tree":
            from pytest_envsync.inputs.project import read_tree

            return read_tree(location, shown=name, reading=reading, options=options), None
        return _read_text(name, kind, location, reading=reading, options=options, target=target), frozenset()
    except InputError as error:
        if error.origin is None and "File not found" not in error.message:
            error.origin = Origin(name)
        raise


def _read_text(
    name: str, kind: Kind, location: str, *, reading: Reading, options: SyncOptions, target: Target
) -> Collected:
    shown = "<stdin>" if name == "-" else name
    text = reading.text(location, shown=shown)
    if kind in {"script", "unknown"}:
        from pytest_envsync.inputs.scripts import read_script

        script = read_script(text, location=location, shown=shown, reading=reading, options=options, target=target)
        if script is not None:
            return script
        if kind == "script":
            raise InputError("the script does not contain inline script metadata (PEP 723)", origin=Origin(shown))
    from pytest_envsync.inputs.requirements_txt import read_requirements_text

    return read_requirements_text(text, location=location, shown=shown, reading=reading)


def _read_constraints(name: str, reading: Reading) -> Collected:
    from pytest_envsync.inputs.requirements_txt import read_requirements_txt

    filename = file_name(name)
    if filename.lower().endswith(".toml") or filename in {"setup.cfg", "setup.py"}:
        what = "a `pylock.toml`" if is_pylock_name(filename) else f"a {filename.rpartition('.')[2].upper()}"
        raise InputError(
            f"The file `{name}` appears to be {what} file, "
            "but constraints must be specified in `requirements.txt` format"
        )
    location = reading.locate(name, reading.cwd)
    found = read_requirements_txt(
        location, shown="<stdin>" if name == "-" else name, reading=reading, as_constraints=True
    )
    if found.is_silent():
        reading.warnings.append(_silence(name))
    return found


def _silence(name: str) -> str:
    if name == "-":
        return f"{_SILENT[0]} found in stdin"
    return f"Requirements file `{name}` {_SILENT[1]}"


def _each_once(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return *warnings*, each once; that a file asks for nothing is said as often as it is named."""
    return tuple(
        warning
        for number, warning in enumerate(warnings)
        if warning.startswith(_SILENT[0]) or warning.endswith(_SILENT[1]) or warning not in warnings[:number]
    )


def _check_extras_allowed(kinds: Sequence[Kind], options: SyncOptions) -> None:
    if (options.extras or options.all_extras) and not {"project", "tree"}.intersection(kinds):
        raise InputError(
            "Requesting extras requires a `pylock.toml`, `pyproject.toml`, `setup.cfg`, or `setup.py` file",
            hint="Use `package[extra]` syntax instead",
        )


def _check_extras_known(known: set[str] | None, options: SyncOptions) -> None:
    from pytest_envsync.requirements import normalize_name

    unknown = [] if known is None else [name for name in options.extras if normalize_name(name) not in known]
    if unknown:
        found = ", ".join(f"`{name}`" for name in sorted(known or ())) or "none"
        raise InputError(f"Requested extra not found: {', '.join(unknown)} (the project has: {found})")


def _read_pylock(
    kinds: Sequence[tuple[str, Kind]],
    constraints: Sequence[str],
    *,
    reading: Reading,
    options: SyncOptions,
    target: Target,
) -> Requirements:
    """Read the one pylock file, beside which nothing else may be asked for."""
    from pytest_envsync.inputs.paths import base_of
    from pytest_envsync.inputs.pylock import read_pylock
    from pytest_envsync.inputs.pylock_selection import active_packages, lacks_digests

    locks = [name for name, kind in kinds if kind == "pylock"]
    if len(locks) > 1:
        raise InputError(f"Multiple `pylock.toml` files specified: `{locks[0]}` vs. `{locks[1]}`")
    if len(kinds) > 1:
        raise InputError("Cannot specify additional requirements alongside a `pylock.toml` file")
    if constraints:
        raise InputError("Cannot specify constraints with a `pylock.toml` file")
    name = locks[0]
    location = reading.locate(name, reading.cwd)
    base = base_of(location, reading.cwd)
    # The paths of a lockfile that came over the network are looked up here, as the reference does.
    base = reading.root if "://" in base else base
    lock = read_pylock(reading.text(location, shown=name), shown=name, base=base)
    packages = active_packages(
        lock,
        target,
        extras=options.extras,
        all_extras=options.all_extras,
        groups=options.groups,
        require_hashes=options.require_hashes,
    )
    if options.verify_hashes and lacks_digests(lock, packages):
        reading.warnings.append(
            f"`{name}` has files without a hash that can be checked: they are taken as they come; lock again"
        )
    return Requirements(
        pins=packages,
        is_pylock=True,
        warnings=tuple(reading.warnings),
        files=reading.files,
        variables=reading.variables,
    )
