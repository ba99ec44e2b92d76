"""The same command lines to the reference and to us: the same exit statuses and the same merged settings.

Parity is with the version of uv that is installed; texts are ours and are not compared.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_envsync.settings.arguments import ALL, scan
from pytest_envsync.settings.merge import resolve_settings

pytestmark = pytest.mark.parity

UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
if UV is None:
    pytest.skip("the reference is not installed", allow_module_level=True)


def reference(cwd: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the reference."""
    assert UV is not None
    return subprocess.run(
        [UV, "pip", "sync", *argv],
        cwd=cwd,
        env={**os.environ, "UV_CACHE_DIR": str(cwd / "uv-cache"), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def ours(cwd: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run our command."""
    return subprocess.run(
        [sys.executable, "-m", "pytest_envsync", "sync", *argv],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an environment and an empty file of requirements, which no sync touches."""
    directory = tmp_path_factory.mktemp("place")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory / ".venv")], check=True)
    (directory / "r.txt").touch()
    return directory


LINES = """
--dry-run --dry-run
--reinstall --no-reinstall --reinstall
--system --system
-i a -i b
--link-mode copy --link-mode clone
--link-mode move
--python-version -3
--cach
-qv
-qqq
-nq
--extra a --all-extras
--all-extras
--all-extras --no-all-extras
--no-build --only-binary x
--no-build --no-binary x
--no-build --build
--build --no-build
--no-binary :all: --only-binary :none:
--user
--ask
-a
--python-executable x
--client-cert x
--config x
--pip-args x
--upgrade
--no-deps
-r r.txt
-e .
--pre
--output-format xml
--output-format json
--require-hashes=true
--require-hashes --no-require-hashes
--require-hashes --no-verify-hashes
--verify-hashes --no-verify-hashes
--no-require-build-hashes
-C a
-C=a=b
--config-settings a=b
--config-settings-package a
--config-settings-package a:b=c
--color blue
--no-color
--offline --refresh
--offline --refresh-package x
--offline --reinstall
--offline --no-offline
-n --offline
--dry-run --check
--target x --prefix y
--system --no-system
--torch-backend zzz
--index-strategy z
--keyring-provider z
--python-platform z
--no-config
--config-file nope.toml
--directory nope
--project nope
--reinstall-package a,b
--reinstall-package a
--no-sources-package a
--exclude-newer-package a=false
--force-reinstall
--native-tls
--trusted-host x
--constraint r.txt
--build-constraint r.txt
-c=r.txt
-cr.txt
--no-cache-dir
--no-progress
--managed-python
--no-managed-python
--no-python-downloads
--python-preference system
--preview
--no-preview
--isolated
--no-installer-metadata
--no-compile
--compile
--no-build-isolation --build-isolation
--no-strict
--no-system-certs
--no-break-system-packages
--dry-run=
--color=
--target=
--extra
-p
--quiet=1
-x
--no-dry-run
--no-build-package x
--no-group x
--prerelease allow
""".strip().splitlines()


@pytest.mark.parametrize("line", LINES)
def test_the_same_status_for_the_same_command_line(place: Path, line: str) -> None:
    argv = [*line.split(), "r.txt"]
    expected = reference(place, *argv)
    found = ours(place, *argv)
    assert found.returncode == expected.returncode, f"{expected.stderr}\n{found.stderr}"
    assert found.stdout.count('"changes": []') == expected.stdout.count('"changes": []')


VARIABLES = [
    "UV_OFFLINE=", "UV_OFFLINE=maybe", "UV_OFFLINE=T", "UV_REQUIRE_HASHES=", "UV_REQUIRE_HASHES=0", "UV_LINK_MODE=x",
    "UV_CONSTRAINT=", "UV_CONSTRAINT=nope.txt", "UV_SYSTEM_PYTHON=x", "UV_NO_VERIFY_HASHES=1", "UV_COMPILE_BYTECODE=2",
    "UV_INDEX_URL=", "UV_NO_CONFIG=x", "UV_NO_PROGRESS=x", "UV_NATIVE_TLS=1", "UV_NO_CACHE=x", "UV_CONFIG_FILE=nope",
    "UV_PROJECT=nope", "UV_WORKING_DIR=nope", "UV_NO_BUILD=x", "UV_STRICT=x", "UV_EXTRA=x",
]  # fmt: skip


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_same_status_for_the_same_variable(place: Path, variable: str) -> None:
    name, _, value = variable.partition("=")
    expected = reference(place, "r.txt", **{name: value})
    found = ours(place, "r.txt", **{name: value})
    assert found.returncode == expected.returncode, f"{expected.stderr}\n{found.stderr}"


