"""Cases on variables of the environment that have no option here, and on other names of variables: §1.2."""

from __future__ import annotations

from case import Case, case

# Written out here too: what the reference reads, not what ours says of it.
SWITCHES = (
    "DEV", "FROZEN", "HIDE_BUILD_OUTPUT", "INIT_BARE", "ISOLATED", "LOCKED", "LOG_CONTEXT", "MALWARE_CHECK",
    "MANAGED_PYTHON", "NO_DEV", "NO_EDITABLE", "NO_ENV_FILE", "NO_INSTALL_LOCAL", "NO_INSTALL_PROJECT",
    "NO_INSTALL_WORKSPACE", "NO_MANAGED_PYTHON", "NO_SYNC", "NO_SYSTEM_CONFIG", "ONLY_INSTALL_LOCAL",
    "ONLY_INSTALL_PROJECT", "ONLY_INSTALL_WORKSPACE", "PREVIEW", "PYTHON_INSTALL_BIN", "PYTHON_INSTALL_REGISTRY",
    "PYTHON_NO_REGISTRY", "SHOW_RESOLUTION", "VENV_CLEAR", "VENV_RELOCATABLE", "VENV_SEED",
)  # fmt: skip
FREE = ("NO_COLOR", "NO_WRAP", "LEGACY_TAR_BACKEND", "NO_GITHUB_FAST_PATH", "NO_DEFAULT_GROUPS", "STRICT", "TARGET")
PLACES = {"sub/r.txt": "aaa==1.0\n", "sub2/r.txt": "ccc\n"}
MACHINE = {"cfg/uv/uv.toml": "[pip]\nextra-index-url = ['@SECOND@']\n"}


def place(name: str, environ: dict[str, str], args: str = "r.txt", *, status: int = 0) -> Case:
    return case(f"place-{name}", "bbb\n", args, files=PLACES, environ=environ, status=status)


CASES: list[Case] = [
    *(case(f"switch-{name}", "aaa\n", environ={f"UV_{name}": "maybe"}, status=2) for name in SWITCHES),
    *(case(f"switch-{name}-empty", "aaa\n", environ={f"UV_{name}": ""}, status=2) for name in SWITCHES[::4]),
    *(case(f"switch-{name}-on", "aaa\n", environ={f"UV_{name}": "On"}) for name in ("DEV", "LOCKED", "VENV_SEED")),
    *(case(f"free-{name}", "aaa\n", environ={f"UV_{name}": "maybe"}) for name in FREE),
    *(case(f"preference-{number}", "aaa\n", environ={"UV_PYTHON_PREFERENCE": text}, status=2) for number, text in enumerate(("", "maybe", "System"))),
    case("preference", "aaa\n", environ={"UV_PYTHON_PREFERENCE": "only-system"}),
    case("timeout-of-uploads", "aaa\n", environ={"UV_UPLOAD_HTTP_TIMEOUT": "soon"}, status=2),
    case("architecture", "aaa\n", environ={"UV_AMD_GPU_ARCHITECTURE": "gfx1"}, status=2),
    case("unchecked-archive-not-needed", "aaa\n", environ={"UV_INSECURE_NO_ZIP_VALIDATION": "maybe"}),
    place("by-its-older-name", {"UV_WORKING_DIRECTORY": "sub"}),
    place("by-both-names", {"UV_WORKING_DIR": "sub", "UV_WORKING_DIRECTORY": "sub2"}),
    place("by-its-option", {"UV_WORKING_DIRECTORY": "nowhere"}, "--directory sub2 r.txt"),
    place("that-is-empty", {"UV_WORKING_DIR": ""}, status=2),
    place("that-is-empty-by-its-older-name", {"UV_WORKING_DIRECTORY": ""}, status=2),
    place("that-is-not-there", {"UV_WORKING_DIRECTORY": "nowhere"}, status=2),
    case("configuration-of-the-machine", "eee\n", files=MACHINE, environ={"XDG_CONFIG_DIRS": "@HERE@/cfg"}),
    case("configuration-of-the-machine-left-out", "eee\n", files=MACHINE, environ={"XDG_CONFIG_DIRS": "@HERE@/cfg", "UV_NO_SYSTEM_CONFIG": "1"}, status=1),
    case("configuration-of-the-user-stays", "eee\n", files=MACHINE, environ={"XDG_CONFIG_HOME": "@HERE@/cfg", "UV_NO_SYSTEM_CONFIG": "1"}),
]  # fmt: skip
