"""How the pages are built: ``sphinx-build -W docs OUTPUT``."""

from __future__ import annotations

from pytest_envsync.version import __version__

project = "pytest-envsync"
author = "The pytest-envsync team"
copyright = author  # noqa: A001 - the name that Sphinx reads
release = version = __version__

extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"pytest-envsync {release}"
myst_heading_anchors = 3
exclude_patterns = ["_build"]
# Snippets name files and products that no lexer knows.
suppress_warnings = ["misc.highlighting_failure"]
