"""The indexes of PyTorch: one per accelerator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_envsync.errors import UsageError
from pytest_envsync.wheels.index.torch import (
    BACKENDS,
    TORCH_INDEX,
    Accelerator,
    detect_accelerator,
    torch_backends,
    torch_indexes,
)

DRIVERS = ["374", "375.26", "390.46", "440.33", "450.36.6", "450.80.2", "525.60.13", "579.99", "580", "600.1"]
ARCHITECTURES = ["gfx900", "gfx90a", "gfx942", "gfx950", "gfx1030", "gfx1101", "gfx1102", "gfx1151", "gfx1201"]


def reference(*arguments: str, cwd: Path, environ: dict[str, str]) -> str:
    """What the reference says, in detail, when it looks for torch without a network."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("the reference is not installed")
    command = [uv, "pip", "sync", "-v", "--no-config", "--offline", "--no-cache", "--target", "there", "--dry-run"]
    (cwd / "r.txt").write_text("torch==2.5.1\n")
    answer = subprocess.run(
        [*command, "--python", sys.executable, *arguments, "r.txt"],
        cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return answer.stderr


def asked(text: str) -> set[str]:
    return set(re.findall(r"GET request for: \S+/whl/([^/]+)/torch/", text))


@pytest.mark.parity
@pytest.mark.parametrize("platform", ["linux", "windows", "macos"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_drivers_run_the_toolkits_that_the_reference_says(driver: str, platform: str, tmp_path: Path) -> None:
    text = reference(
        "--torch-backend", "auto", "--python-platform", platform,
        cwd=tmp_path, environ={"UV_CUDA_DRIVER_VERSION": driver},
    )  # fmt: skip
    system = {"linux": "linux", "windows": "win32", "macos": "darwin"}[platform]
    found = torch_backends("auto", sys_platform=system, accelerator=Accelerator("cuda", driver))
    assert set(found) == asked(text)


@pytest.mark.parity
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_architectures_run_the_releases_that_the_reference_says(architecture: str, tmp_path: Path) -> None:
    environ = {"UV_AMD_GPU_ARCHITECTURE": architecture}
    text = reference("--torch-backend", "auto", "--python-platform", "linux", cwd=tmp_path, environ=environ)
    found = torch_backends("auto", sys_platform="linux", accelerator=Accelerator("rocm", architecture))
    assert set(found) == asked(text)


@pytest.mark.parity
def test_the_list_of_backends_is_the_reference_s(tmp_path: Path) -> None:
    text = reference("--torch-backend", "abacus", cwd=tmp_path, environ={})
    listed = re.search(r"possible values: ([^\]]*)\]", text)
    assert listed is not None
    assert tuple(listed[1].split(", ")) == BACKENDS


@pytest.mark.parametrize(
    ("accelerator", "system", "expected"),
    [
        (None, "linux", ("cpu",)),
        (Accelerator("cuda", "374.99"), "linux", ("cpu",)),
        (Accelerator("cuda", "376"), "linux", ("cu80", "cpu")),
        (Accelerator("cuda", "376"), "win32", ("cpu",)),
        (Accelerator("cuda", "396.26"), "linux", ("cu92", "cu91", "cu90", "cu80", "cpu")),
        (Accelerator("cuda", "600"), "darwin", ("cpu",)),
        (Accelerator("rocm", "gfx950"), "linux", ("rocm7.2", "rocm7.1", "rocm7.0", "cpu")),
        (Accelerator("rocm", "gfx950"), "win32", ("cpu",)),
        (Accelerator("xpu"), "linux", ("xpu",)),
        (Accelerator("xpu"), "android", ("cpu",)),
    ],
)
def test_auto_asks_for_all_that_the_machine_can_run_newest_first(
    accelerator: Accelerator | None, system: str, expected: tuple[str, ...]
) -> None:
    assert torch_backends("auto", sys_platform=system, accelerator=accelerator) == expected


def test_the_newest_toolkit_comes_first() -> None:
    found = torch_backends("auto", sys_platform="linux", accelerator=Accelerator("cuda", "581.2"))
    assert (found[:3], found[-2:]) == (("cu132", "cu130", "cu129"), ("cu80", "cpu"))


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "auto"])
def test_a_backend_by_name_is_taken_as_it_is(backend: str) -> None:
    assert torch_backends(backend, sys_platform="darwin", accelerator=None) == (backend,)


def test_an_unknown_backend_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match="invalid value 'cuda12' for '--torch-backend'") as caught:
        torch_backends("cuda12", sys_platform="linux", accelerator=None)
    assert caught.value.hint is not None
    assert "cu128" in caught.value.hint


