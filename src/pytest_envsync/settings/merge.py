"""Merge what is said in different places into the settings of one run.

Strongest first: the command line, ``ENVSYNC_X``, pytest's ini file, ``[tool.envsync]``, ``UV_X``,
``uv.toml`` and ``[tool.uv]``, pip's configuration. Sessions and ``run`` take no interpreter, no
place and no link mode from uv's variables and files.

A value that is said in a stronger place hides the weaker ones. Lists of the command line,
variables and ini files hide one another; those of configuration files are put behind them. pip's
configuration counts for a setting that nothing else gives.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_envsync.errors import UsageError
from pytest_envsync.options import SyncOptions
from pytest_envsync.options.table import BY_NAME, OPTIONS
from pytest_envsync.options.values import from_python
from pytest_envsync.settings.arguments import ALL, scan
from pytest_envsync.settings.checked_variables import check_variables
from pytest_envsync.settings.configured_indexes import rules_for_others
from pytest_envsync.settings.files import Configuration, read_configuration
from pytest_envsync.settings.pip_files import read_pip_configuration
from pytest_envsync.settings.variables import Layer, read_variables
from pytest_envsync.true_paths import settled
from pytest_envsync.values import NamedTuple, dataclass, field, fields

if TYPE_CHECKING:
    from pytest_envsync.options.option import Option, Value

_FIELDS = tuple(item.name for item in fields(SyncOptions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one run.

    *options* is what the engine is given; *command* holds what only the command looks at
    (``output_format``, ``quiet``, ``verbose``, ``color``, ``no_progress``, ``auto_prune``). *origins* names the
    place that each setting came from; what the command line said, and what is a default, is not
    in it. *environ* is the environment with what uv's files put into it. *environments* is the
    table ``[tool.envsync.environments]`` and *base* the directory of its file.
    *looked_at* are the configuration files that were opened (with their bytes) or missing (None).
    *momentary* are the names of what the command line, an ``ENVSYNC_X`` or pytest's ini file says: it is stronger
    than what a project declares.
    """

    options: SyncOptions
    command: Mapping[str, Value] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    environments: Mapping[str, object] = field(default_factory=dict)
    base: str = ""
    warnings: tuple[str, ...] = ()
    looked_at: Mapping[str, bytes | None] = field(default_factory=dict)
    momentary: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one face says: *arguments* as on the command line of ``sync``, and *given* by name.

    The names are those of ``SyncOptions`` or the long options with underscores; None counts as not
    given. Relative paths are relative to *base*, the working directory if None.
    """

    arguments: Sequence[str] = ()
    given: Mapping[str, object] = field(default_factory=dict)
    base: str | None = None


def session_settings(
    arguments: Sequence[str] = (),
    given: Mapping[str, object] | None = None,
    *,
    ini: Said | None = None,
    cwd: str,
    environ: Mapping[str, str],
) -> Settings:
    """Return the settings of a session, or of an environment that a test asks for.

    *arguments* and *given* are what the command line, the marker or the call says; *ini* is what
    pytest's ini file says. Raises UsageError.
    """
    values = read_said(Said(arguments=arguments, given=given or {}), cwd=cwd).values
    return resolve_settings(values, ini=ini, cwd=cwd, environ=environ, session=True)


def resolve_settings(
    said: Mapping[str, Value],
    *,
    ini: Said | None = None,
    cwd: str,
    environ: Mapping[str, str],
    session: bool = False,
) -> Settings:
    """Merge *said*, the values of the command line, with all weaker places.

    *cwd* is the working directory after ``--directory``. With *session* uv's places say nothing about
    interpreter, place and link mode. Raises UsageError.
    """
    command = Layer(dict(said), {}, cwd)
    own_variables = read_variables(environ, "ENVSYNC_", cwd=cwd)
    uv_variables = read_variables(environ, "UV_", cwd=cwd, session=session)
    early = [command, own_variables, uv_variables]
    configuration = _configuration(early, cwd, environ)
    is_alone = bool(_first("no_config", early) or _first("config_file", early))
    pip, pip_files = (Layer({}, {}, cwd), {}) if is_alone else read_pip_configuration(environ, cwd=cwd)
    places = [_Place(command, momentary=True), _Place(own_variables, momentary=True)]
    if ini is not None:
        places.append(_Place(read_said(ini, cwd=cwd, origin="pytest ini"), momentary=True))
    momentary = frozenset(name for place in places for name in place.layer.values)
    if configuration.own is not None:
        places.append(_Place(configuration.own, momentary=False))
    places.append(_Place(uv_variables, momentary=True))
    places += [_Place(_of_uv(layer, session=session), momentary=False, of_uv=True) for layer in configuration.uv]
    merged, origins = _merge(places, pip, cwd)
    options = SyncOptions(**{name: merged[name] for name in _FIELDS if name in merged})  # type: ignore[arg-type]  # a test holds that kinds and types agree
    if options.offline and (options.refresh or options.refresh_package):
        raise UsageError("`--offline` cannot be used with `--refresh`")
    seen = _environ(environ, configuration, merged, cwd)
    check_variables(seen)
    return Settings(
        options=options,
        command={name: value for name, value in merged.items() if name not in _FIELDS},
        origins=origins,
        environ=seen,
        cwd=cwd,
        environments=dict(configuration.environments),
        base=configuration.base,
        warnings=configuration.warnings,
        looked_at={**configuration.looked_at, **pip_files},
        momentary=momentary,
    )


def _environ(
    environ: Mapping[str, str], configuration: Configuration, merged: Mapping[str, Value], cwd: str
) -> dict[str, str]:
    """Return the variables for the engine: with what files said in their stead."""
    found = {**dict(configuration.variables), **environ}
    if "no_installer_metadata" in merged:
        found["UV_NO_INSTALLER_METADATA"] = "1" if merged["no_installer_metadata"] else ""
    if isinstance(project := merged.get("project"), str):
        # Groups are looked for there, by whoever reads the inputs.
        found["UV_PROJECT"] = os.path.join(cwd, _project_directory(project))  # noqa: PTH118 - plain text
    return found


def read_said(said: Said, *, cwd: str, origin: str = "") -> Layer:
    """Return what a face says as a layer; *given* beats *arguments*. Raises UsageError."""
    scanned, _ = scan(said.arguments, ALL)
    if scanned.files or scanned.rest:
        stray = (scanned.files or scanned.rest or [""])[0]
        raise UsageError(f"`{stray}` is no option of `envsync sync`", hint="options begin with a dash")
    values = dict(scanned.values)
    for name, value in said.given.items():
        option = option_named(name)
        if value is not None:
            values[option.name] = from_python(option, value, f"`{name}`")
    return Layer(values, dict.fromkeys(values, origin) if origin else {}, said.base or cwd)


def option_named(name: str) -> Option:
    """Return the option that has *name* in Python: the field, or the long option with underscores.

    Raises UsageError, naming near ones.
    """
    found = BY_NAME.get(name) or _BY_SPELLING.get(name)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(name, [*BY_NAME, *_BY_SPELLING], n=3)
        hint = f"did you mean {' or '.join(f'`{item}`' for item in near)}?" if near else None
        raise UsageError(f"`{name}` is no option of a sync", hint=hint)
    return found


_BY_SPELLING = {
    flag.removeprefix("--").replace("-", "_"): option
    for option in OPTIONS
    for flag in (*option.flags, *option.aliases)
    if flag.startswith("--")
}


def _configuration(layers: Sequence[Layer], cwd: str, environ: Mapping[str, str]) -> Configuration:
    start, config_file = _first("project", layers), _first("config_file", layers)
    # A file that is named counts also when none is to be looked for.
    if _first("no_config", layers) and not config_file:
        return Configuration()
    directory = os.path.join(cwd, _project_directory(start)) if isinstance(start, str) else cwd  # noqa: PTH118 - text
    # The working directory may be gone: the command that ran in it removed it.
    if isinstance(start, str) and not os.path.isdir(directory):  # noqa: PTH112 - plain text
        raise UsageError(f"the project directory `{start}` does not exist")
    path = os.path.join(cwd, config_file) if isinstance(config_file, str) else None  # noqa: PTH118 - plain text
    return read_configuration(directory, environ, config_file=path)


def _project_directory(path: str) -> str:
    """Return *path*, or its directory where it is that of the ``pyproject.toml`` itself."""
    plain = path.rstrip("/")
    is_file = os.path.basename(plain) == "pyproject.toml" and not os.path.isdir(plain)  # noqa: PTH119, PTH112 - text
    return os.path.dirname(plain) or os.curdir if is_file else path  # noqa: PTH120 - plain text


def _first(name: str, layers: Sequence[Layer]) -> Value | None:
    return next((layer.values[name] for layer in layers if name in layer.values), None)


def _of_uv(layer: Layer, *, session: bool) -> Layer:
    """Return *layer*; for sessions without what they do not take from uv's places."""
    if not session:
        return layer
    kept = {name: value for name, value in layer.values.items() if BY_NAME[name].session}
    return Layer(kept, layer.origins, layer.base)


