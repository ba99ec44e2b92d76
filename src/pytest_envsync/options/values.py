"""Values of options: from text, from variables, from TOML and from Python.

Pure. Every refusal names the place where the value was given.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_envsync.options.option import Option, Value

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})

_OTHER_WORDS = {
    ("link_mode", "reflink"): "clone",
    ("index_strategy", "unsafe-any-match"): "unsafe-first-match",
}
"""Values that the reference takes without telling of them."""

_NEVER_EMPTY = frozenset({"exclude_newer", "config_file", "directory", "project"})
"""Options whose variable is refused when it is empty; those with choices are too."""

_NEVER_EMPTY_SWITCHES = frozenset({"GIT_LFS", "SKIP_WHEEL_FILENAME_CHECK"})
"""Flags that are variables only, and are refused when they are empty."""

_LOOSE_SWITCHES = frozenset({"INSECURE_NO_ZIP_VALIDATION"})
"""Flags that are variables only, of which whatever is no yes means no: what they turn off stays on."""

_SHAPES = {
    "config_settings": "KEY=VALUE",
    "config_settings_package": "NAME:KEY=VALUE",
    "exclude_newer_package": "NAME=WHEN",
    "extras": "NAME",
    "groups": "[PATH:]NAME",
    "no_binary": "NAME",
    "only_binary": "NAME",
    "reinstall_package": "NAME",
    "refresh_package": "NAME",
    "no_sources_package": "NAME",
    "no_build_isolation_package": "NAME",
}
"""What a value looks like, where more than any text is meant."""


def choices_of(option: Option) -> tuple[str, ...]:
    """Return the values that *option* allows; empty when it allows any."""
    if isinstance(option.choices, tuple):
        return option.choices
    from importlib import import_module

    module, _, attribute = option.choices.partition(":")
    return tuple(getattr(import_module(module), attribute))


def words_of(option: Option) -> tuple[str, ...]:
    """Return the values that *option* takes, as far as they stand with it; empty for any.

    Those that nobody is told of stand behind the others.
    """
    allowed = option.choices if isinstance(option.choices, tuple) else ()
    return (*allowed, *(word for name, word in _OTHER_WORDS if name == option.name)) if allowed else ()


def check_value(option: Option, text: str, place: str) -> str:
    """Return *text* if *option* can have that value.

    *place* says where it was given, for the message. Raises UsageError.
    """
    text = _OTHER_WORDS.get((option.name, text), text)
    named = place if "`" in place else f"`{place}`"
    allowed = choices_of(option)
    if allowed and not text:
        raise UsageError(
            f"a value is required for {named}, but it is empty", hint=f"possible values: {', '.join(allowed)}"
        )
    if allowed and text not in allowed and not _is_unlisted(option, text):
        raise UsageError(f"invalid value `{text}` for {named}", hint=f"possible values: {', '.join(allowed)}")
    if not text and option.kind == "value":
        raise UsageError(f"a value is required for {named}, but it is empty")
    if option.name == "allow_insecure_host" and not _has_port(text):
        raise UsageError(f"invalid value `{text}` for {named}", hint="a port is a number up to 65535")
    shape = _SHAPES.get(option.name)
    if shape is not None and not _has_shape(text, shape):
        raise UsageError(f"invalid value `{text}` for {named}", hint=f"expected `{shape}`")
    return text


def _is_unlisted(option: Option, text: str) -> bool:
    """Whether *text* is taken although the help does not list it."""
    if option.name != "python_platform":
        return False
    from pytest_envsync.platforms import UNLISTED

    return text in UNLISTED


def _has_shape(text: str, shape: str) -> bool:
    if shape == "NAME":
        return text in {":all:", ":none:"} or is_name(text)
    if shape == "[PATH:]NAME":
        return ":" in text or is_name(text)
    if shape == "KEY=VALUE":
        return "=" in text
    separator = ":" if ":" in shape else "="
    name, found, rest = text.partition(separator)
    return bool(found) and is_name(name) and (separator == "=" or rest.find("=") > 0)


def _has_port(host: str) -> bool:
    """Whether *host*, with or without a scheme, has no port, or a port that there can be."""
    _, colon, port = host.rpartition("://")[2].partition("/")[0].rpartition(":")
    return not colon or port.endswith("]") or (port.isascii() and port.isdecimal() and int(port) < 1 << 16)


def is_name(text: str) -> bool:
    """Whether *text* is a name of a project or extra (PEP 508)."""
    inner = text.replace("-", "a").replace("_", "a").replace(".", "a")
    return bool(text) and text.isascii() and inner.isalnum() and text[0].isalnum() and text[-1].isalnum()


def read_list(option: Option, text: str, place: str) -> tuple[str, ...]:
    """Return the items that one occurrence of a list option gives; an empty text gives none, but for names."""
    if _SHAPES.get(option.name) == "NAME":
        names = text.split(",") if option.kind == "commas" else [text]
        return tuple(check_value(option, item, place) for item in names)
    if option.name == "groups":
        return (check_value(option, text, place),)
    items = text.split(option.separator) if option.separator else [text]
    return tuple(check_value(option, item.strip(), place) for item in items if item.strip())


def read_boolean(text: str, place: str) -> bool:
    """Return what a variable says about a flag. Raises UsageError for what is neither yes nor no."""
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise UsageError(
        f"invalid value `{text}` for `{place}`", hint="expected true or false, yes or no, on or off, 1 or 0"
    )


def read_switch(environ: Mapping[str, str], name: str) -> bool:
    """Whether the flag ``ENVSYNC_NAME``, or else ``UV_NAME``, of *environ* is on: one that has no option.

    Raises UsageError for what is neither yes nor no.
    """
    for variable in (f"ENVSYNC_{name}", f"UV_{name}"):
        text = environ.get(variable)
        if text and name in _LOOSE_SWITCHES:
            return text.lower() in _TRUE
        if text or (text is not None and name in _NEVER_EMPTY_SWITCHES):
            return read_boolean(text, variable)
    return False


def read_variable(option: Option, text: str, place: str) -> Value | None:
    """Return the value that the environment variable *place* gives; None when it is empty and may be so.

    Lists are split at white space, or at the separator of *option*.
    """
    if option.kind in {"flag", "count"}:
        return read_boolean(text, place) is not option.negated
    if option.is_list:
        items = text.split(option.separator or None)
        return tuple(check_value(option, item.strip(), place) for item in items if item.strip()) or None
    return check_value(option, text, place) if text or option.choices or option.name in _NEVER_EMPTY else None


def from_python(option: Option, value: object, place: str) -> Value:
    """Return *value*, which comes from TOML, JSON or a keyword argument, in the form of *option*.

    One text will do for a list; tables will do for ``KEY=VALUE`` lists. Raises UsageError,
    naming *place*, for another type.
    """
    if option.kind in {"flag", "count"}:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{place}: expected true or false, found {_shown(value)}")
    if not option.is_list:
        text = "false" if value is False and option.name == "exclude_newer" else _as_text(value)
        if text is None:
            raise UsageError(f"{place}: expected a text, found {_shown(value)}")
        return check_value(option, text, place)
    items = _as_items(option, value)
    if items is None:
        raise UsageError(f"{place}: expected a list of texts, found {_shown(value)}")
    return tuple(check_value(option, item, place) for item in items)


def _as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if hasattr(value, "__fspath__"):
        return str(value.__fspath__())
    if isinstance(value, bool):
        return None
    # A version without quotes, or a date of TOML.
    return str(value) if isinstance(value, int | float) or hasattr(value, "isoformat") else None


def _as_items(option: Option, value: object) -> list[str] | None:
    if isinstance(value, dict):
        return _table_items(option, value)
    if isinstance(value, list | tuple | set | frozenset):
        texts = [_as_text(item) for item in value]
        return None if None in texts else [text for text in texts if text is not None]
    text = _as_text(value)
    return None if text is None else [text]


def _table_items(option: Option, table: Mapping[str, object]) -> list[str] | None:
    """Return ``{KEY = VALUE}`` as texts: settings of build backends, dates of projects."""
    if option.name == "config_settings_package":
        found: list[str] = []
        for name, settings in table.items():
            inner = _settings(settings) if isinstance(settings, dict) else None
            if inner is None:
                return None
            found += [f"{name}:{item}" for item in inner]
        return found
    if option.name in {"config_settings", "exclude_newer_package"}:
        return _settings(table)
    return None


def _settings(table: Mapping[str, object]) -> list[str] | None:
    found: list[str] = []
    for key, value in table.items():
        for item in value if isinstance(value, list) else [value]:
            text = {True: "true", False: "false"}[item] if isinstance(item, bool) else _as_text(item)
            if text is None:
                return None
            found.append(f"{key}={text}")
    return found


def _shown(value: object) -> str:
    return f"{value!r}" if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"
