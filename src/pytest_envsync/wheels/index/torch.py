"""Which index has the PyTorch distributions for a machine (``--torch-backend``).

PyTorch publishes one index per accelerator. Versions of drivers are those that NVIDIA's release notes
give for each toolkit, architectures those that ``torch.cuda.get_arch_list()`` names for each ROCm; names
and order are the reference's, seen by running it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pytest_envsync.errors import UsageError
from pytest_envsync.values import NamedTuple

TORCH_INDEX = "https://download.pytorch.org/whl/"
"""The address below which each backend has its index; ``ENVSYNC_TORCH_INDEX`` replaces it."""

# Each CUDA toolkit, newest first, with the oldest driver that runs it on Linux and on Windows.
_CUDA: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("cu132", "cu130"), "580", "580"),
    (("cu129", "cu128", "cu126", "cu125", "cu124", "cu123", "cu122", "cu121", "cu120"), "525.60.13", "528.33"),
    (("cu118", "cu117", "cu116", "cu115", "cu114", "cu113", "cu112", "cu111"), "450.80.2", "452.39"),
    (("cu110",), "450.36.6", "451.22"),
    (("cu102",), "440.33", "441.22"),
    (("cu101",), "418.39", "418.96"),
    (("cu100",), "410.48", "411.31"),
    (("cu92",), "396.26", "398.26"),
    (("cu91",), "390.46", "391.29"),
    (("cu90",), "384.81", "385.54"),
    (("cu80",), "375.26", "376.51"),
)
_ROCM = (
    "rocm7.2", "rocm7.1", "rocm7.0", "rocm6.4", "rocm6.3", "rocm6.2.4", "rocm6.2", "rocm6.1", "rocm6.0", "rocm5.7",
    "rocm5.6", "rocm5.5", "rocm5.4.2", "rocm5.4", "rocm5.3", "rocm5.2", "rocm5.1.1", "rocm4.2", "rocm4.1", "rocm4.0.1",
)  # fmt: skip
# The releases of ROCm, of those above, that were built for an architecture.
_ARCHITECTURES = {
    **dict.fromkeys(("gfx900", "gfx906", "gfx908", "gfx90a", "gfx942", "gfx1030", "gfx1100"), _ROCM[:9]),
    "gfx950": _ROCM[:3],
    "gfx1101": (*_ROCM[:6], "rocm6.1"),
    **dict.fromkeys(("gfx1102", "gfx1200", "gfx1201"), _ROCM[:6]),
    **dict.fromkeys(("gfx1150", "gfx1151"), _ROCM[:1]),
}
_PROJECTS = frozenset((
    "torch", "torchvision", "torchaudio", "torchao", "torchtext", "torchrec", "torchtune", "torchcodec", "torcharrow",
    "torchdistx", "torch-tensorrt", "torchserve", "torchcsprng", "fbgemm-gpu", "fbgemm-gpu-genai", "xformers",
    "triton", "triton-rocm", "triton-xpu", "pytorch-triton", "pytorch-triton-rocm", "pytorch-triton-xpu",
))  # fmt: skip

BACKENDS: tuple[str, ...] = ("auto", "cpu", *(name for names, *_ in _CUDA for name in names), *_ROCM, "xpu")
"""The values of ``--torch-backend``, in the order of the help."""


class Accelerator(NamedTuple):
    """What a machine computes with: *kind* ``cuda`` (*detail* is the driver's version), ``rocm`` (the
    architecture) or ``xpu`` (nothing more is known).
    """

    kind: str
    detail: str = ""


def torch_backends(setting: str, *, sys_platform: str, accelerator: Accelerator | None) -> tuple[str, ...]:
    """Return the backends whose indexes are asked, in this order.

    *setting* is a value of ``--torch-backend``. For ``auto`` these are all that the *accelerator* can run,
    newest first, then ``cpu``; *sys_platform* is the target's, not the machine's. Raises UsageError
    for another value.
    """
    if setting not in BACKENDS:
        raise UsageError(
            f"invalid value '{setting}' for '--torch-backend'", hint=f"possible values: {', '.join(BACKENDS)}"
        )
    if setting != "auto":
        return (setting,)
    if accelerator is None or sys_platform not in {"linux", "win32"}:
        return ("cpu",)
    if accelerator.kind == "cuda":
        column = 1 if sys_platform == "linux" else 2
        driver = _numbers(accelerator.detail)
        runnable = (row[0] for row in _CUDA if driver >= _numbers(str(row[column])))
        return (*(name for names in runnable for name in names), "cpu")
    if accelerator.kind == "rocm":
        return (*(_ARCHITECTURES[accelerator.detail] if sys_platform == "linux" else ()), "cpu")
    return ("xpu",)


def torch_indexes(project: str, backends: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses of the indexes that stand for all others for *project*, whose name is normalised.

    There are none for a project that PyTorch's indexes do not have.
    """
    if project not in _PROJECTS:
        return ()
    base = (environ.get("ENVSYNC_TORCH_INDEX") or TORCH_INDEX).rstrip("/")
    return tuple(f"{base}/{backend}" for backend in backends)


