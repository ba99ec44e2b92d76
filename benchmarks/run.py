"""Compare envsync with its peers on real locks; prints a table of medians and ratios.

Run from anywhere with any Python from 3.10 that has pip; the locks in ``benchmarks/locks`` are for 3.11::

    python benchmarks/run.py --python python3.11 --runs 5

The tools are installed into environments of their own below ``--root``; the wheels are fetched once from the
public index and then served from this machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cases
from local_index import serve
from measure import Sample, compare, median
from peers import Bench, lock_with_pytest, make_bench, wheels_of

sys.dont_write_bytecode = True
EVERY = [*cases.CASES, "comparison", "matrix"]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locks", nargs="*", type=Path, help="lockfiles (default: those beside this program)")
    parser.add_argument("--python", default=sys.executable, help="interpreter that the locks are for")
    parser.add_argument(
        "--case", action="append", choices=[*sorted(cases.CASES), "comparison", "matrix"], help="only this case"
    )
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command, after one warm-up")
    parser.add_argument("--root", type=Path, default=Path(tempfile.gettempdir()) / "envsync-benchmarks")
    return parser.parse_args()


def row(lock: str, case: str, names: list[str], samples: list[Sample], goal: float | None) -> str:
    """Return the table rows of one case: medians, and the ratios of ours to each other."""
    ours = samples[0]
    lines = []
    for number, (name, sample) in enumerate(zip(names, samples, strict=True)):
        ratio = "" if number == 0 else f"{median(ours.wall) / median(sample.wall):.2f}"
        cpu = "" if number == 0 else f"{median(ours.cpu) / median(sample.cpu):.2f}"
        wanted = f"{goal}" if number == 1 and goal is not None else ""
        lines.append(
            f"| {lock} | {case} | {name} | {median(sample.wall):.3f} | {median(sample.cpu):.3f} "
            f"| {max(sample.peak):.0f} | {ratio} | {cpu} | {wanted} |"
        )
    return "\n".join(lines)


def bench_lock(bench: Bench, given: Path, chosen: list[str], runs: int) -> None:
    """Run the chosen cases on one lock and print their rows."""
    lock = lock_with_pytest(bench, given)
    place = bench.root / "work" / lock.stem
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with serve(wheels_of(bench, lock)) as address:
        environ = {**bench.environ, "UV_DEFAULT_INDEX": address}
        work = cases.Work(bench=replace(bench, environ=environ), lock=lock, place=place)
        for case in chosen:
            if case == "comparison":
                count, bare, compared = cases.comparison(work)
                cells = [
                    lock.stem,
                    case,
                    f"{count} entries",
                    f"{compared:.3f}",
                    "",
                    "",
                    f"{compared / bare:.2f}",
                    "",
                    "1.5",
                ]
                print(f"| {' | '.join(cells)} |")
                continue
            make, goal = cases.CASES[case]
            contestants = make(work)
            samples = compare(contestants, environ, runs=runs)
            print(row(lock.stem, case, [item.name for item in contestants], samples, goal), flush=True)


def bench_matrix(bench: Bench, given: list[Path], runs: int) -> None:
    """Run the case of all locks together and print its rows."""
    locks = [lock_with_pytest(bench, lock) for lock in given]
    place = bench.root / "work" / "matrix"
    shutil.rmtree(place, ignore_errors=True)
    wheels = place / "wheels"
    wheels.mkdir(parents=True)
    for lock in locks:
        for wheel in wheels_of(bench, lock).glob("*.whl"):
            if not (wheels / wheel.name).exists():
                (wheels / wheel.name).hardlink_to(wheel)
    with serve(wheels) as address:
        environ = {**bench.environ, "UV_DEFAULT_INDEX": address}
        contestants = cases.matrix(replace(bench, environ=environ), locks, place)
        samples = compare(contestants, environ, runs=runs)
        print(row("all", "matrix", [item.name for item in contestants], samples, cases.MATRIX_GOAL), flush=True)


def main() -> None:
    """Run everything that was asked for."""
    options = arguments()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    python = shutil.which(options.python) or options.python
    locks = options.locks or sorted((Path(__file__).parent / "locks").glob("*.txt"))
    bench = make_bench(options.root, python)
    print("| lock | work | command | wall s | cpu s | peak MiB | wall ratio | cpu ratio | goal |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for lock in locks:
        bench_lock(bench, lock, [case for case in options.case or EVERY if case != "matrix"], options.runs)
    if "matrix" in (options.case or EVERY):
        bench_matrix(bench, locks, options.runs)


if __name__ == "__main__":
    main()
