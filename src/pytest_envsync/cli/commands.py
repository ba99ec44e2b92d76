"""The commands: what each is called, takes and does.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.errors import UsageError
from pytest_envsync.options.option import Option
from pytest_envsync.options.table import BY_NAME, OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_envsync.options.option import Scope


class Command:
    """One command.

    *name*: one word or two, as typed. *files*: how help calls what is no option, empty for a command that takes
    none; *minimum* and *maximum* say how many. *takes_rest*: a command line may follow ``--``.
    *scopes*: which settings it takes; *own*: options of its own. *handler*: ``module:function`` in this folder.
    *session*: its settings are those of a session, which takes no place from uv. *is_hidden*: for machines.
    """

    __slots__ = (
        "description", "files", "handler", "is_hidden", "maximum", "minimum", "name", "own", "scopes", "session",
        "summary", "takes_rest",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        handler: str,
        summary: str,
        *,
        description: str = "",
        files: str = "",
        minimum: int = 0,
        maximum: int | None = None,
        takes_rest: bool = False,
        scopes: tuple[Scope, ...] = ("global",),
        own: tuple[Option, ...] = (),
        session: bool = True,
        is_hidden: bool = False,
    ) -> None:
        self.name = name
        self.handler = handler
        self.summary = summary
        self.description = description
        self.files = files
        self.minimum = minimum
        self.maximum = maximum if maximum is not None or files else 0
        self.takes_rest = takes_rest
        self.scopes = scopes
        self.own = own
        self.session = session
        self.is_hidden = is_hidden

    @property
    def options(self) -> tuple[Option, ...]:
        """Every option that it takes, its own first."""
        return (*self.own, *(option for option in OPTIONS if option.scope in self.scopes and option not in self.own))

    @property
    def usage(self) -> str:
        """Return its line of usage."""
        words = ["envsync", self.name, "[OPTIONS]", self.files]
        if self.takes_rest:
            words.append("-- COMMAND...")
        return " ".join(word for word in words if word)

    def check_files(self, files: list[str]) -> None:
        """Raise UsageError for too few or too many of what is no option."""
        if len(files) < self.minimum:
            raise UsageError(f"`{self.files}` is missing", hint=f"usage: {self.usage}")
        if self.maximum is not None and len(files) > self.maximum:
            raise UsageError(f"unexpected argument `{files[self.maximum]}`", hint=f"usage: {self.usage}")


def _flag(name: str, flags: str, text: str) -> Option:
    return Option(name, flags, text, configurable=False)


def _value(name: str, flags: str, metavar: str, text: str) -> Option:
    return Option(name, flags, text, kind="value", metavar=metavar, configurable=False)


_RECREATE = _flag("recreate", "--recreate", "Make the environment anew")
_INSTALL_PROJECT = _value(
    "install_project", "--install-project", "PATH", "Add the project at this path, after the files (`auto`: here)"
)
_NO_OVERLAY = _flag("no_overlay", "--no-overlay", "Without what a pytest session adds behind the files' distributions")
_OLDER_THAN = _value("older_than", "--older-than", "AGE", "Only what was not used for so long, such as 30d or 12h")

COMMANDS = (
    Command(
        "sync",
        "sync:run",
        "Make an environment match requirements files or a pylock.toml exactly",
        description=(
            "Install what the files say and remove what they do not. A drop-in for `uv pip sync`; an error leaves the "
            "environment as it was."
        ),
        files="FILE...",
        minimum=1,
        scopes=("set", "sync", "global"),
        session=False,
    ),
    Command(
        "run",
        "run:run",
        "Run a command in the cached environment of the files",
        description=(
            "The exit status is the command's. With --pytest what follows `--` are pytest's arguments, and the session "
            "is the one that `pytest --envsync FILE` would be."
        ),
        files="FILE...",
        minimum=1,
        takes_rest=True,
        scopes=("set", "global"),
        own=(
            _flag("pytest", "--pytest", "Run pytest, as a session in the environment"),
            _INSTALL_PROJECT,
            _RECREATE,
            _NO_OVERLAY,
        ),
    ),
    Command("env list", "env:list_environments", "List the cached environments"),
    Command(
        "env path",
        "env:path",
        "Print the path of a cached environment",
        files="KEY|FILE...",
        minimum=1,
        scopes=("set", "global"),
        own=(
            _flag("create", "--create", "Make the environment that a session on the files uses, if it is missing"),
            _INSTALL_PROJECT,
            _NO_OVERLAY,
        ),
    ),
    Command(
        "env diff",
        "env:diff",
        "Show what differs from what was made; exit status 1 if anything does",
        files="KEY|PATH",
        minimum=1,
        maximum=1,
        own=(_flag("verify_files", "--verify-files", "Read every byte instead of trusting sizes and times"),),
    ),
    Command(
        "env restore",
        "env:restore",
        "Undo what differs from what was made",
        files="KEY|PATH",
        minimum=1,
        maximum=1,
        own=(_flag("verify_files", "--verify-files", "Read every byte instead of trusting sizes and times"),),
    ),
    Command("env remove", "env:remove", "Remove cached environments", files="KEY...", minimum=1),
    Command(
        "env prune",
        "env:prune",
        "Remove environments that were not used for 14 days",
        own=(
            _OLDER_THAN,
            _value("max_size", "--max-size", "SIZE", "Then the longest unused until all fit into SIZE, such as 5GB"),
        ),
    ),
    Command("cache dir", "cache:directory", "Print the directory of the cache"),
    Command("cache size", "cache:size_of_cache", "Print how large the cache is"),
    Command(
        "cache verify",
        "cache:verify",
        "Check the wheel store; exit status 1 if damage remains",
        own=(
            _flag("deep", "--deep", "Read every byte instead of trusting sizes and times"),
            _flag("repair", "--repair", "Mend what is damaged, from the wheel or the index"),
        ),
    ),
    Command(
        "cache prune",
        "cache:prune",
        "Remove wheels that no environment uses",
        own=(
            _flag("ci", "--ci", "Keep built wheels, those of cached environments, and index pages; remove all others"),
            _OLDER_THAN,
        ),
    ),
    Command("cache clean", "cache:clean", "Remove the wheel store and the index cache; environments stay"),
    # What the pytest side calls, with a request as JSON on standard input.
    Command("env provision", "engine_calls:provision", "", is_hidden=True),
    Command("env give-back", "engine_calls:give_back", "", files="LEASE", minimum=1, maximum=1, is_hidden=True),
    Command("env apply", "engine_calls:apply", "", is_hidden=True),
    Command("env undo", "engine_calls:undo", "", is_hidden=True),
)

BY_WORDS = {command.name: command for command in COMMANDS}
GLOBAL = tuple(option for option in OPTIONS if option.scope == "global")

FAMILIES = {"env": "Look after the cached environments", "cache": "Look after the wheel store and the index cache"}
"""First words that take a second one."""

OUTPUT_FORMAT = BY_NAME["output_format"]


def find_command(words: list[str]) -> tuple[Command, list[str]]:
    """Return the command that *words* begin with, and the words behind it. Raises UsageError."""
    first = words[0]
    if first in FAMILIES:
        second = words[1] if len(words) > 1 else ""
        command = BY_WORDS.get(f"{first} {second}")
        if command is not None:
            return command, words[2:]
        raise _unknown(f"{first} {second}".strip(), first)
    command = BY_WORDS.get(first)
    if command is None:
        raise _unknown(first)
    return command, words[1:]


def _unknown(typed: str, family: str = "") -> UsageError:
    from difflib import get_close_matches

    shown = [name for name, command in BY_WORDS.items() if not command.is_hidden]
    near = get_close_matches(typed, shown, n=1)
    if typed == family:
        verbs = ", ".join(name.removeprefix(f"{family} ") for name in shown if name.startswith(f"{family} "))
        return UsageError(f"`envsync {family}` needs one of: {verbs}", hint=f"`envsync {family} --help` says more")
    hint = f"did you mean `envsync {near[0]}`?" if near else "`envsync --help` lists the commands"
    return UsageError(f"unknown command `{typed}`", hint=hint)