def detect_accelerator(environ: Mapping[str, str], *, root: Path = Path("/")) -> Accelerator | None:
    """Return what this machine computes with, or None when it has nothing but its processor.

    Asked in this order: the variables ``UV_CUDA_DRIVER_VERSION`` and ``UV_AMD_GPU_ARCHITECTURE`` (and
    their ``ENVSYNC_`` twins), the driver's files below *root*, ``nvidia-smi``, ``rocm_agent_enumerator``,
    the display adapters on the PCI bus. Raises UsageError for a variable that cannot be read.
    """
    told = _told(environ)
    if told is not None:
        return told
    driver = _driver_of_files(root) or _driver_of_command(environ)
    if driver is not None:
        return Accelerator("cuda", driver)
    known = [line for line in _output(["rocm_agent_enumerator"], environ) if line in _ARCHITECTURES]
    if known:
        # The order of the table, oldest first: what the oldest card runs, all run.
        return Accelerator("rocm", min(known, key=lambda name: int(name.removeprefix("gfx"), 16)))
    return Accelerator("xpu") if _has_intel_display(root) else None


def _told(environ: Mapping[str, str]) -> Accelerator | None:
    for prefix in ("ENVSYNC_", "UV_"):
        driver = environ.get(f"{prefix}CUDA_DRIVER_VERSION")
        if driver:
            if re.fullmatch(r"\d+(\.\d+)*", driver) is None:
                raise UsageError(f"`{prefix}CUDA_DRIVER_VERSION` is `{driver}`, which is no version of a driver")
            return Accelerator("cuda", driver)
        architecture = environ.get(f"{prefix}AMD_GPU_ARCHITECTURE")
        if architecture:
            check_architectures(environ)
            return Accelerator("rocm", architecture)
    return None


def check_architectures(environ: Mapping[str, str]) -> None:
    """Raise UsageError for a variable of *environ* that names no architecture of AMD that is known here."""
    for variable in ("ENVSYNC_AMD_GPU_ARCHITECTURE", "UV_AMD_GPU_ARCHITECTURE"):
        architecture = environ.get(variable)
        if architecture and architecture not in _ARCHITECTURES:
            raise UsageError(
                f"`{variable}` is `{architecture}`, which is no architecture known here",
                hint=f"possible values: {', '.join(_ARCHITECTURES)}",
            )


def _driver_of_files(root: Path) -> str | None:
    # The second file holds a sentence: "NVRM version: ... Kernel Module for x86_64  550.144.03  Release Build".
    for name in ("sys/module/nvidia/version", "proc/driver/nvidia/version"):
        try:
            text = (root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found = re.search(r"(?:^|\s)(\d{3,}(?:\.\d+)*)(?=\s|$)", text)
        if found is not None:
            return found[1]
    return None


def _driver_of_command(environ: Mapping[str, str]) -> str | None:
    lines = _output(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], environ)
    found = re.fullmatch(r"\d+(\.\d+)*", lines[0]) if lines else None
    return None if found is None else found[0]


def _output(command: list[str], environ: Mapping[str, str]) -> list[str]:
    """Return the lines that *command* prints; none when it is missing or fails."""
    import shutil
    import subprocess

    program = shutil.which(command[0], path=environ.get("PATH", ""))
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, *command[1:]], capture_output=True, check=False, timeout=30, env=dict(environ), text=True
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return []
    return [line.strip() for line in answer.stdout.splitlines()] if answer.returncode == 0 else []


def _has_intel_display(root: Path) -> bool:
    try:
        devices = list((root / "sys/bus/pci/devices").iterdir())
    except OSError:
        return False
    return any(map(_is_intel_display, devices))


def _is_intel_display(device: Path) -> bool:
    try:
        kind, vendor = (int((device / name).read_text(), 16) for name in ("class", "vendor"))
    except (OSError, ValueError):
        return False
    return vendor == 0x8086 and kind >> 16 == 0x03  # Intel; the base class of display controllers


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
