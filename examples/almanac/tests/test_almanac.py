import datetime
import importlib.metadata
import pathlib
import sys

import pytest

import almanac

LOCK = pathlib.Path(__file__).parent.parent / "requirements.lock"


def test_ago():
    now = datetime.datetime(2026, 1, 4, tzinfo=datetime.timezone.utc)
    event = almanac.Event("launch", now - datetime.timedelta(days=3))
    assert event.ago(now) == "launch was 3 days ago"


@pytest.mark.parametrize("name", ["attrs", "humanize"])
def test_this_session_imports_the_locked_versions(name):
    assert f"{name}=={importlib.metadata.version(name)} " in LOCK.read_text()
    assert importlib.metadata.distribution(name).locate_file("").is_relative_to(sys.prefix)


@pytest.mark.envsync("../requirements.lock")
def test_an_environment_of_its_own(synced_env):
    assert set(synced_env.packages) == {"attrs", "humanize"}
    assert synced_env.run("python", "-c", "import humanize; print(humanize.intcomma(1000))").stdout == "1,000\n"


@pytest.mark.envsync("../requirements.lock", private=True)
def test_an_environment_to_break(synced_env):
    (synced_env.site_packages / "humanize" / "__init__.py").write_text("raise RuntimeError('broken')")
    assert synced_env.diff().distributions.changed or synced_env.diff().files.changed
    synced_env.restore()
    assert not synced_env.diff()
