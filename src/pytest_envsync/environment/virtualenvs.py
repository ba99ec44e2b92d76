"""Virtual environments, made in a few milliseconds from a template.

``virtualenv`` makes one environment per interpreter; its files, directories and links are kept as one
record in the cache. A new environment is that record written out, with its own path in the
activation scripts and in ``pyvenv.cfg``. Every file is written, none is linked: an environment whose
files are edited in place spoils no other.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pytest_envsync.atomic import write_at_once
from pytest_envsync.environment.interpreter import CacheDir
from pytest_envsync.environment.journal import remove_path
from pytest_envsync.errors import TargetError
from pytest_envsync.target import Target
from pytest_envsync.true_paths import resolved
from pytest_envsync.version import __version__

# The blank makes every shell's quoting put it between quotes, where another path can take its place.
_NAME = "env sync template"
_PROMPT = "env sync prompt"
_SETTINGS = "pyvenv.cfg"
_PLAIN = frozenset(" ._-+=@,:/~()[]{}")
_DROPPED = frozenset({"command", "prompt", "virtualenv"})  # keys of pyvenv.cfg that speak of the template

Template = dict[str, Any]
"""``directories`` (paths), ``links`` (path -> target), ``files`` (path -> [mode, text, encoding]), and
``root``, the path that stands for the environment's own.
"""


def create_virtualenv(
    path: str | os.PathLike[str],
    base: Target,
    *,
    cache_dir: CacheDir,
    final_path: str | os.PathLike[str] | None = None,
    prompt: str | None = None,
) -> Target:
    """Make a virtual environment without any distribution at *path* and return what it is.

    *path* must be missing or empty. Scripts and the returned Target speak of *final_path*, which the
    caller will rename *path* to; by default the same. *base* may be any Target: the interpreter
    behind it is used. Raises TargetError when the environment cannot be made.
    """
    final = resolved(os.fspath(final_path or path))
    template = _template_for(final, base, cache_dir, prompt=prompt)
    try:
        _write_out(template, os.path.abspath(path), final, prompt)
    except OSError as error:
        raise TargetError(f"the virtual environment `{path}` cannot be written: {error.strerror or error}") from error
    return base.in_virtual_environment(final)


def clear_remains(path: str, base: Target, *, cache_dir: CacheDir, dry_run: bool = False) -> bool:
    """Empty the directory *path* if all it holds is what a killed process had made there of an environment.

    Such a directory has no ``pyvenv.cfg``, which is written last. False, and nothing was touched, when it holds
    anything else. With *dry_run* nothing ever is. Raises TargetError as ``create_virtualenv`` does, and OSError.
    """
    template = _template_for(path, base, cache_dir, prompt=None)
    directories = set(template["directories"])
    for parent, names, files in os.walk(path):
        for name in (*names, *files):
            place = os.path.join(parent, name)
            relative = os.path.relpath(place, path)
            if os.path.islink(place):
                is_ours = os.readlink(place) == template["links"].get(relative)
            elif os.path.isdir(place):
                is_ours = relative in directories
            else:
                is_ours = relative in template["files"] and _is_begun(place, _content(template, relative, path, None))
            if not is_ours:
                return False
    for name in () if dry_run else os.listdir(path):
        remove_path(os.path.join(path, name))
    return True


def _is_begun(place: str, content: bytes) -> bool:
    if not os.path.isfile(place):
        return False
    with open(place, "rb") as file:
        return content.startswith(file.read())


def _template_for(final: str, base: Target, cache_dir: CacheDir, *, prompt: str | None) -> Template:
    if os.name == "nt" or _is_plain(final + (prompt or "")):
        return _template(base, cache_dir, has_prompt=prompt is not None)
    # Characters that some shell wants quoted: virtualenv must write the scripts for this very path.
    return _made_for(final, base, prompt)


def _is_plain(text: str) -> bool:
    """Whether *text* stands for itself between the quotes of every shell."""
    return all(character.isalnum() or character in _PLAIN for character in text)


def _template(base: Target, cache_dir: CacheDir, *, has_prompt: bool) -> Template:
    """Return the template for the interpreter of *base*, made if the cache has none."""
    prompt = _PROMPT if has_prompt else None
    if cache_dir is None:
        return _made_for(None, base, prompt)
    name = f"{base.fingerprint[:32]}-{__version__}{'-prompt' if has_prompt else ''}.json"
    path = os.path.join(cache_dir, "templates", name)
    try:
        with open(path, encoding="utf-8") as file:
            template = json.load(file)
        if isinstance(template, dict) and {"root", "directories", "links", "files"} <= template.keys():
            return template
    except (OSError, ValueError):
        pass
    template = _made_for(None, base, prompt)
    # Whatever needs the cache reports that it cannot be written; here it only costs time.
    with suppress(OSError):
        write_at_once(path, json.dumps(template).encode())
    return template


def _made_for(final: str | None, base: Target, prompt: str | None) -> Template:
    """Let virtualenv make an environment in a temporary directory and read it.

    With *final* its place is that path below the temporary directory: whatever a shell's quoting
    makes of a path, it makes of each character alone, so taking the plain first part away leaves *final* quoted.
    """
    with _temporary_directory() as scratch:
        root = os.path.join(scratch, _NAME) if final is None else scratch + final
        environ = {name: value for name, value in os.environ.items() if not name.startswith("VIRTUALENV_")}
        # No configuration file of the user's may add to what is asked for here.
        environ["VIRTUALENV_CONFIG_FILE"] = os.path.join(scratch, "none.ini")
        arguments = [
            "--python",
            base.base_python,
            "--no-seed",
            "--no-periodic-update",
            "--app-data",
            os.path.join(scratch, "data"),
        ]
        arguments += [] if prompt is None else ["--prompt", prompt]
        _run_virtualenv([*arguments, root], environ)
        template = _read(root)
    template["root"] = root if final is None else scratch
    return template


@contextmanager
def _temporary_directory() -> Iterator[str]:
    import tempfile

    from pytest_envsync.removal import discard_tree

    usual = os.path.realpath(tempfile.gettempdir())
    place = usual if _is_plain(usual) or os.name == "nt" else "/tmp"  # noqa: S108 - mkdtemp makes a private one in it
    scratch = tempfile.mkdtemp(prefix="envsync-", dir=place)
    try:
        yield scratch
    finally:
        discard_tree(scratch)


def _run_virtualenv(arguments: list[str], environ: dict[str, str]) -> None:
    from virtualenv import cli_run

    # It documents no errors of its own, and may end the process.
    try:
        cli_run(arguments, setup_logging=False, env=environ)
    except (Exception, SystemExit) as error:
        raise TargetError(f"virtualenv could not make an environment for `{arguments[1]}`: {error}") from error


def _read(root: str) -> Template:
    directories: list[str] = []
    links: dict[str, str] = {}
    files: dict[str, list[Any]] = {}
    pending = [""]
    while pending:
        parent = pending.pop()
        for entry in os.scandir(os.path.join(root, parent)):
            path = os.path.join(parent, entry.name)
            if entry.is_symlink():
                links[path] = os.readlink(entry.path)
            elif entry.is_dir():
                if entry.name != "__pycache__":
                    directories.append(path)
                    pending.append(path)
            elif not entry.name.startswith("_virtualenv."):
                # A patch of virtualenv's for old installers; the environment must hold what the lock says.
                with open(entry.path, "rb") as file:
                    content = file.read()
                files[path] = [0o777 if entry.stat().st_mode & 0o100 else 0o666, *_as_text(content)]
    return {"directories": sorted(directories), "links": links, "files": files}


def _as_text(content: bytes) -> tuple[str, str]:
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1"


def _write_out(template: Template, path: str, final: str, prompt: str | None) -> None:
    os.makedirs(path, exist_ok=True)
    for directory in template["directories"]:
        os.mkdir(os.path.join(path, directory))
    for link, target in template["links"].items():
        os.symlink(target, os.path.join(path, link))
    # A directory with the settings is an environment: whoever is killed before leaves none.
    for name in sorted(template["files"], key=_SETTINGS.__eq__):
        mode = template["files"][name][0]
        descriptor = os.open(os.path.join(path, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(_content(template, name, final, prompt))
        finally:
            os.close(descriptor)


def _content(template: Template, name: str, final: str, prompt: str | None) -> bytes:
    """Return what the file *name* of the template holds in an environment at *final*."""
    _, text, encoding = template["files"][name]
    root = template["root"]
    if name == _SETTINGS:
        text = _pyvenv_cfg(text, prompt)
    elif not root.endswith(_NAME):  # it was made for this very path
        text = text.replace(root, "")
    else:
        # Some shells double backslashes. The last part stands alone too, as the default prompt.
        text = text.replace(root, final).replace(root.replace("\\", "\\\\"), final.replace("\\", "\\\\"))
        text = text.replace(_NAME, os.path.basename(final)).replace(_PROMPT, prompt or "")
    content: bytes = text.encode(encoding)
    return content


def _pyvenv_cfg(text: str, prompt: str | None) -> str:
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip().lower() not in _DROPPED]
    kept.append(f"envsync = {__version__}")
    if prompt is not None:
        kept.append(f"prompt = {prompt}")
    return "\n".join(kept) + "\n"
