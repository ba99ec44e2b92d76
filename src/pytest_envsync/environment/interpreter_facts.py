"""What an interpreter says about itself; this file is run by it, not imported.

Arguments: the directory that holds ``packaging``. Prints one line of JSON. The standard library of
Python 3.7 must be enough, and nothing of this package may be imported.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from typing import Any

KEYS = ("purelib", "platlib", "scripts", "data")


def full_version(info: Any) -> str:
    """Spell a version as ``python_full_version`` does (PEP 508)."""
    text = f"{info.major}.{info.minor}.{info.micro}"
    return text if info.releaselevel == "final" else f"{text}{info.releaselevel[0].replace('c', 'rc')}{info.serial}"


def markers() -> dict[str, str]:
    """Return the PEP 508 variables, by the definitions of that document."""
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": full_version(sys.implementation.version),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": full_version(sys.version_info),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def wheel_tags(packaging: str) -> list[str] | None:
    """Return the tags of the wheels that can be installed, best first; None where ``packaging`` does not run."""
    # Behind the standard library: nothing else of that directory must shadow it.
    sys.path.append(packaging)
    try:
        from packaging.tags import sys_tags
    except (ImportError, SyntaxError, TypeError):
        return None
    return [str(tag) for tag in sys_tags()]


def abi_flags() -> str:
    """Return the flags of CPython's ABI tag, as ``m`` or ``td``."""
    so_abi = str(sysconfig.get_config_var("SOABI") or "").split("-")
    return so_abi[1].lstrip("0123456789") if len(so_abi) > 1 else ""


def own_paths() -> dict[str, str]:
    """Where this interpreter installs to."""
    paths = sysconfig.get_paths()
    return {**{key: paths[key] for key in KEYS}, "headers": paths["include"]}


def virtual_paths() -> dict[str, str]:
    """Where its virtual environments install to, relative to their root."""
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else {"nt": "nt"}.get(os.name, "posix_prefix")
    root = os.path.abspath(os.sep)
    names = ("base", "platbase", "installed_base", "installed_platbase")
    paths = sysconfig.get_paths(scheme, vars=dict.fromkeys(names, root))
    relative = {key: os.path.relpath(paths[key], root) for key in KEYS}
    # No scheme names headers of an environment; this is where every installer puts them.
    version = ".".join(platform.python_version_tuple()[:2])
    return {**relative, "headers": os.path.join("include", "site", f"python{version}")}


def externally_managed(path: str) -> str | None:
    """Return the words of PEP 668's marker file at *path*, empty when it has none; None without the file."""
    if not os.path.isfile(path):
        return None
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
        return parser["externally-managed"]["Error"]
    except (KeyError, ValueError, OSError, configparser.Error):
        return ""


def main() -> None:
    """Print the facts."""
    marker = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    facts = {
        "executable": sys.executable,
        "base_executable": getattr(sys, "_base_executable", None) or sys.executable,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "version": full_version(sys.version_info),
        "implementation": sys.implementation.name,
        "cache_tag": sys.implementation.cache_tag or "",
        "markers": markers(),
        "tags": wheel_tags(sys.argv[1]),
        "abi_flags": abi_flags(),
        "paths": own_paths(),
        "virtual_paths": virtual_paths(),
        "externally_managed": externally_managed(marker),
        "marker": marker,
    }
    print("\n" + json.dumps(facts))  # noqa: T201 - its output is its purpose


if __name__ == "__main__":
    main()
