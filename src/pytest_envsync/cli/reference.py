"""The page of the docs that lists every setting: ``python -m pytest_envsync.cli.reference``.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys

from pytest_envsync.options.table import SECTIONS
from pytest_envsync.options.values import choices_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_envsync.options.option import Option

_HEAD = """\
# Settings

Made from the table of options by `python -m pytest_envsync.cli.reference`; do not edit.

The first place that gives a setting counts: the command line, the `ENVSYNC_` variable, pytest's ini file,
`[tool.envsync]` of the nearest `pyproject.toml` (the key), the `UV_` variable, `uv.toml` and `[tool.uv]`, pip's
configuration. Lists of configuration files are added behind the others. Sessions and `envsync run` do not take what is
marked *place* from uv.

`sync` takes all of them, `run` and `env path` those that are not marked *sync*, every command those that are marked
*global*.
"""


def reference_page() -> str:
    """Return the page, in Markdown."""
    lines = [_HEAD]
    for heading, section in SECTIONS:
        shown = [option for option in section if option.help]
        if not shown:
            continue
        lines += [f"## {heading}", "", "| Option | Key | Variables | Meaning |", "|---|---|---|---|"]
        lines += [_row(option) for option in shown]
        lines.append("")
    return "\n".join(lines)


def _row(option: Option) -> str:
    flags = option.inverse[:1] if option.negated else option.flags
    spelled = ", ".join(f"`{flag}`" for flag in flags)
    if option.metavar:
        spelled += f" {option.metavar}"
    others = [*option.aliases, *(option.flags if option.negated else option.inverse)]
    if others:
        spelled += f" (also {', '.join(f'`{flag}`' for flag in others)})"
    names = [f"`ENVSYNC_{option.variable}`"] if option.variable else []
    names += [f"`UV_{option.variable}`"] if option.uv else []
    choices = choices_of(option)
    meaning = option.help + (f": {', '.join(f'`{choice}`' for choice in choices)}" if choices else "")
    marks = [mark for mark, holds in (("place", not option.session), (option.scope, option.scope != "set")) if holds]
    meaning += f" (*{', '.join(marks)}*)" if marks else ""
    if option.ini:
        names.append(f"ini `{option.ini}`")
    key = flags[0].removeprefix("--") if option.negated else option.key
    cells = (spelled, f"`{key}`" if key else "", ", ".join(names), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(reference_page())
