"""Where the files of an environment came from.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.environments.filling import entry_content
from pytest_envsync.environments.generations import Record, remove_tree
from pytest_envsync.environments.rewriter import rewriter_of
from pytest_envsync.errors import StoreError
from pytest_envsync.memo import candidate_from
from pytest_envsync.snapshot import digest_of, is_bytecode, take_snapshot

if TYPE_CHECKING:
    from pytest_envsync.distributions import StoredFile
    from pytest_envsync.engine import Engine
    from pytest_envsync.environment.install import ExpectedFile
    from pytest_envsync.snapshot import Digests
    from pytest_envsync.target import Target
    from pytest_envsync.wheels.prepare import PreparedWheel


def wheels_of(record: Record, engine: Engine) -> dict[str, PreparedWheel]:
    """Return the wheels that an environment was made of. Raises StoreError when the store lacks one."""
    from pytest_envsync.wheels.prepare import PreparedWheel

    wheels = {}
    for row in record.candidates:
        candidate = candidate_from(row)
        wheel = engine.store.get(record.digests[candidate.name])
        if wheel is None:
            raise StoreError(
                f"the store no longer holds the wheel of `{candidate.name}`, which `{record.path}` was made of",
                hint="the next use makes the environment anew" if record.key else "sync it again with --reinstall",
            )
        wheels[candidate.name] = PreparedWheel(candidate, wheel, fresh=False)
    return wheels


class Origins:
    """Where the files of an environment came from; everything is found out when it is first asked for."""

    def __init__(self, record: Record, engine: Engine) -> None:
        from pytest_envsync.environment.interpreter import query

        self.record = record
        self.engine = engine
        self.base: Target = query(record.base, engine.cache_dir)
        self.target = self.base.in_virtual_environment(record.path)
        self._wheels: dict[str, PreparedWheel] | None = None
        self._expected: dict[str, ExpectedFile] | None = None
        self._link_mode: str | None = None
        self._compiled: dict[str, dict[str, StoredFile]] = {}
        self._tags: tuple[str, ...] | None = None
        self._template: str | None = None

    @property
    def wheels(self) -> dict[str, PreparedWheel]:
        """The wheels, by name. Raises StoreError when the store lacks one."""
        if self._wheels is None:
            self._wheels = wheels_of(self.record, self.engine)
        return self._wheels

    @property
    def expected(self) -> dict[str, ExpectedFile]:
        """What the wheels bring, by path relative to the environment."""
        if self._expected is None:
            from pytest_envsync.environment.install import expected_files

            self._expected = expected_files(
                self.wheels,
                target=self.target,
                store=self.engine.store,
                installer_metadata=self.record.installer_metadata,
            )
        return self._expected

    @property
    def link_mode(self) -> str:
        """The link mode that works between the store and the environment, of those it was made with."""
        if self._link_mode is None:
            from pytest_envsync.environment.link import choose_link_mode

            source = next(file.source for file in self.expected.values() if file.source is not None)
            self._link_mode = choose_link_mode(self.record.link_mode, source, self.record.path)[0]
        return self._link_mode

    def compiled(self, owner: str) -> dict[str, StoredFile]:
        """Return the bytecode that the store has for a distribution, pytest's too, by path in the wheel's tree."""
        if owner not in self._compiled:
            if self._tags is None:
                rewriter = rewriter_of(self.record, self.base.cache_tag)
                self._tags = (self.base.cache_tag, *([rewriter.tag] if rewriter is not None else []))
            found: dict[str, StoredFile] = {}
            for tag in self._tags:
                root, files = self.engine.store.bytecode(self.wheels[owner].wheel, tag)
                found |= {file.path: file._replace(path=f"{root}/{file.path}") for file in files}
            self._compiled[owner] = found
        return self._compiled[owner]

    def forget_compiled(self, owner: str) -> None:
        """Ask the store again for the bytecode of a distribution."""
        self._compiled.pop(owner, None)

    @property
    def digests(self) -> Digests:
        """The digests of what the wheels bring, and of path entries."""
        from hashlib import sha256

        digests: Digests = {}
        for path, file in self.expected.items():
            if path.startswith("../") or is_bytecode(path):
                continue
            # What a symbolic link leads to is the store's own: it is looked at there.
            if not self._is_symlink(file):
                directory, _, name = path.rpartition("/")
                digests.setdefault(directory, {})[name] = bytes.fromhex(file.sha256)
        site = os.path.relpath(self.record.site_packages, self.record.path).replace(os.sep, "/")
        for name, line in self.record.entries:
            digests.setdefault(site, {})[name] = sha256(entry_content(line)).digest()
        for directory, names in self._template_digests().items():
            digests.setdefault(directory, {}).update(names)
        return digests

    def _is_symlink(self, file: ExpectedFile) -> bool:
        """Whether *file* stands in the environment as a symbolic link; outside of the cache each may be another."""
        if file.source is None or self.record.key:
            return file.source is not None and self.record.link_mode == "symlink"
        return os.path.islink(f"{self.record.path}/{file.path}")

    def _template_digests(self) -> Digests:
        template = self.template
        digests: Digests = {}
        for directory, rows in take_snapshot(template).directories.items():
            for name, row in rows.items():
                if stat.S_ISREG(row[2]):
                    digests.setdefault(directory, {})[name] = digest_of(f"{template}/{directory}/{name}")
        return digests

    @property
    def template(self) -> str:
        """A directory that holds the virtual environment without any wheel; see ``close``."""
        if self._template is None:
            from pytest_envsync.environment.virtualenvs import create_virtualenv

            path = f"{self.engine.cache_dir}/scratch/{os.getpid()}-{os.urandom(4).hex()}"
            self._template = path
            os.makedirs(os.path.dirname(path), exist_ok=True)
            create_virtualenv(Path(path), self.base, cache_dir=self.engine.cache_dir, final_path=Path(self.record.path))
        return self._template

    def close(self) -> None:
        """Remove what was made on the way."""
        if self._template is not None:
            remove_tree(self._template)
            self._template = None
