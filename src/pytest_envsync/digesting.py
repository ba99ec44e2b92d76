"""SHA-256 of short texts, without what ``hashlib`` loads.

``hashlib`` loads all of OpenSSL, 2 ms that a command with a few small digests to make does not need. Whole archives are
digested by ``hashlib``: OpenSSL is several times as fast.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # from Python 3.12 on
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256

__all__ = ["sha256"]