class _Place(NamedTuple):
    """A layer in the order of strength; *momentary* ones hide each other's lists. *of_uv*: one of uv's files."""

    layer: Layer
    momentary: bool
    of_uv: bool = False


def _merge(places: Sequence[_Place], pip: Layer, cwd: str) -> tuple[dict[str, Value], dict[str, str]]:
    """Return the merged values and where each came from. *places* are given strongest first."""
    merged: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for name in dict.fromkeys(name for layer in (*(place.layer for place in places), pip) for name in layer.values):
        option = BY_NAME[name]
        if option.ignored:
            continue
        using = _speaking(option, places) or [pip]
        merged[name] = _value(option, using, cwd)
        origin = dict.fromkeys(layer.origins[name] for layer in using if name in layer.origins)
        if origin:
            origins[name] = " and ".join(origin)
    _settle_default_index(merged, places)
    _settle_order(merged, places, cwd)
    _settle_rules(merged, origins, places, cwd)
    _settle_place(merged, origins, [place.layer for place in places], cwd)
    if _is_pips("index_url", pip, places):
        merged["yields_index_url"] = True
    if merged.get("system_certs") and _is_pips("cert", pip, places):
        del merged["cert"], origins["cert"]
    if "index_strategy" not in merged and _is_pips("extra_index_urls", pip, places):
        # Whoever set these up had pip's rule in mind: all indexes are one, the best version wins.
        merged["index_strategy"] = "unsafe-best-match"
        origins["index_strategy"] = f"pip's rule, for the indexes of {pip.origins['extra_index_urls']}"
    return merged, origins


