"""The version, said once: the build backend and every face read it here.

PYTEST_DONT_REWRITE
"""

__version__ = "0.1.0"
