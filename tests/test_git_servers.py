"""Git over https and ssh, with real servers: what is fetched, who asks whom, and what is never shown."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from factories import project_files
from git_servers import HttpsGitServer, SshServer
from pytest_envsync.errors import FetchError
from source_world import World, commit, git, make_repository

SECRET = "s3cr3t-w0rd"


@pytest.fixture
def world(tmp_path: Path, clean_surrounding: None) -> World:
    return World(tmp_path)


@pytest.fixture
def repository(tmp_path: Path, clean_surrounding: None) -> Path:
    """A repository with ``demo``, and ``inner`` in the directory ``sub``."""
    inner = {f"sub/{path}": content for path, content in project_files("inner", "2.0").items()}
    return make_repository(tmp_path / "served" / "repository", {**project_files("demo"), **inner})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(repository: Path, authority: trustme.CA) -> Iterator[HttpsGitServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with HttpsGitServer(repository.parent, context) as running:
        yield running


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """The variable that makes git trust the server."""
    path = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(path))
    return {"GIT_SSL_CAINFO": str(path)}


def everything_kept(world: World) -> bytes:
    """All bytes of the cache and of the environment that could hold a secret."""
    places = [path for root in (world.cache, world.prefix) for path in root.rglob("*")]
    return b"".join(path.read_bytes() for path in places if path.is_file() and path.suffix not in {".so", ".pyc"})


def test_branch_tag_commit_and_subdirectory_come_over_https(
    world: World, server: HttpsGitServer, repository: Path, trusting: dict[str, str]
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "--annotate", "v1", "--message", "first")
    (repository / "demo.py").write_text("CHANGED = True\n")
    second = commit(repository, "change")
    url = server.url("repository")
    for revision, wanted in [("", second), ("@v1", first), ("@main", second), (f"@{first}", first)]:
        world.sync(f"demo @ {url}{revision}", environ=trusting)
        assert f'"commit_id": "{wanted}"' in world.note("demo", "direct_url.json").replace('":"', '": "')
    world.sync(f"{url}@{first[:8]}#subdirectory=sub", f"{url}@v1", environ=trusting)
    assert world.installed() == {"demo": "1.0", "inner": "2.0"}
    assert len(list((world.cache / "git").iterdir())) == 1


def test_a_commit_that_is_known_asks_the_server_nothing(
    world: World, server: HttpsGitServer, repository: Path, trusting: dict[str, str]
) -> None:
    line = f"demo @ {server.url('repository')}@{git(repository, 'rev-parse', 'HEAD')}"
    world.sync(line, environ=trusting)
    server.requests.clear()
    assert not world.sync(line, environ=trusting).changes
    world.sync(line, environ=trusting, reinstall=True)
    assert server.requests == []


def test_one_branch_is_one_commit_for_all_that_come_from_it(
    world: World, server: HttpsGitServer, trusting: dict[str, str]
) -> None:
    url = server.url("repository")
    world.sync(f"{url}@main#subdirectory=sub", f"demo @ {url}@main", environ=trusting)
    assert world.installed() == {"demo": "1.0", "inner": "2.0"}
    paths = [asked.path for asked in server.requests]
    # One to learn the commit, one to begin the fetch.
    assert paths.count("/repository/info/refs?service=git-upload-pack") == 2


def test_an_abbreviated_commit_is_fetched_once(
    world: World, server: HttpsGitServer, repository: Path, trusting: dict[str, str]
) -> None:
    line = f"demo @ {server.url('repository')}@{git(repository, 'rev-parse', '--short=9', 'HEAD')}"
    world.sync(line, environ=trusting)
    fetches = [asked.path for asked in server.requests].count("/repository/git-upload-pack")
    server.requests.clear()
    world.sync(line, environ=trusting, reinstall=True)
    # What references there are is asked, because one may have that name.
    asked_again = [asked.path for asked in server.requests].count("/repository/git-upload-pack")
    assert asked_again < fetches


def test_a_commit_that_no_branch_holds_is_fetched_where_the_server_gives_it(
    world: World, server: HttpsGitServer, repository: Path, trusting: dict[str, str]
) -> None:
    (repository / "demo.py").write_text("CHANGED = True\n")
    lost = commit(repository, "change")
    git(repository, "reset", "--quiet", "--hard", "HEAD~1")
    line = f"demo @ {server.url('repository')}@{lost}"
    # By the old protocol a server sends only what a reference leads to.
    old = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.version", "GIT_CONFIG_VALUE_0": "0"}
    assert f"git has no commit `{lost}`" in str(world.refused(line, environ={**trusting, **old}))
    world.sync(line, environ=trusting)
    assert "CHANGED" in (world.site / "demo.py").read_text()


def test_a_certificate_that_nobody_vouches_for_is_refused_in_the_words_of_git(
    world: World, server: HttpsGitServer
) -> None:
    error = world.refused(f"demo @ {server.url('repository')}")
    assert isinstance(error, FetchError)
    assert error.exit_status == 1
    assert "certificate" in str(error)


def test_credentials_open_the_door_and_are_kept_nowhere(
    world: World, server: HttpsGitServer, repository: Path, trusting: dict[str, str]
) -> None:
    server.credentials = ("somebody", SECRET)
    world.sync(f"demo @ {server.url('repository', user_info=f'somebody:{SECRET}@')}@main", environ=trusting)
    assert {asked.user for asked in server.requests} == {None, "somebody"}
    assert SECRET.encode() not in everything_kept(world)
    assert world.installed() == {"demo": "1.0"}


def test_what_is_said_of_a_success_shows_no_password(
    world: World, server: HttpsGitServer, trusting: dict[str, str]
) -> None:
    server.credentials = ("somebody", SECRET)
    (world.root / "r.txt").write_text(f"demo @ {server.url('repository', user_info=f'somebody:{SECRET}@')}\n")
    command = [sys.executable, "-m", "pytest_envsync", "sync", "-vv", "--python", str(world.prefix), "r.txt"]
    for again in ([], ["--reinstall"], ["--dry-run", "--reinstall"]):
        done = subprocess.run(
            [*command, *again],
            cwd=world.root,
            env={**os.environ, **trusting},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "demo" in done.stderr
        assert SECRET not in done.stderr + done.stdout
    assert SECRET.encode() not in everything_kept(world)


@pytest.mark.parametrize("suffix", ["", "@main", "@" + "1" * 40, "@nope", "#subdirectory=nope"])
@pytest.mark.parametrize("password", [SECRET, "wr0ng-w0rd"])
def test_no_message_shows_a_password(
    world: World, server: HttpsGitServer, trusting: dict[str, str], suffix: str, password: str
) -> None:
    server.credentials = ("somebody", SECRET)
    where = "nowhere" if suffix in {"", "@main"} else "repository"
    command = [sys.executable, "-m", "pytest_envsync", "sync", "-vv", "--python", str(world.prefix), "r.txt"]
    (world.root / "r.txt").write_text(f"demo @ {server.url(where, user_info=f'somebody:{password}@')}{suffix}\n")
    done = subprocess.run(
        command, cwd=world.root, env={**os.environ, **trusting}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "somebody:****@127.0.0.1" in done.stderr
    assert password not in done.stderr + done.stdout
    assert password.encode() not in everything_kept(world)


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_nobody_is_asked_for_a_password_at_the_terminal(
    world: World, server: HttpsGitServer, trusting: dict[str, str]
) -> None:
    import pty

    server.credentials = ("somebody", SECRET)
    (world.root / "r.txt").write_text(f"demo @ {server.url('repository')}\n")
    command = [sys.executable, "-m", "pytest_envsync", "sync", "--python", str(world.prefix), "r.txt"]
    environ = {**os.environ, **trusting, "GIT_ASKPASS": "", "TERM": "dumb"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(world.root)
        os.execve(command[0], command, environ)  # noqa: S606 - a real process
    said = b""
    while True:
        try:
            said += (chunk := os.read(terminal, 4096))
        except OSError:  # Linux: the other end is closed
            break
        if not chunk:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert b"terminal prompts disabled" in said
    assert b"Username for" not in said.replace(b"could not read Username for", b"")


def test_ssh_with_a_real_sshd(world: World, repository: Path, tmp_path: Path) -> None:
    with SshServer(tmp_path / "ssh") as sshd:
        environ = {"GIT_SSH_COMMAND": sshd.command}
        url = sshd.url(repository)
        world.sync(f"demo @ {url}@main", f"{url}#subdirectory=sub", environ=environ)
        assert world.installed() == {"demo": "1.0", "inner": "2.0"}
        error = world.refused(f"demo @ {sshd.url(repository.parent / 'nowhere')}", environ=environ)
        assert "does not appear to be a git repository" in str(error)
        refused = sshd.command.replace("user", "nobody")
        error = world.refused(f"other @ {url}", environ={"GIT_SSH_COMMAND": f"{refused} -i {os.devnull}"})
        assert error.exit_status == 1


def test_ssh_by_the_command_that_the_user_names(world: World, repository: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    wrapper = tmp_path / "transport"
    wrapper.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {seen}\nfor last; do :; done\nexec sh -c "$last"\n')
    wrapper.chmod(0o755)
    url = f"git+ssh://git@git.example.invalid:2222{repository}"
    # Of a program that is not called ssh git has to be told that it takes a port.
    environ = {"GIT_SSH_COMMAND": str(wrapper), "GIT_SSH_VARIANT": "ssh"}
    world.sync(f"demo @ {url}@main#subdirectory=", environ=environ)
    assert world.installed() == {"demo": "1.0"}
    assert {"git@git.example.invalid", "2222", f"git-upload-pack '{repository}'"} <= set(seen.read_text().splitlines())
    assert f'"url": "ssh://git@git.example.invalid:2222{repository}"' in world.note("demo", "direct_url.json").replace(
        '":"', '": "'
    )


def test_another_token_builds_nothing_again(
    world: World, server: HttpsGitServer, repository: Path, trusting: dict[str, str]
) -> None:
    head = git(repository, "rev-parse", "HEAD")
    built = []
    for token in ("monday", "tuesday"):
        address = server.url("repository").replace("https://", f"https://job:{token}@")
        world.sync(f"demo @ {address}@{head}", environ=trusting, reinstall=True)
        built += world.built
    assert len(built) == 1