def _is_pips(name: str, pip: Layer, places: Sequence[_Place]) -> bool:
    """Whether the setting *name* comes from pip's configuration, which no stronger place hides."""
    return name in pip.values and not _speaking(BY_NAME[name], places)


def _speaking(option: Option, places: Sequence[_Place]) -> list[Layer]:
    """Return the layers whose value of *option* counts, strongest first."""
    using = [place for place in places if option.name in place.layer.values]
    if not option.is_list:
        return [place.layer for place in using[:1]]
    momentary = [place for place in using if place.momentary]
    return [place.layer for place in using if not place.momentary or place is momentary[0]]


def _value(option: Option, layers: Sequence[Layer], cwd: str) -> Value:
    if not option.is_list:
        value = layers[0].values[option.name]
        return _placed(option, value, layers[0].base, cwd) if isinstance(value, str) else value
    items: list[str] = []
    for layer in layers:
        value = layer.values[option.name]
        found = value if isinstance(value, tuple) else ()
        items += [_placed(option, item, layer.base, cwd) for item in found]
        if ":none:" in found:
            # It clears what weaker places say.
            break
    return tuple(dict.fromkeys(items)) if option.kind == "commas" else tuple(items)


def _placed(option: Option, text: str, base: str, cwd: str) -> str:
    """Return *text* with a relative path made absolute, unless it is relative to *cwd* anyway."""
    # An interpreter is a path only if it looks like one.
    is_path = bool(option.relative) or (option.name == "python" and os.sep in text)
    if not is_path or base == cwd or "://" in text or text == "-":
        return text
    name, separator, address = text.partition("=") if option.name in {"index", "default_index"} else ("", "", text)
    place = settled(os.path.join(base, address or name))  # noqa: PTH118 - plain text
    return f"{name}={place}" if separator else place


