"""Each setting, declared once.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from pytest_envsync.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """The settings of one sync, after every face has been merged; plain values only.

    Paths are absolute by the time they are here, or relative to the working directory.
    Credentials may stand in addresses: mask them before printing.
    """

    constraints: tuple[str, ...] = ()
    build_constraints: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    all_extras: bool = False
    groups: tuple[str, ...] = ()
    # where files come from
    index: tuple[str, ...] = ()
    default_index: str | None = None
    index_url: str | None = None
    yields_index_url: bool = False  # it is pip's: an index that the inputs name comes before it
    extra_index_urls: tuple[str, ...] = ()
    index_rules: tuple[str, ...] = ()  # as index_tables.write_rule makes them
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    index_strategy: str = "first-index"
    keyring_provider: str = "disabled"
    torch_backend: str | None = None
    prerelease: str = "if-necessary-or-explicit"
    resolution: str = "highest"
    exclude_newer: str | None = None
    exclude_newer_package: tuple[str, ...] = ()
    # network
    cert: str | None = None
    system_certs: bool = False
    allow_insecure_host: tuple[str, ...] = ()
    offline: bool = False
    # hashes
    require_hashes: bool = False
    verify_hashes: bool = True
    require_build_hashes: bool = False
    # builds
    no_build: bool = False
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    config_settings: tuple[str, ...] = ()
    config_settings_package: tuple[str, ...] = ()
    no_build_isolation: bool = False
    no_build_isolation_package: tuple[str, ...] = ()
    extra_build_dependencies: tuple[str, ...] = ()  # these three as build_tables.read_build_table makes them
    extra_build_variables: tuple[str, ...] = ()
    dependency_metadata: tuple[str, ...] = ()
    no_sources: bool = False
    no_sources_package: tuple[str, ...] = ()
    # where it goes
    python: str | None = None
    venv: str | None = None
    system: bool = False
    break_system_packages: bool = False
    target: str | None = None
    prefix: str | None = None
    python_version: str | None = None
    python_platform: str | None = None
    # how
    reinstall: bool = False
    reinstall_package: tuple[str, ...] = ()
    refresh: bool = False
    refresh_package: tuple[str, ...] = ()
    link_mode: str | None = None
    compile_bytecode: bool = False
    verify_files: bool = False
    strict: bool = False
    dry_run: bool = False
    check: bool = False
    allow_empty_requirements: bool = False
    # cache
    no_cache: bool = False
    cache_dir: str | None = None
