"""Everything that a plan changes on disk, worked out before the first change.

Reads directories and RECORDs, writes nothing. What cannot be done is refused here.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from pytest_envsync.digesting import sha256
from pytest_envsync.distributions import InstalledDistribution
from pytest_envsync.environment.claims import Claim, find_claims
from pytest_envsync.environment.disk import Disk, files_below, find_renames, linked_directories
from pytest_envsync.environment.install import (
    Overlap,
    Prepared,
    WheelFiles,
    bring_in,
    content_digest,
    drop_compiled,
    overlap_warnings,
    parcel_of,
    reading,
)
from pytest_envsync.environment.layout import Item, Tree, Written, lay_out, plain_path, roots_of
from pytest_envsync.environment.uninstall import Departure, find_departure, standing_directories
from pytest_envsync.errors import EnvsyncError, InstallError
from pytest_envsync.plan import Plan
from pytest_envsync.record import record_hash
from pytest_envsync.target import Target
from pytest_envsync.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What changes on disk; all paths are absolute and plain.

    *renames* are set aside, *directories* are made (parents first), *tree* holds the files that are
    placed, *additions* the highest paths that were not there before. *warnings* are sentences.
    """

    renames: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    tree: Tree = field(default_factory=dict)
    additions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_changes(
    plan: Plan,
    wheels: dict[str, Prepared],
    *,
    target: Target,
    store: WheelFiles,
    bytecode: bool = True,
    installer_metadata: bool = True,
) -> ChangeSet:
    """Return what carrying out *plan* changes on disk.

    *wheels* holds what is installed, by normalised name. Raises InstallError, WheelError or StoreError for
    whatever can be known not to work.
    """
    return _Search(plan, target, store).run(wheels, bytecode=bytecode, installer_metadata=installer_metadata)


class _Search:
    """The working out of one change set."""

    def __init__(self, plan: Plan, target: Target, store: WheelFiles) -> None:
        self.target = target
        self.store = store
        self.kept = plan.keep
        self.going = [*plan.remove, *(old for item in plan.reinstall for old in item.installed)]
        self.roots = roots_of(target)
        self.disk = Disk(standing_directories(self.roots), self._owned_roots())
        self.overlaps: list[Overlap] = []
        self.warnings: list[str] = []

    def run(self, wheels: dict[str, Prepared], *, bytecode: bool, installer_metadata: bool) -> ChangeSet:
        arrival = bring_in(
            wheels, target=self.target, store=self.store, bytecode=bytecode, installer_metadata=installer_metadata
        )
        tree = arrival.tree
        self.overlaps += arrival.overlaps
        self.warnings += arrival.warnings
        departure = find_departure(self.going, roots=self.roots, stored=self._stored_paths)
        self.warnings += departure.warnings
        for path, content in departure.rewritten.items():
            directory, _, name = path.rpartition("/")
            tree.setdefault(directory, {}).setdefault(name, Written(content, 0o666, ""))
        for directory in departure.directories:
            departure.files.update(files_below(self.disk, directory))
        # What arrives in the place of a linked directory replaces the link: nothing is written through it.
        departure.files.update(linked_directories(self.disk, tree, {self.roots["purelib"], self.roots["platlib"]}))
        departure.files.update(self._replaced(tree))
        claimed = self._settle_claims(tree, departure) if departure.files else set()
        renames = find_renames(self.disk, departure.files, departure.directories, claimed)
        self._check_links(path for path in renames if self.disk.kind(path) == "link")
        directories, additions = _Ground(self.disk, renames, self.roots.values()).prepare(tree)
        self.warnings += overlap_warnings(self.overlaps, plain_path(self.target.prefix))
        return ChangeSet(
            renames=tuple(renames),
            directories=tuple(directories),
            tree=tree,
            additions=tuple(additions),
            warnings=tuple(self.warnings),
        )

    def _owned_roots(self) -> set[str]:
        """Return the directories below which empty directories are a removed distribution's leftovers.

        Outside of an environment of its own only site-packages is: an empty directory of the system is the system's.
        """
        sites = {self.roots["purelib"], self.roots["platlib"]}
        return {*sites, self.roots["data"]} if self.target.is_virtual else sites

    def _replaced(self, tree: Tree) -> Iterable[str]:
        """Yield the files on disk in whose place something arrives."""
        for directory, items in tree.items():
            present = self.disk.names(directory)
            if present:
                for name in items.keys() & present.keys():
                    if present[name] != "directory":
                        yield f"{directory}/{name}"

    def _check_links(self, links: Iterable[str]) -> None:
        """Refuse to take away a linked directory that holds files of what stays; tell of each that goes.

        Raises InstallError.
        """
        for link in links:
            claims = find_claims(self.kept, set(files_below(self.disk, link)))
            place = os.path.realpath(link)
            if claims:
                owner = min(claim.distribution.name for claim in claims.values())
                raise InstallError(
                    f"`{link}` is a link to the directory `{place}`, which also holds files of `{owner}`",
                    hint="put the directory itself in the place of the link",
                )
            self.warnings.append(f"`{link}` was a link to `{place}`: the link is gone, what is there stays")

    def _settle_claims(self, tree: Tree, departure: Departure) -> set[str]:
        """Give each file to the last by name of those that have it; return the paths that stay as they are.

        What stays leaves *departure*; what another distribution that stays gets back joins *tree*.
        """
        staying = set()
        for path, claim in find_claims(self.kept, departure.files).items():
            directory, _, name = path.rpartition("/")
            owner = claim.distribution.name
            arriving = tree.get(directory, {}).get(name)
            if arriving is not None:
                differs = _is_another(claim, content_digest(arriving))
                if arriving.owner > owner:
                    if differs:
                        self.overlaps.append(Overlap(owner, arriving.owner, path))
                    continue
                del tree[directory][name]
                drop_compiled(tree, directory, name)
                if differs:
                    self.overlaps.append(Overlap(arriving.owner, owner, path))
            if self._gives_back(tree, path, claim):
                continue
            departure.files.discard(path)
            staying.add(path)
        for directory in [directory for directory, items in tree.items() if not items]:
            del tree[directory]
        return staying

    def _gives_back(self, tree: Tree, path: str, claim: Claim) -> bool:
        """Whether the file of the distribution that stays has to come from the store; it is in *tree* then."""
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            return False
        if not _is_another(claim, sha256(content).hexdigest()):
            return False
        item = self._stored_item(claim.distribution, path)
        if item is None:
            name = claim.distribution.name
            self.warnings.append(
                f"`{path}` is another distribution's, and the cache has no `{name}` to take it from;"
                f" --reinstall-package {name} brings it back"
            )
            return False
        directory, _, filename = path.rpartition("/")
        tree.setdefault(directory, {})[filename] = item
        return True

    def _stored_item(self, distribution: InstalledDistribution, path: str) -> Item | None:
        directory, _, name = path.rpartition("/")
        return self._stored_tree(distribution).get(directory, {}).get(name)

    def _stored_paths(self, distribution: InstalledDistribution) -> tuple[str, ...] | None:
        tree = self._stored_tree(distribution)
        return tuple(f"{directory}/{name}" for directory, items in tree.items() for name in items) or None

    def _stored_tree(self, distribution: InstalledDistribution) -> Tree:
        """Return an installed distribution as the store's wheel lays it out; empty when there is no such wheel."""
        wheel = None if distribution.sha256 is None else self.store.get(distribution.sha256)
        if wheel is None:
            return {}
        try:
            parcel = parcel_of(wheel, self.store)
            return lay_out(parcel, self.target, self.roots, reading(wheel, parcel.files)).tree
        except EnvsyncError:
            return {}


