"""The house keeps its floors, its lazy imports and its sizes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_envsync

PACKAGE = "pytest_envsync"
ROOT = Path(next(iter(pytest_envsync.__path__)))

FLOORS: dict[str, int] = {
    "inputs": 1,
    "lockfiles": 1,
    "wheels.index.simple": 1,
    "wheels.index.anchors": 1,
    "wheels.index.indexes": 1,
    "wheels.choice": 1,
    "plan": 1,
    "diff": 1,
    "snapshot": 1,
    "sealed": 1,
    "comparison": 1,
    "leases": 1,
    "synced_env": 1,
    "wheels": 2,
    "environment": 2,
    "wheels.prepare": 3,
    "wheels.finder": 3,
    "engine": 4,
    "memo": 4,
    "resolve": 4,
    "sources": 4,
    "asked_extras": 4,
    "build_additions": 4,
    "build_constraints": 4,
    "input_files": 4,
    "sync": 4,
    "synced": 4,
    "build_requirements": 4,
    "build_environments": 4,
    "settings": 4,
    "settings.index_tables": 0,
    "settings.build_tables": 0,
    "environments": 4,
    "report": 5,
    "cli": 5,
    "pytest_plugin": 5,
    "__main__": 5,
    "remembered": 5,
    "rerun": 5,
    "standing": 4,
    "": 5,
}
"""Module, or folder, to floor; the longest prefix counts; what is not listed is floor 0: values and words."""

PASSIVE_LIBRARIES = {"pytest", "_pytest", "pluggy", "xdist", "execnet"}


def modules() -> dict[str, Path]:
    """Every module of the package, by its name below the package."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def floor_of(module: str) -> int:
    """The floor that the longest listed prefix gives."""
    name = module
    while name:
        if name in FLOORS:
            return FLOORS[name]
        name = name.rpartition(".")[0]
    return FLOORS[""] if not module else 0


def imports_of(module: str, path: Path) -> Iterator[tuple[str, bool]]:
    """Names of our own modules that *path* imports, those inside functions too.

    The flag says whether the import is for type checkers only.
    """
    known = modules()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            typing_only.update(inner for statement in node.body for inner in ast.walk(statement))
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            source = node.module or ""
            for alias in node.names:
                inner = f"{source}.{alias.name}".removeprefix(f"{PACKAGE}.")
                names.append(f"{PACKAGE}.{inner}" if source.startswith(PACKAGE) and inner in known else source)
        for name in names:
            if name == PACKAGE or name.startswith(f"{PACKAGE}."):
                yield name.removeprefix(PACKAGE).removeprefix("."), node in typing_only


def test_every_listed_floor_has_a_room() -> None:
    rooms = set(modules())
    assert [name for name in FLOORS if name not in rooms] == []


def test_no_module_imports_from_a_higher_floor() -> None:
    upwards = [
        f"{module} (floor {floor_of(module)}) imports {name} (floor {floor_of(name)})"
        for module, path in modules().items()
        for name, _ in imports_of(module, path)
        if floor_of(name) > floor_of(module)
    ]
    assert upwards == []


def test_imports_form_no_cycle() -> None:
    graph = {
        module: {name for name, typing_only in imports_of(module, path) if not typing_only and name != module}
        for module, path in modules().items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in done:
            return
        for name in sorted(graph.get(module, ())):
            visit(name, (*trail, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_only_the_plugin_imports_pytest_and_only_one_module_each_foreign_engine() -> None:
    allowed = {
        "pytest": "pytest_plugin",
        "_pytest": "pytest_plugin",
        "pluggy": "pytest_plugin",
        "xdist": "pytest_plugin.matrix.xdist",
        "execnet": "pytest_plugin.matrix.xdist",
        "httpx": "wheels.index.client",
    }
    strangers = []
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                room = allowed.get(name.partition(".")[0])
                if room is not None and not (module == room or module.startswith(f"{room}.")):
                    strangers.append(f"{module} imports {name}")
    assert strangers == []


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import pytest_envsync", ["pytest_envsync.sync", "dataclasses", "typing", "re", "pytest"]),
        (
            "import pytest_envsync.sync",
            ["httpx", "packaging", "ssl", "asyncio", "subprocess", "zipfile", "tarfile", "tomli", "virtualenv", "rich"],
        ),
        (
            "import pytest_envsync.environments",
            ["httpx", "packaging", "ssl", "asyncio", "zipfile", "tarfile", "tomli", "virtualenv", "filelock", "rich"],
        ),
        ("import pytest_envsync.cli", ["httpx", "packaging", "ssl", "asyncio", "zipfile", "virtualenv", "rich"]),
        ("import pytest_envsync.diff", ["pytest_envsync.errors", "subprocess", "asyncio", "packaging"]),
        (
            "import pytest, pytest_envsync.pytest_plugin.hooks",
            ["pytest_envsync.sync", "pytest_envsync.environments", "pytest_envsync.options", "httpx", "xdist"],
        ),
    ],
)  # fmt: skip
def test_importing_a_room_loads_nothing_heavy(statement: str, absent: list[str]) -> None:
    code = f"{statement}\nimport sys\nprint(*[name for name in {absent!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


def test_what_runs_inside_a_session_needs_the_standard_library_and_pytest_only() -> None:
    from pytest_envsync.pytest_plugin.overlay.making import PASSIVE_MODULES

    strangers = []
    for module in PASSIVE_MODULES:
        path = modules()[module]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            strangers += [
                f"{module} imports {name}"
                for name in names
                if (top := name.partition(".")[0]) != PACKAGE
                and top not in sys.stdlib_module_names
                and top not in PASSIVE_LIBRARIES
            ]
    assert strangers == []


def test_engine_modules_opt_out_of_assertion_rewriting() -> None:
    missing = [
        module
        for module, path in modules().items()
        if "PYTEST_DONT_REWRITE" not in (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    ]
    assert missing == []


def test_files_and_functions_keep_their_size() -> None:
    long = []
    for module, path in modules().items():
        text = path.read_text(encoding="utf-8")
        if (lines := text.count("\n")) > 400:
            long.append(f"{module}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 60:
                    long.append(f"{module}.{node.name}: {length} lines")
    assert long == []
