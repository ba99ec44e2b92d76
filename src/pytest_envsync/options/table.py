"""Each setting of a sync, declared once: every face derives from this table.

The command's parser, its help and completion, the environment variables, the keys of
``[tool.envsync]``, the pytest ini names and the reference in the docs are views of ``OPTIONS``.
Spellings and meanings are those of ``uv pip sync``; what is ours says so in its help.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.options.option import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytest_envsync.options.option import Kind

INPUTS = (
    Option(
        "constraints", "-c --constraints", "Constrain versions with the given requirements files", kind="list",
        metavar="FILE", aliases="--constraint", variable="CONSTRAINT", relative="path",
    ),
    Option(
        "build_constraints", "-b --build-constraints", "Constrain the versions of build requirements", kind="list",
        metavar="FILE", aliases="--build-constraint", variable="BUILD_CONSTRAINT", relative="path",
    ),
    Option(
        "extras", "--extra", "Include the optional dependencies of this extra (pylock.toml, pyproject.toml)",
        kind="commas", metavar="NAME", separator=",", ini="envsync_extra", excludes=("all_extras",),
    ),
    Option(
        "all_extras", "--all-extras", "Include all optional dependencies", inverse="--no-all-extras",
        ini="envsync_all_extras",
    ),
    Option(
        "groups", "--group", "Include this dependency group of pylock.toml or pyproject.toml", kind="list",
        metavar="[PATH:]NAME", ini="envsync_group",
    ),
    Option(
        "allow_empty_requirements", "--allow-empty-requirements",
        "Let an empty set of requirements clear the environment", inverse="--no-allow-empty-requirements",
    ),
)  # fmt: skip

HASHES = (
    Option(
        "require_hashes", "--require-hashes", "Require a matching hash for each requirement",
        inverse="--no-require-hashes", variable="REQUIRE_HASHES",
    ),
    Option(
        "verify_hashes", "--verify-hashes", "Do not look at the hashes in the files", inverse="--no-verify-hashes",
        variable="NO_VERIFY_HASHES", negated=True,
    ),
    Option(
        "require_build_hashes", "--require-build-hashes", "Require hashes for all build requirements",
        inverse="--no-require-build-hashes", variable="REQUIRE_BUILD_HASHES",
    ),
)  # fmt: skip

PLACE = (
    Option(
        "venv", "--venv",
        "Synchronise the environment at this path, creating it if it is missing (an option of envsync)",
        kind="value", metavar="PATH", scope="sync", relative="path", excludes=("target", "prefix", "system"),
    ),
    Option(
        "python", "-p --python", "The interpreter, or the environment: a path, a version, a name", kind="value",
        metavar="REQ", variable="PYTHON", session=False,
    ),
    Option(
        "system", "--system", "Synchronise the first Python on PATH instead of a virtual environment",
        inverse="--no-system", variable="SYSTEM_PYTHON", scope="sync", session=False,
    ),
    Option(
        "break_system_packages", "--break-system-packages", "Modify an EXTERNALLY-MANAGED Python",
        inverse="--no-break-system-packages", variable="BREAK_SYSTEM_PACKAGES", scope="sync", session=False,
    ),
    Option(
        "target", "-t --target", "Install into this directory, without the layout of an environment", kind="value",
        metavar="DIR", scope="sync", relative="path", session=False, excludes=("prefix",),
    ),
    Option(
        "prefix", "--prefix", "Install into lib, bin and so on below this directory", kind="value", metavar="DIR",
        scope="sync", relative="path", session=False,
    ),
    Option(
        "python_version", "--python-version", "Choose files and markers for this version of Python", kind="value",
        metavar="X.Y[.Z]",
    ),
    Option(
        "python_platform", "--python-platform", "Choose files and markers for this platform", kind="value",
        metavar="PLATFORM", choices="pytest_envsync.platforms:PLATFORMS",
    ),
)  # fmt: skip

WORK = (
    Option(
        "dry_run", "--dry-run", "Say what would change, and change nothing", configurable=False, scope="sync",
        excludes=("check",),
    ),
    Option(
        "check", "--check", "As --dry-run, with exit status 1 if something would change", configurable=False,
        scope="sync",
    ),
    Option(
        "strict", "--strict", "Warn about distributions with missing dependencies and other faults afterwards",
        inverse="--no-strict", scope="sync",
    ),
    Option(
        "reinstall", "--reinstall", "Install every distribution again; implies --refresh", aliases="--force-reinstall",
        inverse="--no-reinstall", scope="sync",
    ),
    Option(
        "reinstall_package", "--reinstall-package", "Install this one again; implies --refresh-package", kind="list",
        metavar="NAME", scope="sync",
    ),
    Option(
        "verify_files", "--verify-files",
        "Read every installed file and repair what differs from the locked artifacts (an option of envsync)",
        inverse="--no-verify-files", scope="sync",
    ),
    Option(
        "link_mode", "--link-mode", "How files get from the store into the environment", kind="value", metavar="MODE",
        variable="LINK_MODE", choices=("clone", "copy", "hardlink", "symlink"), session=False,
    ),
    Option(
        "compile_bytecode", "--compile-bytecode", "Compile Python files to bytecode after the installation",
        aliases="--compile", inverse="--no-compile-bytecode --no-compile", variable="COMPILE_BYTECODE",
    ),
    Option("no_installer_metadata", "", aliases="--no-installer-metadata", variable="NO_INSTALLER_METADATA"),
)  # fmt: skip

INDEXES = (
    Option(
        "index", "--index", "An index to ask before the default one: a URL, a path, or NAME=URL", kind="list",
        metavar="INDEX", variable="INDEX", separator=" ", relative="address",
    ),
    Option(
        "default_index", "--default-index", "The index to ask last, instead of the public one", kind="value",
        metavar="INDEX", variable="DEFAULT_INDEX", relative="address",
    ),
    Option(
        "index_url", "-i --index-url", "The same, by its older name", kind="value", metavar="URL",
        variable="INDEX_URL", relative="address",
    ),
    Option(
        "extra_index_urls", "--extra-index-url", "As --index, by its older name", kind="list", metavar="URL",
        variable="EXTRA_INDEX_URL", separator=" ", relative="address",
    ),
    Option("index_rules", "", kind="list", configurable=False),
    Option(
        "find_links", "-f --find-links", "A directory or page that lists wheels and sdists", kind="list",
        metavar="LOCATION", variable="FIND_LINKS", separator=",", relative="address",
    ),
    Option("no_index", "--no-index", "Ask no index: only direct references and --find-links"),
    Option(
        "index_strategy", "--index-strategy", "How several indexes are combined", kind="value", metavar="STRATEGY",
        variable="INDEX_STRATEGY", choices=("first-index", "unsafe-first-match", "unsafe-best-match"),
    ),
    Option(
        "keyring_provider", "--keyring-provider", "Ask the keyring command for the passwords of indexes", kind="value",
        metavar="PROVIDER", variable="KEYRING_PROVIDER", choices=("disabled", "subprocess"),
    ),
    Option(
        "torch_backend", "--torch-backend", "The build of PyTorch to take: auto, cpu, cu126, rocm6.3 and so on",
        kind="value", metavar="BACKEND", variable="TORCH_BACKEND", choices="pytest_envsync.wheels.index.torch:BACKENDS",
    ),
    Option(
        "exclude_newer", "--exclude-newer", "Take no file that was uploaded after this date, time or duration ago",
        kind="value", metavar="WHEN", variable="EXCLUDE_NEWER",
    ),
    Option(
        "exclude_newer_package", "--exclude-newer-package", "The same for one project; false switches it off",
        kind="list", metavar="NAME=WHEN",
    ),
    Option(
        "prerelease", "", "When pre-releases are taken", kind="value",
        choices=("disallow", "allow", "if-necessary", "explicit", "if-necessary-or-explicit"),
    ),
    Option(
        "resolution", "", "Which of the versions that fit is taken", kind="value",
        choices=("highest", "lowest", "lowest-direct"),
    ),
)  # fmt: skip

BUILDS = (
    Option(
        "no_build", "--no-build", "Build no sdist: --only-binary :all:", inverse="--build",
        excludes=("no_binary", "only_binary"),
    ),
    Option("no_binary", "--no-binary", "Take no wheels of this project, or of :all:", kind="commas", metavar="NAME",
           separator=","),
    Option("only_binary", "--only-binary", "Take only wheels of this project, or of :all:", kind="commas",
           metavar="NAME", separator=","),
    Option(
        "config_settings", "-C --config-setting", "A setting for build backends (PEP 517)", kind="list",
        metavar="KEY=VALUE", aliases="--config-settings",
    ),
    Option(
        "config_settings_package", "--config-settings-package", "The same for one project", kind="list",
        metavar="NAME:KEY=VALUE",
    ),
    Option(
        "no_build_isolation", "--no-build-isolation", "Build with what is installed in the environment",
        inverse="--build-isolation", variable="NO_BUILD_ISOLATION",
    ),
    Option("no_build_isolation_package", "", "The same for one project", kind="list"),
    Option("extra_build_dependencies", "", kind="list", configurable=False),
    Option("extra_build_variables", "", kind="list", configurable=False),
    Option("dependency_metadata", "", kind="list", configurable=False),
    Option("no_sources", "--no-sources", "Ignore tool.uv.sources of source trees", variable="NO_SOURCES"),
    Option(
        "no_sources_package", "--no-sources-package", "The same for one project", kind="list", metavar="NAME",
        variable="NO_SOURCES_PACKAGE",
    ),
)  # fmt: skip

NETWORK = (
    Option("offline", "--offline", "Do not use the network", inverse="--no-offline", variable="OFFLINE",
           scope="global", ini="envsync_offline", excludes=("refresh", "refresh_package")),
    Option("cert", "--cert", "A bundle of PEM certificates instead of the default ones", kind="value", metavar="FILE",
           scope="global", relative="path"),
    Option(
        "system_certs", "--system-certs", "Trust the certificates of the platform", aliases="--native-tls",
        inverse="--no-system-certs --no-native-tls", variable="SYSTEM_CERTS", scope="global",
    ),
    Option(
        "allow_insecure_host", "--allow-insecure-host", "Do not verify the certificate of this host", kind="list",
        metavar="HOST", aliases="--trusted-host", variable="INSECURE_HOST", separator=" ", scope="global",
    ),
)  # fmt: skip

CACHE = (
    Option("cache_dir", "--cache-dir", "Where the cache is", kind="value", metavar="DIR", variable="CACHE_DIR",
           uv=False, relative="path", scope="global", ini="envsync_cache_dir"),
    Option("no_cache", "-n --no-cache", "Use a temporary cache for this run", aliases="--no-cache-dir",
           variable="NO_CACHE", scope="sync"),
    Option("refresh", "--refresh", "Ask again for what is cached", inverse="--no-refresh"),
    Option("refresh_package", "--refresh-package", "The same for one project", kind="list", metavar="NAME"),
)  # fmt: skip

GLOBAL = (
    Option("output_format", "--output-format", "What is printed on standard output", kind="value", metavar="FORMAT",
           choices=("text", "json"), scope="global"),
    Option("quiet", "-q --quiet", "Print less; twice: only the exit status tells", kind="count", scope="global",
           configurable=False, excludes=("verbose",)),
    Option("verbose", "-v --verbose", "Print more; twice: more still", kind="count", scope="global",
           configurable=False),
    Option("color", "--color", "When to use colours", kind="value", metavar="WHEN",
           choices=("auto", "always", "never"), scope="global"),
    Option("no_color", "", aliases="--no-color", scope="global", configurable=False),
    Option("no_progress", "--no-progress", "Show no progress", variable="NO_PROGRESS", scope="global"),
    Option("directory", "--directory", "Change to this directory first", kind="value", metavar="DIR",
           variable="WORKING_DIR", scope="global", configurable=False),
    Option("project", "--project", "Look for configuration in this directory", kind="value", metavar="DIR",
           variable="PROJECT", scope="global", configurable=False),
    Option("config_file", "--config-file", "Read this uv.toml and no other configuration file", kind="value",
           metavar="FILE", variable="CONFIG_FILE", scope="global", configurable=False),
    Option("no_config", "--no-config", "Read no configuration file but that of `--config-file`", variable="NO_CONFIG",
           scope="global", configurable=False),
    Option("auto_prune", "", "Once a day, remove environments and wheels that were long unused", scope="global"),
)  # fmt: skip


def _compatible(name: str, flag: str, kind: Kind = "flag", choices: tuple[str, ...] = ()) -> Option:
    return Option(name, "", kind=kind, aliases=flag, scope="global", configurable=False, ignored=True, choices=choices)


COMPATIBLE = (
    _compatible("managed_python", "--managed-python"),
    _compatible("no_managed_python", "--no-managed-python"),
    _compatible("no_python_downloads", "--no-python-downloads"),
    _compatible("allow_python_downloads", "--allow-python-downloads"),
    _compatible(
        "python_preference", "--python-preference", "value", ("only-managed", "managed", "system", "only-system")
    ),
    _compatible("python_fetch", "--python-fetch", "value", ("automatic", "manual", "never")),
    _compatible("preview", "--preview"),
    _compatible("no_preview", "--no-preview"),
    _compatible("preview_features", "--preview-features", "list"),
    _compatible("isolated", "--isolated"),
)
"""Options of the reference that mean nothing here: no interpreter is downloaded, nothing is a preview."""

SECTIONS = (
    ("Inputs", INPUTS),
    ("Hashes", HASHES),
    ("Where to install", PLACE),
    ("What to do", WORK),
    ("Indexes", INDEXES),
    ("Builds", BUILDS),
    ("Network", NETWORK),
    ("Cache", CACHE),
    ("Global", GLOBAL),
    ("", COMPATIBLE),
)

OPTIONS: tuple[Option, ...] = tuple(option for _, section in SECTIONS for option in section)
BY_NAME = {option.name: option for option in OPTIONS}

REFUSED = {
    "--ask": "envsync never asks for confirmation; --dry-run shows what would change",
    "-a": "envsync never asks for confirmation; --dry-run shows what would change",
    "--python-executable": "to synchronise another environment use `--python PATH`",
    "--user": "use a virtual environment instead",
    "--client-cert": "client certificates are read from SSL_CLIENT_CERT",
    "--config": "settings are read from `[tool.envsync]` in pyproject.toml, or from `--config-file`",
    "--pip-args": "pass the options to envsync itself",
    "--upgrade": "a sync installs what the files say; lock again to upgrade",
    "-U": "a sync installs what the files say; lock again to upgrade",
    "--upgrade-package": "a sync installs what the files say; lock again to upgrade",
    "-P": "a sync installs what the files say; lock again to upgrade",
    "--override": "overrides are for whoever makes the lock; `--constraint` limits what is taken here",
    "--overrides": "overrides are for whoever makes the lock; `--constraint` limits what is taken here",
    "--prerelease": "name the pre-release in the requirement",
    "--resolution": "a sync installs what the files say; lock again for other versions",
    "--exact": "a sync always removes what the files do not name",
    "--inexact": "a sync always removes what the files do not name; `uv pip install` and `pip install` do not",
    "--only-group": "name the group alone: `--group NAME`, without `--extra`",
    "--no-deps": "a sync never follows dependencies",
    "--requirement": "files are given without an option: `envsync sync FILE`",
    "-r": "files are given without an option: `envsync sync FILE`",
    "--editable": "put `-e PATH` into a requirements file",
    "-e": "put `-e PATH` into a requirements file",
    "--pre": "name the pre-release in the requirement",
    "--output-file": "a sync writes no file",
    "-o": "a sync writes no file",
}
"""Options that pip-sync, ``uv sync`` or ``uv pip install`` has and a sync has not, with what to do instead."""


def _give_headings() -> None:
    for heading, section in SECTIONS:
        for option in section:
            option.heading = heading


_give_headings()