def _is_another(claim: Claim, digest: str) -> bool:
    """Whether the content of that sha256 is certainly not the claimed one."""
    return claim.hash.startswith("sha256=") and claim.hash != record_hash(digest)


class _Ground:
    """Which directories will stand once the renames are done."""

    def __init__(self, disk: Disk, renames: Iterable[str], roots: Iterable[str]) -> None:
        self.disk = disk
        self.renames = set(renames)
        self.roots = tuple(f"{root}/" for root in roots)
        self.stands: dict[str, bool] = {}
        self.made: list[str] = []
        self.additions: list[str] = []

    def prepare(self, tree: Tree) -> tuple[list[str], list[str]]:
        """Return the directories to be made, parents first, and the highest new paths."""
        for directory, items in tree.items():
            if not self._reach(directory):
                continue
            present = self.disk.names(directory)
            for name, item in items.items():
                path = f"{directory}/{name}"
                if name in present and path not in self.renames:
                    raise InstallError(
                        f"`{item.owner}` brings a file `{path}`, where a directory stands",
                        hint="move that directory away, or leave out the distribution",
                    )
                self.additions.append(path)
        return self.made, self.additions

    def _is_inside(self, link: str) -> bool:
        return f"{plain_path(os.path.realpath(link))}/".startswith(self.roots)

    def _reach(self, directory: str) -> bool:
        """Return whether *directory* stands already; otherwise it is noted to be made."""
        known = self.stands.get(directory)
        if known is not None:
            return known
        parent, _, name = directory.rpartition("/")
        if self.disk.is_standing(directory):
            stands = os.path.isdir(directory)
            above = stands or not parent or self._reach(parent)
        else:
            above = self._reach(parent)
            kind = self.disk.names(parent).get(name) if above and directory not in self.renames else None
            stands = kind in {"directory", "link"}
            if kind == "link" and not self._is_inside(directory):
                raise InstallError(
                    f"`{directory}` is a link to `{os.path.realpath(directory)}`, outside of the environment",
                    hint="put a directory in the place of the link, or leave out the distribution",
                )
            if kind == "file":
                raise InstallError(
                    f"`{directory}` is a file, where a directory is needed",
                    hint="move that file away; no distribution that is removed or replaced owns it",
                )
        self.stands[directory] = stands
        if not stands:
            self.made.append(directory)
            if above:
                self.additions.append(directory)
        return stands
