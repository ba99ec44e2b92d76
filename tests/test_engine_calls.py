"""An engine that cannot be started is one sentence, not a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_envsync.errors import EnvsyncError
from pytest_envsync.pytest_plugin.session.engine import Engine
from pytest_envsync.pytest_plugin.surroundings import Surroundings


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), ("#!/bin/sh\n", "Permission denied")]
)
def test_an_interpreter_that_cannot_be_run_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    host = tmp_path / "python"
    if content is not None:
        host.write_text(content)
        host.chmod(0o600)
    nothing: dict[str, Any] = {"arguments": [], "options": {}, "base": str(tmp_path)}
    given = Surroundings(
        host=str(host), python_name="py3.13", host_environ={}, cache_dir=str(tmp_path / "cache"), rootdir=str(tmp_path),
        directory=str(tmp_path), files=[], python=None, extras=[], groups=[], line=nothing, ini=nothing, declared={},
        option_shapes={}, drift="warn", drift_ignore=[], trace=False, report=None,
    )  # fmt: skip
    with pytest.raises(EnvsyncError) as refused:
        Engine(given).provision({"files": []})
    assert str(refused.value).startswith(f"the engine cannot be started: `{host}`: {reason}")
    assert refused.value.hint
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
