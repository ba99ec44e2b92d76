"""Source trees out of git repositories, by the ``git`` command.

A repository is fetched into one bare clone in the cache, whatever number of distributions
it holds; a commit is checked out from there into a directory of its own.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_envsync.addresses import masked, without_credentials
from pytest_envsync.cache import exclusive, lock_timeout
from pytest_envsync.errors import FetchError, OfflineError, TargetError
from pytest_envsync.options.values import read_switch
from pytest_envsync.removal import discard_tree
from pytest_envsync.requirements import VcsSource
from pytest_envsync.wheels.build.processes import Processes

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_TIMEOUT = 600.0  # seconds for one git command; a large repository over a slow line takes minutes


class Repositories:
    """The clones of one cache. *offline* asks no remote: a commit must be in the clone already."""

    def __init__(self, root: Path, environ: Mapping[str, str], *, processes: Processes, offline: bool = False) -> None:
        self.root = root
        self.environ = environ
        self.processes = processes
        self.offline = offline
        self._with_large_files = read_switch(environ, "GIT_LFS")
        self._listings: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}

    def resolve(self, source: VcsSource) -> str:
        """Return the commit id (40 hex digits) that *source* stands for.

        A full commit id is taken as it is; branches and tags are asked from the remote in each run, because they
        move, and once in a run, so that all that come from one branch come from one commit. Raises FetchError when the
        repository or the revision does not exist.
        """
        asked = source.commit_id or source.requested_revision
        if asked is not None and _COMMIT.match(asked):
            return asked
        if self.offline:
            raise OfflineError(
                f"`{masked(source.url)}` was not asked for `{asked or 'HEAD'}`: --offline",
                url=masked(source.url),
                hint="give the full commit id, or leave --offline out",
            )
        refs = self._references(source.url)
        if asked is None:
            names = ["HEAD"]
        else:
            # A branch before a tag of the same name, as the reference has it; an annotated tag stands for the commit
            # that it peels to.
            names = [f"refs/heads/{asked}", f"refs/tags/{asked}^{{}}", f"refs/tags/{asked}"]
            names += [f"{asked}^{{}}", asked, f"refs/{asked}^{{}}", f"refs/{asked}"]
        for name in names:
            if name in refs:
                return refs[name]
        if asked is not None and re.fullmatch(r"[0-9a-f]{7,39}", asked):
            return self._abbreviated(source, asked)
        raise _no_revision(source, asked or "HEAD")

    def _references(self, url: str) -> Mapping[str, str]:
        """Return the commit of each reference of the remote."""
        with self._lock:
            asking = self._asking.setdefault(url, threading.Lock())
        with asking:
            if url not in self._listings:
                listing = self._git(["ls-remote", "--", url], url=url)
                pairs = (line.partition("\t") for line in listing.splitlines())
                self._listings[url] = {reference: commit for commit, _, reference in pairs}
            return self._listings[url]

    def checkout(self, source: VcsSource, commit: str, destination: Path) -> Path:
        """Write the tree of *commit*, with its submodules, into *destination* and return the source directory.

        *destination* must not exist. Raises FetchError for a commit or a subdirectory that is not there.
        """
        clone = self._clone(source, commit)
        try:
            self._check_out(clone, source, commit, destination)
        except FetchError:
            if self._is_sound(clone):
                raise
            # A crash, or a full disk, left it so.
            discard_tree(destination)
            self._check_out(self._clone(source, commit, anew=True), source, commit, destination)
        if self.has_large_files(source):
            self._bring_large_files(source, destination)
        if source.subdirectory is None:
            return destination
        tree = (destination / source.subdirectory).resolve()
        if not tree.is_dir() or not tree.is_relative_to(destination.resolve()):
            raise FetchError(
                f"there is no directory `{source.subdirectory}` in `{masked(source.url)}` at {commit[:12]}",
                url=masked(source.url),
                hint="check the part behind `#subdirectory=`",
                exit_status=1,
            )
        return tree

    def _check_out(self, clone: Path, source: VcsSource, commit: str, destination: Path) -> None:
        self._git(["clone", "--quiet", "--shared", "--no-checkout", str(clone), str(destination)], url=source.url)
        # Addresses of submodules and of large files are relative to the remote, not to the clone in the cache.
        self._git(["remote", "set-url", "origin", without_credentials(source.url)], cwd=destination, url=source.url)
        self._git(["checkout", "--quiet", "--force", "--detach", commit], cwd=destination, url=source.url)
        if (destination / ".gitmodules").exists() and not self.offline:
            self._git(["submodule", "update", "--init", "--recursive", "--quiet"], cwd=destination, url=source.url)

    def has_large_files(self, source: VcsSource) -> bool:
        """Whether the files of *source* that Git LFS keeps are wanted: it says so, or else the variable."""
        return self._with_large_files if source.large_files is None else source.large_files

    def _bring_large_files(self, source: VcsSource, checkout: Path) -> None:
        if not self._try(["lfs", "version"], checkout):
            raise TargetError(
                f"the large files of `{masked(source.url)}` are asked for, and Git LFS is not installed",
                hint="install git-lfs, or leave out what asks for them: `lfs=true`, UV_GIT_LFS",
            )
        for arguments in (["lfs", "install", "--local", "--skip-repo"], ["lfs", "pull"]):
            self._git(arguments, cwd=checkout, url=source.url)

    def _abbreviated(self, source: VcsSource, asked: str) -> str:
        """Return the commit that begins with *asked*; what the clone has is not fetched again."""
        clone = self._place(source)
        known = self._begun_by(asked, clone, source) if (clone / "HEAD").exists() else None
        found = known or self._begun_by(asked, self._clone(source, None), source)
        if found is None:
            raise _no_revision(source, asked)
        return found

    def _begun_by(self, asked: str, clone: Path, source: VcsSource) -> str | None:
        try:
            return self._git(["rev-parse", "--verify", f"{asked}^{{commit}}"], cwd=clone, url=source.url).strip()
        except FetchError:
            return None

    def _place(self, source: VcsSource) -> Path:
        name = hashlib.sha256(without_credentials(source.url).encode()).hexdigest()[:24]
        return self.root / "git" / name

    def _clone(self, source: VcsSource, commit: str | None, *, anew: bool = False) -> Path:
        """Return the bare clone of the repository, with *commit* (None: everything) in it; with *anew* a new one."""
        clone = self._place(source)
        lock = exclusive(
            self.root / "locks" / f"git-{clone.name}.lock",
            timeout=max(lock_timeout(self.environ), _TIMEOUT),
            waiting=lambda *_: self.processes.check(),
        )
        with lock:
            if anew:
                discard_tree(clone)
            try:
                self._bring(clone, source, commit)
            except FetchError:
                if self._is_sound(clone, "--connectivity-only"):
                    raise
                discard_tree(clone)
                self._bring(clone, source, commit)
        return clone

    def _bring(self, clone: Path, source: VcsSource, commit: str | None) -> None:
        """Let *clone* have *commit* (None: everything)."""
        if not (clone / "HEAD").exists():
            clone.parent.mkdir(parents=True, exist_ok=True)
            self._git(["init", "--quiet", "--bare", str(clone)], url=source.url)
        os.utime(clone)  # what was not used for long is removed
        if commit is not None and self._has(clone, commit):
            return
        if self.offline:
            raise OfflineError(
                f"commit {commit or ''} of `{masked(source.url)}` is not in the cache: --offline",
                url=masked(source.url),
            )
        # With the tags, because versions are made of them. A server may refuse to send a commit that no branch
        # points at; then every branch is fetched.
        tags = "+refs/tags/*:refs/tags/*"
        if commit is not None and self._try(
            # A reference of its own keeps it from being collected as garbage.
            ["fetch", "--quiet", "--force", source.url, f"{commit}:refs/envsync/{commit}", tags],
            clone,
        ):
            return
        self._git(
            ["fetch", "--quiet", "--force", source.url, "+refs/heads/*:refs/heads/*", tags],
            cwd=clone,
            url=source.url,
        )
        if commit is not None and not self._has(clone, commit):
            raise FetchError(
                f"git has no commit `{commit}` in `{masked(source.url)}`", url=masked(source.url), exit_status=1
            )

    def _is_sound(self, clone: Path, *how: str) -> bool:
        """Whether *clone* is not to blame for what failed; one that is not there is not."""
        return not clone.exists() or self._try(["fsck", "--no-dangling", "--no-progress", *how], clone)

    def _has(self, clone: Path, commit: str) -> bool:
        return self._try(["cat-file", "-e", f"{commit}^{{commit}}"], clone)

    def _try(self, arguments: Sequence[str], clone: Path) -> bool:
        try:
            self._git(arguments, cwd=clone, url="")
        except FetchError:
            return False
        return True

    def _git(self, arguments: Sequence[str], *, url: str, cwd: Path | None = None) -> str:
        return run_git(arguments, environ=self.environ, processes=self.processes, url=url, cwd=cwd)


def _no_revision(source: VcsSource, asked: str) -> FetchError:
    return FetchError(
        f"git has no revision `{asked}` in `{masked(source.url)}`",
        url=masked(source.url),
        hint="a branch, a tag or a commit id is expected behind `@`",
        exit_status=1,
    )


def run_git(
    arguments: Sequence[str], *, environ: Mapping[str, str], processes: Processes, url: str, cwd: Path | None = None
) -> str:
    """Run git and return what it printed; *url* is for the message of a failure, which is masked.

    git never asks for credentials at the terminal. Raises FetchError (exit status 1) with git's own
    last lines, TargetError when there is no git.
    """
    import subprocess
    import tempfile

    surrounding = {
        **{name: value for name, value in environ.items() if name not in OF_REPOSITORIES},
        "GIT_TERMINAL_PROMPT": "0",
        # They are brought on demand, when the commit is there.
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
    if cwd is not None:
        # What is damaged is no repository to git, which looks for one above: the cache may lie in one of the user's.
        ceilings = [str(cwd.resolve().parent), environ.get("GIT_CEILING_DIRECTORIES")]
        surrounding["GIT_CEILING_DIRECTORIES"] = os.pathsep.join(filter(None, ceilings))
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            # In the process group of the terminal: ssh may have to ask for a passphrase.
            status = processes.run(
                ["git", *arguments], cwd=cwd, environ=surrounding, output=output, errors=errors, timeout=_TIMEOUT
            )
        except FileNotFoundError as error:
            raise TargetError(
                "git is not installed, but a requirement names a git repository", hint="install git"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise FetchError(
                f"git {arguments[0]} took more than {_TIMEOUT:.0f} s for `{masked(url)}`",
                url=masked(url),
                exit_status=1,
            ) from error
        output.seek(0)
        errors.seek(0)
        if status != 0:
            said = masked(errors.read().decode("utf-8", "replace")).strip().splitlines()[-10:]
            raise FetchError(
                "\n".join([f"git {arguments[0]} failed for `{masked(url)}`", *(f"  {line}".rstrip() for line in said)]),
                url=masked(url),
                exit_status=1,
            )
        return output.read().decode("utf-8", "replace")


OF_REPOSITORIES = frozenset({
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DIR", "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX", "GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE",
})  # fmt: skip
"""Variables that say which repository is meant (``git rev-parse --local-env-vars``). Those of an outer one, in a hook
or a rebase, would point git at the wrong one. All others, for keys, certificates and settings, are the user's."""
