"""Mend files of the store, in the store and in every environment that holds the damage.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_envsync.environments.held_damage import mend_holders
from pytest_envsync.errors import DamagedStoreError, EnvsyncError, StoreError

if TYPE_CHECKING:
    from pytest_envsync.engine import Engine
    from pytest_envsync.wheels.prepare import PreparedWheel


def mend_store(prepared: PreparedWheel, sources: Mapping[str, str], *, engine: Engine) -> list[str]:
    """Mend those of *sources* (path in the wheel to place in the store) that are damaged; return them.

    Every byte is read. Each cached environment that holds the damage gets the mended file in its place.
    Raises DamagedStoreError when the place it came from does not give the wheel again; the store has it no more then,
    so that nothing is made of it, and whoever needs it asks anew where to have it.
    """
    store, wheel = engine.store, prepared.wheel
    damages = store.check(wheel, deep=True, paths=sources)
    if not damages:
        return []
    try:
        with store.hold():
            store.repair(wheel, damages, fetch=_fetcher(engine))
    except EnvsyncError as error:
        store.remove(wheel.sha256)
        # The store's own errors say this already.
        said = "" if isinstance(error, StoreError) else f"the store's files of `{wheel.filename}` are damaged: "
        raise DamagedStoreError(
            f"{said}{error}", hint="they were removed from the store; sync again to have them from where the lock says"
        ) from error
    mend_holders({wheel.sha256}, engine=engine)
    return [f"{wheel.filename}: {damage.path}" for damage in damages]


def mend_wheels(wheels: Mapping[str, PreparedWheel], *, engine: Engine) -> list[str]:
    """Mend what is damaged by its size, time or mode in the store's files of *wheels*; return those files.

    Bytecode is dropped: it can be made again. Raises as ``mend_store`` does.
    """
    store = engine.store
    mended = []
    for prepared in wheels.values():
        wheel = prepared.wheel
        damages = store.check(wheel)
        compiled = [damage for damage in damages if damage.is_bytecode]
        if compiled:
            store.repair(wheel, compiled)
            mended += [f"{wheel.filename}: {damage.path}" for damage in compiled]
        sources = {damage.path: f"{wheel.tree}/{damage.path}" for damage in damages if not damage.is_bytecode}
        if sources:
            mended += mend_store(prepared, sources, engine=engine)
    return mended


def _fetcher(engine: Engine) -> Callable[[str, Path], object]:
    def fetch(url: str, destination: Path) -> object:
        return engine.client.download(url, destination, algorithms=["sha256"], size=None, on_bytes=lambda _: None)

    return fetch
