"""The dependency groups of a ``pyproject.toml`` (PEP 735), with what uv's own tables say of them.

Pure. ``[tool.uv] dev-dependencies`` belong to the group ``dev``, and ``[tool.uv.dependency-groups]`` may give a group
a ``requires-python`` of its own: for another Python its requirements are not asked for.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_envsync.errors import InputError
from pytest_envsync.inputs.project_form import check_name, check_python
from pytest_envsync.inputs.requirement_line import parse_requirement
from pytest_envsync.inputs.toml_table import line_of
from pytest_envsync.requirements import Origin, normalize_name
from pytest_envsync.versions import python_meets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_envsync.inputs.toml_table import Table

DEVELOPMENT = "dev"


class Groups:
    """The groups of the file whose TOML is *root* and whose text is *text*; *shown* is how the user named it.

    *expand* fills in variables. Raises InputError when any group is malformed, also one that nobody asks for.
    """

    def __init__(self, root: Table, *, shown: str, text: str, expand: Callable[[str], str]) -> None:
        self._shown = shown
        self._text = text
        groups, tool = root.table("dependency-groups"), root.table("tool")
        uv = None if tool is None else tool.table("uv")
        self._known: Mapping[str, Any] = {} if groups is None else groups.values
        development = None if uv is None else uv.texts("dev-dependencies")
        self._development = development
        stated = [item for items in self._known.values() if isinstance(items, list) for item in items]
        for item in (*stated, *(development or ())):
            if isinstance(item, str):
                parse_requirement(item, base=None, expand=expand, origin=Origin(shown, line_of(text, item)))
        self._names = {normalize_name(name): name for name in self._known}
        self._pythons: dict[str, str] = {}
        for name in self._known:
            check_name(root, name, "dependency-groups")
        self._check_all()
        rules = None if uv is None else uv.table("dependency-groups")
        if rules is not None:
            self._read_rules(rules)

    def _read_rules(self, rules: Table) -> None:
        for name in rules.values:
            rule = rules.table(name)
            if normalize_name(name) not in self._names:
                raise rules.error(f"there is no group `{name}` in [dependency-groups]")
            required = None if rule is None else check_python(rule)
            if required is not None:
                self._pythons[normalize_name(name)] = required

    def knows(self, name: str) -> bool:
        """Whether there is a group *name*."""
        normal = normalize_name(name)
        return normal in self._names or (normal == DEVELOPMENT and self._development is not None)

    def requirements(self, name: str, python: str | None = None) -> list[str]:
        """Return the requirements of a group that is there, with those of the groups it includes.

        Groups that *python*, a full version, is not right for bring none.
        """
        normal = normalize_name(name)
        found = list(self._expanded(normal, python)) if normal in self._names else []
        return [*found, *((self._development or ()) if normal == DEVELOPMENT else ())]

    def _expanded(self, normal: str, python: str | None) -> Iterator[str]:
        required = self._pythons.get(normal)
        if python is not None and required is not None and not python_meets(required, python):
            return
        for item in self._known[self._names[normal]]:
            if isinstance(item, str):
                yield item
            else:
                yield from self._expanded(normalize_name(item["include-group"]), python)

    def _check_all(self) -> None:
        from packaging.dependency_groups import DependencyGroupResolver

        try:
            for name in self._known:
                DependencyGroupResolver(self._known).resolve(name)
        except Exception as error:
            # The library wraps what is wrong in a group of exceptions, one of its own before Python 3.11.
            reasons = _reasons(error)
            if reasons is None:
                raise
            raise InputError(
                f"malformed dependency groups: {'; '.join(reasons)}",
                origin=Origin(self._shown, line_of(self._text, "[dependency-groups]")),
            ) from error


def _reasons(error: BaseException) -> list[str] | None:
    """Return what the library says about groups, or None for an error that is not about them."""
    inner = getattr(error, "exceptions", None)
    if inner is None:
        if isinstance(error, (ValueError, TypeError, LookupError, RecursionError)):
            return [str(error).splitlines()[0] if str(error) else type(error).__name__]
        return None
    found: list[str] = []
    for one in inner:
        reasons = _reasons(one)
        if reasons is None:
            return None
        found += reasons
    return found