def _settle_default_index(merged: dict[str, Value], places: Sequence[_Place]) -> None:
    """Keep the one of ``--default-index`` and ``--index-url`` that the strongest place gives.

    uv's files are one place: there a default ``[[index]]`` beats every ``index-url``, as in the reference.
    """
    pair = ("default_index", "index_url")
    files = [place.layer for place in places if place.of_uv]
    for layers in (*([place.layer] for place in places if not place.of_uv), files):
        given = [name for name in pair if any(name in layer.values for layer in layers)]
        if given:
            for name in pair:
                if name not in given:
                    merged.pop(name, None)
            return


def _settle_order(merged: dict[str, Value], places: Sequence[_Place], cwd: str) -> None:
    """Put the further indexes of stronger places in front of those that are tables of uv's files."""
    files = [place.layer for place in places if place.of_uv]
    split = []
    for option in (BY_NAME["index"], BY_NAME["extra_index_urls"]):
        layers = _speaking(option, places)
        strong = [layer for layer in layers if not any(layer is file for file in files)]
        weak = [layer for layer in layers if any(layer is file for file in files)]
        split.append([_texts(_value(option, strong, cwd)), _texts(_value(option, weak, cwd))])
    (index, tables), (extra, rest) = split
    if extra and tables:
        merged["index"] = (*index, *extra, *tables)
        merged["extra_index_urls"] = rest


def _texts(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _settle_rules(merged: dict[str, Value], origins: dict[str, str], places: Sequence[_Place], cwd: str) -> None:
    """Keep what tables say of indexes that nothing stronger than configuration files names."""
    rules = merged.pop("index_rules", ())
    if not isinstance(rules, tuple) or not rules:
        return
    momentary = [place for place in places if place.momentary]
    named: list[str] = []
    for name in ("index", "extra_index_urls", "default_index", "index_url"):
        for layer in _speaking(BY_NAME[name], momentary) if name in merged else ():
            value = layer.values[name]
            named += [value] if isinstance(value, str) else _texts(value)
    kept = rules_for_others(rules, filter(None, named), cwd)
    if kept:
        merged["index_rules"] = kept
    else:
        origins.pop("index_rules", None)


def _settle_place(merged: dict[str, Value], origins: dict[str, str], layers: Sequence[Layer], cwd: str) -> None:
    """Keep the environment that the strongest place names: what a weaker one says of another is not meant.

    A ``venv`` in ``pyproject.toml`` must not be emptied by a command that names a different environment.
    """
    for layer in layers:
        python = layer.values.get("python")
        given = {name for name in ("venv", "target", "prefix") if name in layer.values}
        names_python = isinstance(python, str) and _is_path(python, cwd)
        if given or names_python:
            for name in ("venv", "target", "prefix", *(("system",) if names_python else ())):
                if name not in given:
                    merged.pop(name, None)
                    origins.pop(name, None)
            return


def _is_path(python: str, cwd: str) -> bool:
    return os.sep in python or os.path.isdir(os.path.join(cwd, python))  # noqa: PTH112, PTH118 - plain text
