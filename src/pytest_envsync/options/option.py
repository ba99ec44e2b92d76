"""What one setting is: its spellings, its kind, and where else it may be said.

A plain class on purpose: a sync with nothing to do cannot afford ``dataclasses`` or ``typing``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["flag", "value", "list", "commas", "count"]
    Scope = Literal["set", "sync", "global"]
    Value = bool | int | str | tuple[str, ...]


class Option:
    """One setting.

    *name*: the field of ``SyncOptions``, where it is one. *flags*: the spellings that help shows;
    *aliases*: the others; *inverse*: those that mean the opposite. *kind*: a ``flag``; one
    ``value``; a ``list`` (repeatable); ``commas`` (repeatable, and split at commas); a ``count``.

    *variable* is read as ``ENVSYNC_<variable>`` and, if *uv*, as ``UV_<variable>`` (which takes that it was
    named: one that derives from the key is ours alone; empty: none); *separator* splits it ("" for
    white space), and if it is given a value of the command line too. *negated*: help shows the inverse, and the
    variable means it.
    *ini* is the name in pytest's ini file, *key* the one in ``[tool.envsync]`` (None: not configurable).

    *relative*: ``path`` or ``address`` when a relative value in a file is relative to that file.
    *choices*: the values allowed, or ``module:attribute`` where they stand. *scope*: ``set`` for what
    decides which distributions there are, ``sync`` for the command of that name, ``global`` for all.
    *session*: whether sessions and ``run`` take it from the variables and files of uv.
    *excludes*: the names of options that it cannot be combined with. *ignored*: accepted, no effect.
    """

    __slots__ = (
        "aliases", "choices", "excludes", "flags", "heading", "help", "ignored", "ini", "inverse", "key", "kind",
        "metavar", "name", "negated", "relative", "scope", "separator", "session", "uv", "variable",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        flags: str,
        help: str = "",  # noqa: A002 - argparse's word for it
        *,
        kind: Kind = "flag",
        metavar: str = "",
        aliases: str = "",
        inverse: str = "",
        variable: str = "",
        uv: bool = True,
        separator: str = "",
        negated: bool = False,
        ini: str = "",
        configurable: bool = True,
        relative: Literal["", "path", "address"] = "",
        choices: tuple[str, ...] | str = (),
        scope: Scope = "set",
        session: bool = True,
        excludes: tuple[str, ...] = (),
        ignored: bool = False,
    ) -> None:
        self.name = name
        self.flags = tuple(flags.split())
        self.help = help
        self.kind = kind
        self.metavar = metavar
        self.aliases = tuple(aliases.split())
        self.inverse = tuple(inverse.split())
        self.key: str | None = (self.long or name).removeprefix("--").replace("_", "-") if configurable else None
        self.variable = variable or (self.key or "").upper().replace("-", "_")
        self.uv = uv and bool(variable)
        self.separator = separator
        self.negated = negated
        self.ini = ini
        self.relative = relative
        self.choices = choices
        self.scope = scope
        self.session = session
        self.excludes = excludes
        self.ignored = ignored
        self.heading = ""

    def __repr__(self) -> str:
        """Show the name."""
        return f"Option({self.name!r})"

    @property
    def long(self) -> str:
        """The first long spelling, with its dashes; empty for a setting of files only."""
        return next((flag for flag in self.flags if flag.startswith("--")), "")

    @property
    def shown(self) -> str:
        """The spelling for messages and help."""
        return self.inverse[0] if self.negated else self.long or self.name

    @property
    def is_list(self) -> bool:
        """Whether its value is a tuple."""
        return self.kind in {"list", "commas"}