def test_only_the_projects_of_pytorch_have_indexes_of_their_own() -> None:
    assert torch_indexes("torch", ("cu128",), {}) == (f"{TORCH_INDEX}cu128",)
    assert torch_indexes("pytorch-triton-rocm", ("rocm6.3", "cpu"), {}) == (
        f"{TORCH_INDEX}rocm6.3",
        f"{TORCH_INDEX}cpu",
    )
    assert torch_indexes("numpy", ("cu128",), {}) == ()
    assert torch_indexes("torchmetrics", ("cu128",), {}) == ()


@pytest.mark.parametrize("base", ["http://127.0.0.1:8000/whl", "http://127.0.0.1:8000/whl/"])
def test_a_variable_replaces_the_address(base: str) -> None:
    environ = {"ENVSYNC_TORCH_INDEX": base}
    assert torch_indexes("torchvision", ("cpu",), environ) == ("http://127.0.0.1:8000/whl/cpu",)


def machine(root: Path, *, files: dict[str, str], commands: dict[str, str]) -> dict[str, str]:
    """Files of a machine below *root*, and its commands; gives its environment."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "bin").mkdir()
    for name, body in commands.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (root / "bin" / name).chmod(0o755)
    return {"PATH": str(root / "bin")}


PROC = "proc/driver/nvidia/version"
SENTENCE = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (dvs@U16)  Mon Dec 30\n"
    "GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n"
)
INTEL = {"sys/bus/pci/devices/0000:00:02.0/class": "0x030000\n", "sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n"}


@pytest.mark.parametrize(
    ("files", "commands", "expected"),
    [
        ({}, {}, None),
        ({"sys/module/nvidia/version": "550.144.03\n"}, {}, Accelerator("cuda", "550.144.03")),
        ({PROC: SENTENCE.format("580.65.06")}, {}, Accelerator("cuda", "580.65.06")),
        ({PROC: "no number here"}, {"nvidia-smi": "echo 535.54"}, Accelerator("cuda", "535.54")),
        ({}, {"nvidia-smi": "echo 535.54; echo 535.54"}, Accelerator("cuda", "535.54")),
        ({}, {"nvidia-smi": "echo no devices were found"}, None),
        ({}, {"nvidia-smi": "echo 535.54; exit 9"}, None),
        ({}, {"rocm_agent_enumerator": "echo gfx000; echo gfx1100; echo gfx90a"}, Accelerator("rocm", "gfx90a")),
        ({}, {"rocm_agent_enumerator": "echo gfx000"}, None),
        (INTEL, {}, Accelerator("xpu")),
        ({**INTEL, "sys/module/nvidia/version": "535.54"}, {}, Accelerator("cuda", "535.54")),
        ({name: text.replace("0x03", "0x02") for name, text in INTEL.items()}, {}, None),
        ({name: text.replace("8086", "10de") for name, text in INTEL.items()}, {}, None),
        ({name: text for name, text in INTEL.items() if name.endswith("class")}, {}, None),
    ],
)
def test_a_machine_is_known_by_its_drivers_files_and_commands(
    files: dict[str, str], commands: dict[str, str], expected: Accelerator | None, tmp_path: Path
) -> None:
    environ = machine(tmp_path, files=files, commands=commands)
    assert detect_accelerator(environ, root=tmp_path) == expected


def test_a_variable_says_what_the_machine_is(tmp_path: Path) -> None:
    environ = machine(tmp_path, files={"sys/module/nvidia/version": "535.54"}, commands={})
    told = {**environ, "UV_CUDA_DRIVER_VERSION": "450.80"}
    assert detect_accelerator(told, root=tmp_path) == Accelerator("cuda", "450.80")
    ours = {**told, "ENVSYNC_AMD_GPU_ARCHITECTURE": "gfx942"}
    assert detect_accelerator(ours, root=tmp_path) == Accelerator("rocm", "gfx942")


@pytest.mark.parametrize("name", ["UV_CUDA_DRIVER_VERSION", "ENVSYNC_AMD_GPU_ARCHITECTURE"])
def test_a_variable_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"`{name}` is `abc`"):
        detect_accelerator({name: "abc"}, root=tmp_path)


def test_this_machine_can_be_asked() -> None:
    found = detect_accelerator(os.environ)
    assert found is None or found.kind in {"cuda", "rocm", "xpu"}