def merged_by_the_reference(cwd: Path, *argv: str, **environ: str) -> str:
    """What ``--show-settings`` prints, on one line."""
    return re.sub(r"\s+", " ", reference(cwd, "--show-settings", *argv, "r.txt", **environ).stdout)


@pytest.mark.parametrize(
    ("text", "argv", "environ"),
    [
        ('[tool.uv]\nno-binary-package = ["a"]\n[tool.uv.pip]\nno-binary = ["b"]\n', ["--no-binary", "c"], {}),
        ('[tool.uv]\nno-build-package = ["a"]\n[tool.uv.pip]\nonly-binary = ["b"]\n', [], {}),
        ('[tool.uv]\nreinstall-package = ["a"]\n', ["--reinstall-package", "b"], {}),
        ('[tool.uv.pip]\nextra = ["a"]\n', ["--extra", "b"], {}),
        ('[tool.uv]\nconfig-settings = {a = "1"}\n[tool.uv.pip]\nconfig-settings = {b = "1"}\n', ["-C", "c=2"], {}),
        ('[tool.uv]\nlink-mode = "copy"\n[tool.uv.pip]\nlink-mode = "clone"\n', [], {}),
        ('[tool.uv]\nlink-mode = "copy"\n', [], {"UV_LINK_MODE": "symlink"}),
        ('[tool.uv]\nfind-links = ["https://f/"]\n', ["-f", "https://l/"], {"UV_FIND_LINKS": "https://v/"}),
        ('[tool.uv]\nfind-links = ["https://f/"]\n', [], {"UV_FIND_LINKS": "https://v/,https://w/"}),
        ('[[tool.uv.index]]\nname = "n"\nurl = "https://i/"\n', ["--index", "https://l/"], {"UV_INDEX": "https://v/"}),
        ('[tool.uv]\nextra-index-url = ["https://e/"]\n', ["--extra-index-url", "https://l/"], {}),
        ('[tool.uv]\nextra-index-url = ["https://e/"]\n', [], {"UV_EXTRA_INDEX_URL": "https://v/ https://w/"}),
    ],
)  # fmt: skip
def test_lists_add_up_as_in_the_reference(tmp_path: Path, text: str, argv: list[str], environ: dict[str, str]) -> None:
    (tmp_path / "r.txt").touch()
    (tmp_path / "pyproject.toml").write_text(text)
    shown = merged_by_the_reference(tmp_path, *argv, **environ)
    options = resolve_settings(scan(argv, ALL)[0].values, cwd=str(tmp_path), environ=environ).options
    expected = {
        "no_binary": _names(shown, r"no_binary: Packages\( \[(.*?)\]"),
        "only_binary": _names(shown, r"no_build: Packages\( \[(.*?)\]"),
        "reinstall_package": _names(shown, r"reinstall: Packages\( \[(.*?)\]"),
        "extras": _names(shown, r"ExtrasSpecificationInner \{ include: Some\( \[(.*?)\]"),
        "find_links": _addresses(shown, r"flat_index: \[(.*?)\], no_index"),
    }
    indexes = (*options.index, *options.extra_index_urls)
    found = {name: getattr(options, name) for name in expected}
    assert {name: sorted(value) for name, value in found.items()} == {
        name: sorted(value) for name, value in expected.items()
    }
    assert found["find_links"] == expected["find_links"]
    assert tuple(text.rpartition("=")[2] for text in indexes) == _addresses(shown, r"indexes: \[(.*?)\], flat_index")
    mode = re.search(r"link_mode: (\w+)", shown)
    assert mode is not None
    assert (options.link_mode or "clone") == mode[1].lower()
    settings = re.search(r"config_setting: ConfigSettings\( \{(.*?)\}", shown)
    assert settings is not None
    assert sorted(item.partition("=")[0] for item in options.config_settings) == sorted(
        re.findall(r'"(\w+)": String', settings[1])
    )


def _names(shown: str, pattern: str) -> tuple[str, ...]:
    found = re.search(pattern, shown)
    return tuple(re.findall(r'"([^"]+)"', found[1])) if found else ()


def _addresses(shown: str, pattern: str) -> tuple[str, ...]:
    found = re.search(pattern, shown)
    return tuple(re.findall(r'given: Some\( "([^"]+)"', found[1])) if found else ()
