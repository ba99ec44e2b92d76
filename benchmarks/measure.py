"""Time whole processes in turn and compare medians."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


class CommandError(Exception):
    """A measured command ended with another status than 0."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way to do the work: *setup* is not timed, *commands* are, one after another."""

    name: str
    commands: Sequence[Sequence[str]]
    setup: Callable[[], None] = lambda: None
    environ: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass
class Sample:
    """Seconds of wall clock and of processor time, and peak memory in MiB, run by run."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def run(contestant: Contestant, environ: Mapping[str, str], sample: Sample | None) -> None:
    """Run the commands of *contestant* once and add what they took to *sample*."""
    contestant.setup()
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = 0.0
    for command in contestant.commands:
        with Path(os.devnull).open("rb") as nothing:
            process = subprocess.Popen(
                list(command),
                stdin=nothing,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**environ, **contestant.environ},
                cwd=contestant.cwd,
            )
        assert process.stdout is not None
        output = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = max(peak, usage.ru_maxrss / 1024)
        if process.returncode != 0:
            raise CommandError(f"{contestant.name}: {' '.join(command)}\n{output.decode(errors='replace')[-4000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if sample is not None:
        sample.wall.append(time.perf_counter() - began)
        sample.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        sample.peak.append(peak)


def compare(
    contestants: Sequence[Contestant], environ: Mapping[str, str], *, runs: int, warmup: int = 1
) -> list[Sample]:
    """Run all in turn, A B A B ..., so that a drift of the machine meets them alike."""
    samples = [Sample() for _ in contestants]
    for number in range(-warmup, runs):
        for contestant, sample in zip(contestants, samples, strict=True):
            run(contestant, environ, sample if number >= 0 else None)
    return samples


def median(values: Sequence[float]) -> float:
    """Return the median; 0 for no values."""
    return statistics.median(values) if values else 0.0
