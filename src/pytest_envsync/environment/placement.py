"""Place the files of a change set: the step of a transaction that takes the time.

Each file of the store is looked at before it is placed: with hard links an edit in an environment is one in the store.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from pytest_envsync.environment.install import check_stored, looks_stored
from pytest_envsync.environment.layout import Placed, Tree
from pytest_envsync.environment.link import link_file, placing, write_file
from pytest_envsync.errors import StoreError

Step = Callable[[str], None]
_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


def place_tree(tree: Tree, mode: str, step: Step) -> None:
    """Place and write the files of *tree*, whose directories stand, by the link mode *mode*.

    *step* is called with the path before each. Raises OSError, and StoreError for a file of the store that is missing
    or is not what was put there.
    """
    place = _link if mode == "hardlink" and os.link in os.supports_dir_fd else _place
    for directory, items in tree.items():
        placed: dict[str, Placed] = {}
        for name, item in items.items():
            if isinstance(item, Placed):
                placed[name] = item
            else:
                step(f"{directory}/{name}")
                write_file(f"{directory}/{name}", item.content, item.mode)
        if placed:
            place(directory, placed, mode, step)


def check_there(source: str) -> None:
    """Raise StoreError for a file that the store has no more."""
    if not os.path.lexists(source):
        raise StoreError(
            f"`{source}` is missing from the store", hint="`envsync cache verify --repair` mends the store"
        )


def _place(directory: str, items: Mapping[str, Placed], mode: str, step: Step) -> None:
    place = placing(mode)
    source = ""
    try:
        for name, (source, file, _) in items.items():
            path = f"{directory}/{name}"
            step(path)
            if not looks_stored(os.lstat(source), file):
                check_stored(source, file)
            place(source, path, file.mode, file.mtime_ns)
    except FileNotFoundError:
        check_there(source)
        raise


def _link(directory: str, items: Mapping[str, Placed], _mode: str, step: Step) -> None:
    """Do as ``_place`` does with names that are looked up from open directories: one name to walk instead of ten."""
    into = os.open(directory, _DIRECTORY)
    opened, folder = "", -1
    source = ""
    try:
        for name, (source, file, _) in items.items():
            path = f"{directory}/{name}"
            step(path)
            here, _, own = source.rpartition("/")
            if here != opened:
                # What one distribution brings to a directory comes from one directory.
                if folder >= 0:
                    os.close(folder)
                    folder = -1
                folder, opened = os.open(here, _DIRECTORY), here
            if not looks_stored(os.stat(own, dir_fd=folder, follow_symlinks=False), file):
                check_stored(source, file)
            try:
                os.link(own, name, src_dir_fd=folder, dst_dir_fd=into)
            except FileNotFoundError:
                raise
            except OSError:
                link_file(source, path, file.mode, file.mtime_ns)
    except FileNotFoundError:
        check_there(source)
        raise
    finally:
        os.close(into)
        if folder >= 0:
            os.close(folder)
