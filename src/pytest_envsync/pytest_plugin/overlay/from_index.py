"""What an overlay takes from the index: for interpreters that the host's own files do not serve.

What the lock holds is there, in its version, and is asked of no index.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.build_environments import IsolatedEnvironments
from pytest_envsync.engine import Engine
from pytest_envsync.errors import EnvsyncError
from pytest_envsync.pytest_plugin.overlay.host_distributions import is_startup_code
from pytest_envsync.values import replace

if TYPE_CHECKING:
    from pytest_envsync.narration import Reporter
    from pytest_envsync.settings.merge import Settings
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.prepare import PreparedWheel
    from pytest_envsync.wheels.store.store import Store


class Stored:
    """A distribution of the store that an overlay takes."""

    __slots__ = ("_files", "fingerprint", "name", "version")

    def __init__(self, prepared: PreparedWheel, store: Store) -> None:
        wheel = prepared.wheel
        self.name = prepared.candidate.name
        self.version = wheel.version
        self.fingerprint = wheel.sha256
        self._files = [(file.path, Path(wheel.tree, file.path)) for file in store.files(wheel)]

    def files(self, cache_tag: str) -> Iterator[tuple[str, Path]]:  # noqa: ARG002 - wheels bring no bytecode
        """Yield its files below site-packages."""
        for path, source in self._files:
            top = path.partition("/")[0]
            if not top.endswith(".data") and (not path.endswith(".pth") or is_startup_code(source)):
                yield path, source


class Synced:
    """Brings distributions from the index. *settings* are those of the session's environment."""

    def __init__(self, settings: Settings, *, cache_dir: Path, cwd: str, reporter: Reporter) -> None:
        self.settings = settings
        self.cache_dir = cache_dir
        self.cwd = cwd
        self.reporter = reporter

    def __call__(self, wanted: Sequence[str], *, locked: Mapping[str, str], target: Target) -> list[Stored]:
        """Return *wanted*, PEP 508 texts, with what they require and *locked* lacks; sorted by name.

        Raises EnvsyncError when the lock excludes it.
        """
        # What narrows builds has no say in what a session is held by; the lock has.
        options = replace(self.settings.options, build_constraints=(), require_build_hashes=False)
        engine = Engine(
            cache_dir=self.cache_dir,
            options=options,
            cwd=self.cwd,
            environ=self.settings.environ,
            reporter=self.reporter,
        )
        with engine:
            try:
                wheels = IsolatedEnvironments(engine, base=target, options=options).wheels(wanted, beside=locked)
            except EnvsyncError as error:
                raise EnvsyncError(
                    f"no {wanted[0]} for Python {target.version} fits the lock: {error}",
                    hint="add pytest to the lock, in a version that fits it, or run with --no-envsync",
                    exit_status=1,
                ) from error
            return [Stored(prepared, engine.store) for prepared in wheels.values()]
