"""The wheels, sdists and indexes that all cases share, built once per session."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import damaged
from factories import make_sdist, make_wheel, metadata_text, project_files, sha256
from index_server import IndexServer

PYTHON = os.environ.get("PARITY_PYTHON", sys.executable)
"""The interpreter behind the environments that both sync; another one than ours if the variable names it."""
_ASK = "import platform, sys; print(sys.base_prefix, platform.python_version(), sep='\\n')"
_PREFIX, FULL = subprocess.check_output([PYTHON, "-I", "-S", "-c", _ASK], text=True).splitlines()
PY = FULL.rpartition(".")[0]
CP = f"cp{PY.replace('.', '')}"
BASE = str(Path(_PREFIX) / "bin")
OLD, NEW = "2001-01-01T00:00:00Z", "2021-01-01T00:00:00Z"


class Shelf:
    """A directory of wheels, an index that has most of them, a second one, and one behind a login.

    ``expand`` puts what only a run knows into the text of a case: ``@INDEX@``, ``@WHEELS@``,
    ``@SHA256:aaa-1.0@`` and so on.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.wheels = directory / "wheels"
        self.odd = directory / "odd"
        self.index, self.second, self.locked = IndexServer(), IndexServer(), IndexServer()
        self.servers = (self.index, self.second, self.locked)
        self.locked.require_auth("user", "secret")
        for server in self.servers:
            server.__enter__()
        self._plain()
        self._chosen()
        self._spread()
        self._odd()
        self._links()
        self._ties()
        self.tokens: dict[str, str] = {
            "INDEX": self.index.url,
            "BASE": self.index.base,
            "HOST": self.index.base.removeprefix("http://"),
            "FILES": f"{self.index.base}/files",
            "SECOND": self.second.url,
            "LOCKED": self.locked.url,
            "LOCKEDHOST": self.locked.base.removeprefix("http://"),
            "WITHLOGIN": self.locked.with_credentials("user", "secret"),
            "WITHBADLOGIN": self.locked.with_credentials("user", "wrongsecret"),
            "WHEELS": str(self.wheels),
            "ODD": str(self.odd),
            "DIR": str(directory),
            "CP": CP,
            "PY": PY,
            "PYFULL": FULL,
            "BIN": BASE,
        }

    def close(self) -> None:
        for server in self.servers:
            server.close()

    def find(self, prefix: str) -> Path:
        """The file whose name starts with *prefix*, a name and a version."""
        for directory in (self.wheels, self.odd, self.directory / "elsewhere"):
            for path in sorted(directory.glob(f"{prefix}*")):
                return path
        raise LookupError(prefix)

    def expand(self, text: str, here: Path) -> str:
        """Put the values of this run in place of ``@NAME@``."""

        def value(match: re.Match[str]) -> str:
            word = match[1]
            if word == "HERE":
                return str(here)
            kind, _, prefix = word.partition(":")
            if kind == "SHA256":
                return sha256(self.find(prefix))
            if kind in ("MD5", "SHA512"):
                return hashlib.new(kind.lower(), self.find(prefix).read_bytes()).hexdigest()
            if kind == "SIZE":
                return str(self.find(prefix).stat().st_size)
            return self.tokens[word]

        return re.sub(r"@([A-Z0-9]+(?::[^@\s]+)?)@", value, text)

    def _plain(self) -> None:
        """Names with versions, and nothing special."""
        add, wheels = self.index.add, self.wheels
        for version in ("1.0", "2.0"):
            add(make_wheel(wheels, "aaa", version), upload_time=OLD if version == "1.0" else NEW)
        add(make_wheel(wheels, "bbb", requires=["aaa>=2"]), upload_time=OLD)
        add(make_wheel(wheels, "ccc", files={"ccc/__init__.py": "", "ccc/sub/x.py": "X = 1\n", "ccc/data.bin": b"\0"}))
        add(make_wheel(wheels, "ddd", "1.0", requires=["missing", "aaa"]))
        add(make_wheel(wheels, "Foo.Bar_Baz", "1.0", files={"foobar.py": ""}), project="foo-bar-baz")
        for version in ("1.0", "1.1a1", "2.0b1"):
            add(make_wheel(wheels, "pre", version))
        add(make_wheel(wheels, "onlypre", "1.0a1"))
        add(make_wheel(wheels, "onlypre", "1.0a2"))
        add(make_wheel(wheels, "local", "1.0+cpu"))
        add(make_wheel(wheels, "epoch", "1!1.0"))
        add(make_wheel(wheels, "undated", "1.0"))
        second = self.directory / "elsewhere"
        for name, version in (("aaa", "3.0"), ("eee", "1.0")):
            self.second.add(make_wheel(second, name, version))
        self.locked.add(make_wheel(wheels, "shy", "1.0"))

    def _chosen(self) -> None:
        """What makes a choice of files."""
        add, wheels = self.index.add, self.wheels
        add(make_wheel(wheels, "yank", "1.0"))
        add(make_wheel(wheels, "yank", "2.0"), yanked="broken")
        add(make_wheel(wheels, "allyank", "1.0"), yanked=True)
        add(make_wheel(wheels, "newer", "1.0"), requires_python=">=3.8")
        add(make_wheel(wheels, "newer", "2.0"), requires_python=">=4")
        add(make_wheel(wheels, "capped", "1.0"), requires_python="<3.9")
        make_wheel(wheels, "future", "1.0", requires_python=">=3.99")
        for tag in (f"{CP}-{CP}-manylinux_2_17_x86_64", f"{CP}-{CP}-win_amd64", "py3-none-any"):
            add(make_wheel(wheels, "native", "1.0", tag=tag, files={"native.py": f"TAG = '{tag}'\n"}, purelib=False))
        add(make_wheel(wheels, "foreign", "1.0", tag=f"{CP}-{CP}-win_amd64", purelib=False))
        mac = f"{CP}-{CP}-macosx_11_0_arm64"
        add(make_wheel(wheels, "mac", "1.0", tag=mac, purelib=False))
        add(make_wheel(wheels, "dual", "1.0", tag="py3-none-macosx_10_16_universal2", purelib=False))
        for tag in ("manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "manylinux_2_39_x86_64"):
            add(make_wheel(wheels, "many", "1.0", tag=f"py3-none-{tag}", files={"many.py": tag}, purelib=False))
        add(make_wheel(wheels, "musl", "1.0", tag="py3-none-musllinux_1_1_x86_64", purelib=False))
        for build in ("1", "2", "10"):
            add(make_wheel(wheels, "builds", "1.0", build=build, files={"builds.py": build}))
        add(make_sdist(wheels, "sdonly", "1.0"))
        add(make_sdist(wheels, "shifty", "1.0", files=project_files("shifty", "9.0")))
        add(make_wheel(wheels, "both", "1.0"))
        add(make_sdist(wheels, "both", "1.0"))
        make_sdist(wheels, "zipped", "1.0", format="zip")
        add(make_wheel(wheels, "nohash", "1.0"), hashes=())
        for name in ("pip", "setuptools", "wheel", "uv", "packaging"):
            add(make_wheel(wheels, name, "1.0", files={f"{name}/__init__.py": ""}))

    def _ties(self) -> None:
        """One version in wheels that fit alike, listed in several orders, and an index that fails in several ways."""
        raw, ties, best = self.index.raw, self.directory / "ties", f"{CP}-{CP}-linux_x86_64"
        tags = ("py3-none-any", "py2.py3-none-any", "py3.py2-none-any", best)
        for tag in tags:
            wheel = make_wheel(ties, "tie", "1.0", tag=tag, files={"tie.py": tag}, purelib=tag != best)
            raw(f"/ties/{wheel.name}", wheel.read_bytes(), "application/octet-stream")
        for name, *listed in (("plain", 0), ("best", 3), ("up", 0, 1), ("down", 1, 0), ("turned", 2, 1)):
            links = "".join(f'<a href="/ties/tie-1.0-{tags[number]}.whl">x</a>' for number in listed)
            raw(f"/{name}/tie/", links.encode(), "text/html")
        for name, body in (
            ("list", b"[]"),
            ("broken", b"{"),
            ("null", b'{"meta": {"api-version": "1.0"}, "files": null}'),
        ):
            raw(f"/{name}/aaa/", body, "application/vnd.pypi.simple.v1+json")
        for status in (401, 403, 410, 500):
            self.index.fail(f"/status/{status}/", statuses=[status] * 1000)

    def _spread(self) -> None:
        """Wheels with more than modules in them."""
        add, wheels = self.index.add, self.wheels
        points = {"console_scripts": {"scr": "scr:main", "scr-x": "scr:a.b [extra]"}, "gui_scripts": {"scrg": "scr:g"}}
        scripts = {
            "scripts/hello": "#!python\nprint('hello')\n",
            "scripts/plain.sh": "#!/bin/sh\necho plain\n",
            "scripts/windowed": "#!pythonw -E\nprint()\n",
        }
        add(make_wheel(wheels, "scr", "1.0", entry_points=points, data=scripts))
        pips = {
            "console_scripts": {"pip3": "pips:a", "pip3.9": "pips:b", "pip3.x": "pips:c"},
            "gui_scripts": {"pip3.8": "pips:d"},
        }
        add(make_wheel(wheels, "pips", "1.0", entry_points=pips))
        spread = {
            "purelib/pure_part.py": "1\n",
            "platlib/plat_part.py": "2\n",
            "headers/some/spread.h": "int x;\n",
            "data/share/doc/spread.txt": "text\n",
        }
        add(make_wheel(wheels, "spread", "1.0", data=spread))
        through = {"data/lib/python@/site-packages/through_data.py": "1\n", "data/bin/through": "#!/bin/sh\n"}
        data = {path.replace("@", PY): text for path, text in through.items()}
        add(make_wheel(wheels, "through", "1.0", data=data))
        add(make_wheel(wheels, "platlib", "1.0", purelib=False))
        modes = {"modes/run.sh": 0o755, "modes/secret": 0o000, "modes/odd": 0o700, "modes/all": 0o777}
        add(make_wheel(wheels, "modes", "1.0", files=dict.fromkeys(modes, "x\n"), modes=modes))
        add(make_wheel(wheels, "over", "1.0", files={"aaa.py": 'VERSION = "1.0"\n', "over.py": ""}))
        for part in ("one", "two"):
            add(make_wheel(wheels, f"space-{part}", "1.0", files={f"space/{part}.py": ""}))
        add(make_wheel(wheels, "broken-syntax", "1.0", files={"broken_syntax.py": "def :\n"}))

    def _odd(self) -> None:
        """Wheels that are damaged, or forbidden."""
        odd = self.odd
        make_wheel(odd, "ghost", "1.0", record=b"ghost.py,,\nnot_there.py,,\nghost-1.0.dist-info/RECORD,,\n")
        lie = b"lying.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nlying-1.0.dist-info/RECORD,,\n"
        make_wheel(odd, "lying", "1.0", record=lie)
        make_wheel(odd, "wrongname", "1.0", metadata=metadata_text("another", "1.0"))
        make_wheel(odd, "wrongversion", "1.0", metadata=metadata_text("wrongversion", "2.0"))
        make_wheel(odd, "reserved", "1.0", entry_points={"console_scripts": {"python": "reserved:main"}})
        make_wheel(odd, "reserveddata", "1.0", data={"scripts/Python3.9": "#!python\n"})
        make_wheel(odd, "activates", "1.0", entry_points={"console_scripts": {"activate": "activates:main"}})
        make_wheel(odd, "escapes", "1.0", files={"escapes.py": "", "../../../evil.txt": "evil"})
        make_wheel(odd, "escapescript", "1.0", entry_points={"console_scripts": {"../../x": "escapescript:main"}})
        make_wheel(odd, "badpoint", "1.0", entry_points={"console_scripts": {"x": "no colon"}})
        make_wheel(odd, "newformat", "1.0", wheel="Wheel-Version: 2.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        make_wheel(odd, "minor", "1.0", wheel="Wheel-Version: 1.9\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        make_wheel(odd, "badscheme", "1.0", data={"nonsense/x": "1"})
        make_wheel(odd, "twoinfos", "1.0", files={"x.py": "", "other-1.0.dist-info/METADATA": "x"})
        make_wheel(odd, "metalocal", "1.0+local", metadata=metadata_text("metalocal", "1.0"))
        make_wheel(odd, "nosection", "1.0", files={"nosection-1.0.dist-info/entry_points.txt": "a = nosection:x\n"})
        make_wheel(
            odd, "openheader", "1.0", files={"openheader-1.0.dist-info/entry_points.txt": "[console_scripts\na = x:x\n"}
        )
        make_wheel(odd, "noformat", "1.0", wheel="Root-Is-Purelib: true\nTag: py3-none-any\n")
        renamed = make_wheel(odd, "renamed", "1.0")
        shutil.copy(renamed, odd / "renamed-1.0+l-py3-none-any.whl")
        (odd / "nozip-1.0-py3-none-any.whl").write_bytes(b"this is not a zip file")
        damaged.put(odd)
        self._without("norecord", "RECORD")
        self._without("nometadata", "METADATA")
        self._without("nowheel", "WHEEL")

    def _without(self, name: str, member: str) -> None:
        source = make_wheel(self.directory / "whole", name, "1.0")
        with zipfile.ZipFile(source) as whole, zipfile.ZipFile(self.odd / source.name, "w") as less:
            for info in whole.infolist():
                if not info.filename.endswith(f"/{member}"):
                    less.writestr(info, whole.read(info))

    def _links(self) -> None:
        """Pages of links, and addresses that answer with text."""
        raw = self.index.raw
        rows: Mapping[str, str] = {
            "aaa-1.0-py3-none-any.whl": "",
            "newer-1.0-py3-none-any.whl": ' data-requires-python="&gt;=3.99"',
            "yank-1.0-py3-none-any.whl": ' data-yanked="gone"',
            "bbb-1.0-py3-none-any.whl": "",
        }
        links = "".join(f'<a href="files/{name}"{more}>{name}</a>\n' for name, more in rows.items())
        page = f"<html><body>{links}</body></html>".encode()
        raw("/links.html", page, "text/html")
        raw("/links.txt", page, "text/plain")
        raw("/links.json", page, "application/json")
        both = "".join(
            f'<a href="files/yank-{version}-py3-none-any.whl"{more}>yank</a>\n'
            for version, more in (("1.0", ""), ("2.0", ' data-yanked=""'))
        )
        raw("/yanked.html", f"<html><body>{both}</body></html>".encode(), "text/html")
        raw("/remote.txt", b"aaa==1.0\n-c constraints.txt\n", "text/plain")
        raw("/constraints.txt", b"bbb==1.0\n", "text/plain")
        raw("/script.py", b'# /// script\n# dependencies = ["aaa==1.0"]\n# ///\n', "text/plain")
        based = (
            f'<html><head><base href="{self.index.base}/files/"></head><a href="aaa-1.0-py3-none-any.whl">x</a></html>'
        )
        raw("/based/aaa/", based.encode(), "text/html")
        lock = (
            'lock-version = "1.0"\ncreated-by = "tests"\n[[packages]]\nname = "aaa"\nversion = "1.0"\n'
            f'[[packages.wheels]]\nurl = "{self.index.base}/files/aaa-1.0-py3-none-any.whl"\n'
            f'hashes = {{sha256 = "{sha256(self.find("aaa-1.0"))}"}}\n'
        )
        raw("/pylock.toml", lock.encode(), "text/plain")
