"""Wheels whose zip archive is damaged, or lies about what it holds."""

from __future__ import annotations

import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from factories import make_wheel

ENTRY_POINTS = {
    "pointtwice": "[console_scripts]\na = x:y\na = x:z\n",
    "sectiontwice": "[console_scripts]\na = x:y\n[console_scripts]\nb = x:y\n",
    "otherpointtwice": "[other]\na = x\na = y\n",
    "othernoassignment": "[other]\nnothing\n",
    "spacedsection": "[ console_scripts ]\na = x:y\n",
    "commandofwindows": "[console_scripts]\npython.exe.py = x:y\n",
}
"""Name of a wheel to its ``entry_points.txt``; the first four are refused."""
FORMATS = {"threenumbers": "1.0.0", "morethannumbers": "1.9.x", "formatwithoutminor": "1.", "ancientformat": "0.2"}
"""Name of a wheel to the version of its format; the last is refused."""
LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def put(directory: Path) -> None:
    """Write one wheel per damage into *directory*."""
    _change(directory, "badcrc", _other_sum)
    _change(directory, "badsize", _other_size)
    _change(directory, "othermember", _other_name)
    _change(directory, "trailing", lambda content: content + content)
    _change(directory, "cutoff", lambda content: content[: len(content) // 2])
    with warnings.catch_warnings():
        # That a member is there twice is what the case is about.
        warnings.simplefilter("ignore", UserWarning)
        with zipfile.ZipFile(make_wheel(directory, "twicein", "1.0"), "a") as archive:
            archive.writestr("twicein.py", "OTHER = 1\n")
    _without_info(directory, "noinfo", "")
    _without_info(directory, "otherinfo", "stranger-1.0.dist-info")
    make_wheel(directory, "scriptdir", "1.0", data={"scripts/sub/tool": "#!python\n"})
    for name, text in ENTRY_POINTS.items():
        make_wheel(directory, name, "1.0", files={f"{name}.py": "", f"{name}-1.0.dist-info/entry_points.txt": text})
    for name, version in FORMATS.items():
        wheel = f"Wheel-Version: {version}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        make_wheel(directory, name, "1.0", wheel=wheel)


def _change(directory: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    path = make_wheel(directory, name, "1.0")
    path.write_bytes(change(path.read_bytes()))


def _other_sum(content: bytes) -> bytes:
    """Let the first member have another checksum, in its own header and in the directory."""
    changed = bytearray(content)
    for at in (content.index(LOCAL) + 14, content.index(CENTRAL) + 16):
        (value,) = struct.unpack_from("<I", changed, at)
        struct.pack_into("<I", changed, at, value ^ 1)
    return bytes(changed)


def _other_size(content: bytes) -> bytes:
    """Let the first member be larger than it is, in its own header and in the directory."""
    changed = bytearray(content)
    for at in (content.index(LOCAL) + 22, content.index(CENTRAL) + 24):
        (value,) = struct.unpack_from("<I", changed, at)
        struct.pack_into("<I", changed, at, value + 1)
    return bytes(changed)


def _other_name(content: bytes) -> bytes:
    """Let the first member's own header have another name than the directory."""
    changed = bytearray(content)
    changed[content.index(LOCAL) + 30] ^= 2
    return bytes(changed)


def _without_info(directory: Path, name: str, instead: str) -> None:
    """Leave the ``.dist-info`` out, or call it *instead*."""
    path = make_wheel(directory, name, "1.0")
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            info, _, rest = member.partition("/")
            if not info.endswith(".dist-info"):
                archive.writestr(member, content)
            elif instead:
                archive.writestr(f"{instead}/{rest}", content.replace(info.encode(), instead.encode()))
