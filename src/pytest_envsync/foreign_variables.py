"""The variables that lead a process in an environment to another interpreter.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

FOREIGN = ("PYTHONHOME", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV_PROMPT")
"""What nothing in an environment may inherit. ``PYTHONPATH`` is not among them: a session sorts its entries."""
