"""Which cached environment a question is answered with: one key for one content.

Pure. Two lockfiles with the same content on the same interpreter have the same key, wherever the
files came from: no index address and no credentials are part of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_envsync.direct_url import direct_url_of

if TYPE_CHECKING:
    from pytest_envsync.distributions import Candidate
    from pytest_envsync.environments.request import EnvironmentRequest

SCHEMA = 2
LENGTH = 20
"""Hex digits of a key. It is part of the first line of every script, which some kernels cut at 127 bytes."""


def environment_key(
    candidates: Iterable[Candidate],
    digests: Mapping[str, str],
    *,
    fingerprint: str,
    request: EnvironmentRequest,
    installer_metadata: bool = True,
    unchecked: Sequence[str] = (),
) -> str:
    """Return the key, in hex digits, of the environment that holds *candidates*.

    *digests* maps names to the sha256 of their wheels and is complete. *fingerprint* is that of the base
    interpreter. Of *request* only what changes the content counts. *unchecked* is what is not looked at in wheels
    (``StoredWheel.unchecked``): who looks gets no environment of those who did not.
    """
    project = request.project
    content = {
        "schema": SCHEMA,
        "interpreter": fingerprint,
        "distributions": sorted(
            [
                candidate.name,
                digests[candidate.name],
                direct_url_of(candidate.requested),
                candidate.cache_info,
                candidate.build_info,
            ]
            for candidate in candidates
        ),
        "overlay": [request.overlay, request.overlay_digest],
        "project": None if project is None else [project.path, project.mode],
        "link_mode": request.options.link_mode,
        "compile_bytecode": request.options.compile_bytecode,
        "installer_metadata": installer_metadata,
        **({"unchecked": list(unchecked)} if unchecked else {}),
    }
    return _digest(content)


def question_key(request: EnvironmentRequest, *, cwd: str, base_prefix: str) -> str:
    """Return the name of the question, whatever the files in it say today.

    Two uses with the same name differ by the content of their files only: the later one goes on where
    the earlier one stopped. *request* is complete: the project under test is part of the question.
    """
    values = request.as_dict()
    values["has_overlay"] = request.overlay is not None
    # What is in the overlay follows from the content; the others say how to answer, not what was asked.
    for name in ("overlay", "overlay_digest", "recreate"):
        values.pop(name)
    for name in ("refresh", "refresh_package", "reinstall", "reinstall_package", "offline", "no_cache"):
        values["options"].pop(name, None)
    return _digest([SCHEMA, values, cwd, base_prefix])


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]
