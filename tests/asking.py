"""Ask the inputs as the engine does: real files, a target made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_envsync.errors import InputError
from pytest_envsync.inputs.sources import read_requirements
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import Requirements, SpecifiedRequirement
from pytest_envsync.target import Target

MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1",
    "platform_system": "Linux",
    "platform_version": "#1 SMP",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def target(version: str = "3.11.7", **markers: str) -> Target:
    """CPython 3.11 on Linux; *version* is the interpreter's, *markers* are what another target has."""
    return Target(
        python="/env/bin/python",
        version=version,
        implementation="cpython",
        cache_tag="cpython-311",
        markers={**MARKERS, **markers},
        tags=("cp311-cp311-manylinux_2_28_x86_64", "py3-none-any"),
        paths={},
        prefix="/env",
        base_python="/usr/bin/python3.11",
        base_prefix="/usr",
        is_virtual=True,
        fingerprint="0" * 16,
    )


def ask(
    cwd: Path,
    *files: str,
    environ: Mapping[str, str] | None = None,
    served: Mapping[str, bytes] | None = None,
    on: Target | None = None,
    **options: Any,
) -> Requirements:
    """Read *files* from *cwd*; addresses and ``-`` come from *served*."""

    def read(location: str) -> bytes:
        if served is not None and location in served:
            return served[location]
        return Path(location).read_bytes()

    return read_requirements(
        files, options=SyncOptions(**options), target=on or target(), read=read, cwd=str(cwd), environ=environ or {}
    )


def write(directory: Path, name: str, content: str | bytes) -> Path:
    """Write a file below *directory*, and its folders."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(directory: Path, content: str | bytes, **options: Any) -> Requirements:
    """Read *content* as the requirements file ``r.txt``."""
    write(directory, "r.txt", content)
    return ask(directory, "r.txt", **options)


def one(directory: Path, content: str) -> SpecifiedRequirement:
    """Read the one requirement of *content*."""
    requirements = lines(directory, content)
    assert len(requirements.entries) == 1
    return requirements.entries[0]


def texts(requirements: Requirements) -> list[str]:
    """The requirements as they were written."""
    return [entry.text for entry in requirements.entries]


def refusal(directory: Path, content: str | bytes, **options: Any) -> InputError:
    """The error that *content* is refused with."""
    import pytest  # here, so that a test of lazy imports may use this module without it

    with pytest.raises(InputError) as caught:
        lines(directory, content, **options)
    return caught.value
