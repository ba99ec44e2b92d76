"""pytest-django, -asyncio, -cov, -randomly, -rerunfailures and -timeout together, in a matrix of two real locks.

The locks were made as those of ``test_real_suites``; both hold all the plugins, so that this interpreter needs none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from factories import write_tree

LOCKS = Path(__file__).parent / "real_suites"
FILES = {
    "pytest.ini": "[pytest]\n"
    "DJANGO_SETTINGS_MODULE = site_.settings\npythonpath = .\nasyncio_mode = auto\ntimeout = 60\n"
    "asyncio_default_fixture_loop_scope = function\n",
    "site_/__init__.py": "",
    "site_/settings.py": (
        'SECRET_KEY = "x"\n'
        'INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "site_"]\n'
        'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "a", "TEST": {"NAME": "test_a"}}}\n'
    ),
    "site_/models.py": (
        "from django import VERSION\n"
        "from django.db import models\n\n\n"
        "class Thing(models.Model):\n"
        "    id = models.AutoField(primary_key=True)\n"
        "    name = models.CharField(max_length=10)\n\n"
        "    def shout(self):\n"
        "        if VERSION[0] == 4:\n"
        "            return self.name.upper()\n"
        "        return self.name.upper()\n"
    ),
    "tests/test_site.py": """\
import asyncio, os
from pathlib import Path

import django
import pytest
from site_.models import Thing


@pytest.mark.django_db
@pytest.mark.parametrize("n", range(4))
def test_database(n):
    Thing.objects.create(name=f"a{n}")
    assert Thing.objects.get().shout() == f"A{n}"


async def test_coroutine():
    await asyncio.sleep(0.01)


@pytest.mark.flaky(reruns=2)
def test_flaky():
    place = Path(f"flaky-{django.VERSION[0]}")
    if not place.exists():
        place.touch()
        raise AssertionError("the first time")


@pytest.mark.flaky(reruns=1)
def test_crash():
    place = Path(f"crash-{django.VERSION[0]}")
    if not place.exists():
        place.touch()
        os._exit(3)


@pytest.mark.timeout(0.5, func_only=True)
def test_slow():
    import time

    time.sleep(5)
""",
}
MEASURE = ["--cov=site_", "--cov-report=term-missing", "-k", "not crash"]  # what a crashed worker measured is lost


@pytest.mark.network
@pytest.mark.skipif(sys.version_info < (3, 11), reason="the locks were made for Python 3.11 and newer")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("args", [MEASURE, ["-n", "2"], ["-n", "4", *MEASURE]], ids=["turns", "crash", "workers"])
def test_each_plugin_does_its_work_in_each_environment(tmp_path: Path, args: Sequence[str]) -> None:
    write_tree(tmp_path, FILES)
    for name in ("low", "high"):
        (tmp_path / f"{name}.txt").write_text((LOCKS / f"django-{name}.txt").read_text())
    command = [sys.executable, "-m", "pytest", "--envsync=low.txt", "--envsync=high.txt", *args]
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--envsync-report=report.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    told = run.stdout + run.stderr
    assert run.returncode == 1, told
    is_measured = "-k" in args
    expected = {"passed": 6, "rerun": 1, "failed": 1} if is_measured else {"passed": 7, "rerun": 2, "failed": 1}
    rows = json.loads((tmp_path / "report.json").read_text())["environments"]
    assert [(row["name"], row["outcomes"], row["error"]) for row in rows] == [
        ("low", expected, None),
        ("high", expected, None),
    ], told
    assert "Using --randomly-seed=" in told
    assert "FAILED tests/test_site.py::test_slow[low]" in told
    assert "FAILED tests/test_site.py::test_slow[high]" in told
    if is_measured:
        # Both branches, each of which runs in one environment.
        assert next(line for line in told.splitlines() if line.startswith("site_/models.py")).split()[3] == "100%"
