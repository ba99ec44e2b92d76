"""Make what a worker says of a warning readable where the warning's class does not exist.

A worker names the class, and the controller imports it. The controller of a matrix runs in another environment, which
may lack the module, or have a version of it without the class: a class of the same name stands in for it then.

Runs inside session environments: standard library only.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_STAND_INS: dict[str, type[Warning]] = {}


def __getattr__(name: str) -> type[Warning]:
    """Return the class that stands in for what *name*, a module and a class in it, is elsewhere."""
    try:
        return _STAND_INS[name]
    except KeyError:
        raise AttributeError(name) from None


def with_readable(take: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return *take*, which takes the events of a worker, for warnings of any environment."""

    def process(event: Any) -> None:
        if isinstance(event, tuple) and event[0] == "warning_recorded":
            event[1]["warning_message_data"] = made_readable(event[1]["warning_message_data"])
        take(event)

    return process


def made_readable(data: dict[str, Any]) -> dict[str, Any]:
    """Return *data*, a warning as pytest-xdist sends it, with no class in it that cannot be had here.

    The text, the name of the class, the file and the line stay.
    """
    readable = dict(data)
    message = _named(readable, "message_module", "message_class_name")
    _named(readable, "category_module", "category_class_name")
    if message is None:
        return readable
    if readable["message_module"] == __name__:
        readable["message_args"] = (data["message_str"],)  # the lost class may have made its text of something else
    elif readable["message_args"] is not None and not _takes(message, readable["message_args"]):
        readable["message_args"] = None
    return readable


def _named(data: dict[str, Any], module: str, name: str) -> type[Warning] | None:
    """Return the class that *data* names, or what stands in for it, which *data* names from then on."""
    if not data[module]:
        return None
    full = f"{data[module]}.{data[name]}"
    found = None if full in _STAND_INS else _found(data[module], data[name])
    if found is None:
        found = _STAND_INS.setdefault(full, type(data[name], (Warning,), {"__module__": data[module]}))
        data[module], data[name] = __name__, full
    return found


def _found(module: str, name: str) -> type[Warning] | None:
    try:
        found = getattr(importlib.import_module(module), name)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a module may end its import with anything: pytest.skip, sys.exit
        return None
    return found if isinstance(found, type) and issubclass(found, Warning) else None


def _takes(kind: type[Warning], args: tuple[Any, ...]) -> bool:
    """Whether another version of the class can be made of *args*, and has a text then."""
    try:
        str(kind(*args))
    except Exception:  # noqa: BLE001 - code of any package
        return False
    return True
