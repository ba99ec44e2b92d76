"""Wheels and sdists, built in code from a mapping of files."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

Content = str | bytes
DATE = (2020, 2, 2, 2, 2, 2)


def sha256(path: Path) -> str:
    """The hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


def record_line(path: str, content: bytes) -> str:
    """A RECORD row as build backends write it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"


def entry_points_text(entry_points: Mapping[str, Mapping[str, str]]) -> str:
    """The text of entry_points.txt."""
    return "\n".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in entry_points.items()
    )


def metadata_text(name: str, version: str, *, requires: Sequence[str] = (), requires_python: str | None = None) -> str:
    """The text of METADATA or PKG-INFO."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join(lines) + "\n"


def make_wheel(
    directory: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    files: Mapping[str, Content] | None = None,
    tag: str = "py3-none-any",
    build: str = "",
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    data: Mapping[str, Content] | None = None,
    metadata: str | None = None,
    wheel: str | None = None,
    purelib: bool = True,
    record: bytes | None = None,
    modes: Mapping[str, int] | None = None,
) -> Path:
    """Write a wheel and return its path.

    *files* are paths in the wheel (default: one module ``NAME.py`` with a VERSION), *data* paths
    below ``NAME-VERSION.data/``. *metadata*, *wheel* and *record* replace the generated texts.
    """
    escaped = name.replace("-", "_")
    dist_info = f"{escaped}-{version}.dist-info"
    members: dict[str, bytes] = {
        member: _bytes(content)
        for member, content in (files if files is not None else {f"{escaped}.py": f'VERSION = "{version}"\n'}).items()
    }
    for place, content in (data or {}).items():
        members[f"{escaped}-{version}.data/{place}"] = _bytes(content)
    members[f"{dist_info}/METADATA"] = _bytes(
        metadata
        if metadata is not None
        else metadata_text(name, version, requires=requires, requires_python=requires_python)
    )
    pythons, abis, platforms = tag.split("-")
    tags = "".join(
        f"Tag: {python}-{abi}-{platform}\n"
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    )
    members[f"{dist_info}/WHEEL"] = _bytes(
        wheel
        if wheel is not None
        else f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {str(purelib).lower()}\n"
        + (f"Build: {build}\n" if build else "")
        + tags
    )
    if entry_points:
        members[f"{dist_info}/entry_points.txt"] = entry_points_text(entry_points).encode()
    if record is None:
        rows = "".join(record_line(path, content) for path, content in members.items())
        record = (rows + f"{dist_info}/RECORD,,\n").encode()
    members[f"{dist_info}/RECORD"] = record
    filename = "-".join(filter(None, [escaped, version, build, tag])) + ".whl"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / filename
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            info = zipfile.ZipInfo(member, DATE)
            info.external_attr = (0o100000 | (modes or {}).get(member, 0o644)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def setuptools_free_backend(name: str, version: str) -> str:
    """A PEP 517 and 660 backend in one module, so that a build needs nothing from an index."""
    escaped = name.replace("-", "_")
    return f"""
import base64, hashlib, os, pathlib, zipfile

def _wheel(directory, files):
    info = "{escaped}-{version}.dist-info"
    files = dict(files)
    files[info + "/METADATA"] = b"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
    files[info + "/WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    rows = "".join(
        "%s,sha256=%s,%d\\n" % (p, base64.urlsafe_b64encode(hashlib.sha256(c).digest()).rstrip(b"=").decode(), len(c))
        for p, c in files.items()
    )
    files[info + "/RECORD"] = (rows + info + "/RECORD,,\\n").encode()
    filename = "{escaped}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, filename), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return filename

def _sources():
    return {{p.name: p.read_bytes() for p in pathlib.Path(".").glob("{escaped}*.py")}}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, _sources())

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _wheel(wheel_directory, {{"__editable__{escaped}.pth": os.getcwd().encode() + b"\\n"}})

def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
"""


def project_files(
    name: str = "demo", version: str = "1.0", *, extra: Mapping[str, Content] | None = None
) -> dict[str, Content]:
    """A source tree whose backend is in the tree: it builds with no index at all."""
    escaped = name.replace("-", "_")
    return {
        "pyproject.toml": (
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\n'
        ),
        "backend.py": setuptools_free_backend(name, version),
        f"{escaped}.py": f'VERSION = "{version}"\n',
        **(extra or {}),
    }


def write_tree(directory: Path, files: Mapping[str, Content]) -> Path:
    """Write *files* below *directory* and return it."""
    for path, content in files.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_bytes(content))
    return directory


def nest(top: Path, depth: int) -> None:
    """Make directories in each other, each named by the one above."""
    before = Path.cwd()
    os.chdir(top)
    try:
        for number in range(depth):
            os.mkdir("a")  # noqa: PTH102 - a relative one
            os.chdir("a")
            if number % 100 == 0:
                Path("file").write_text("x")
    finally:
        os.chdir(before)


def make_sdist(
    directory: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    files: Mapping[str, Content] | None = None,
    requires: Sequence[str] = (),
    format: str = "tar.gz",  # noqa: A002 - the word of PEP 517 front ends
) -> Path:
    """Write an sdist and return its path; by default one that builds without an index, and says it has *requires*."""
    escaped = name.replace("-", "_")
    root = f"{escaped}-{version}"
    members = {
        **(files if files is not None else project_files(name, version)),
        "PKG-INFO": metadata_text(name, version, requires=requires).replace(
            "Metadata-Version: 2.1", "Metadata-Version: 2.2"
        ),
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{root}.{format}"
    if format == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in members.items():
                archive.writestr(f"{root}/{member}", _bytes(content))
        return path
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members.items():
            data = _bytes(content)
            info = tarfile.TarInfo(f"{root}/{member}")
            info.size = len(data)
            info.mtime = 1_580_608_922
            tar.addfile(info, io.BytesIO(data))
    return path
