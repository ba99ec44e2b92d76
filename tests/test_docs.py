"""What the pages say is so: every block of shell and configuration in them is run, and what they show is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from index_server import IndexServer
from snippets import Scenario

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_does_what_it_says(page: Path, tmp_path: Path, index: IndexServer) -> None:
    scenario = Scenario(page, tmp_path, index)
    scenario.collect()
    faults = scenario.run()
    if faults:
        pytest.fail("\n\n".join(faults), pytrace=False)
    if scenario.missing:
        pytest.skip(f"{scenario.missing} is not installed; what stands in front of it was run")
