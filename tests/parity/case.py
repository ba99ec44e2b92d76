"""A case of the comparison: what is asked of both tools, and what has to come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Text = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of ``sync``.

    *files* are written and *gone* are removed before it; *status* is how it has to end, for both tools
    unless *reference* says how the reference ends. *says* has to stand in what we print.
    """

    args: str = "r.txt"
    files: Mapping[str, Text] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    status: int = 0
    reference: int | None = None
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Runs of both tools in twin directories, which have to end alike.

    The environment is made at *place*; *venv* is its kind: ``plain``, ``uv`` (made by the reference without
    seeds), ``system`` (an interpreter that is no virtual environment) or ``none``. *installed* wheels of the
    shelf are put into it as pip would, then *files* are written. With *index* the shelf's index is the default
    one.

    *differs* is the reason why we differ on purpose (DESIGN §4.4): then the outcomes have to differ.
    """

    name: str
    steps: tuple[Step, ...]
    files: Mapping[str, Text] = field(default_factory=dict)
    installed: tuple[str, ...] = ()
    venv: str = "plain"
    place: str = ".venv"
    environ: Mapping[str, str] = field(default_factory=dict)
    index: bool = True
    differs: str = ""


def case(
    name: str,
    lines: Text | None = None,
    args: str = "r.txt",
    *,
    files: Mapping[str, Text] | None = None,
    installed: str = "",
    venv: str = "plain",
    place: str = ".venv",
    environ: Mapping[str, str] | None = None,
    stdin: str = "",
    status: int = 0,
    reference: int | None = None,
    says: str = "",
    then: tuple[Step, ...] = (),
    index: bool = True,
    differs: str = "",
) -> Case:
    """Return a case whose first run is ``sync ARGS``, with *lines* in ``r.txt``."""
    first = Step(args=args, status=status, reference=reference, says=says, stdin=stdin)
    written: dict[str, Text] = {} if lines is None else {"r.txt": lines}
    return Case(
        name=name,
        steps=(first, *then),
        files={**written, **(files or {})},
        installed=tuple(installed.split()),
        venv=venv,
        place=place,
        environ=environ or {},
        index=index,
        differs=differs,
    )
