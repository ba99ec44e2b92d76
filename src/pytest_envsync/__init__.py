"""pytest sessions in environments that hold exactly what a lockfile says.

PYTEST_DONT_REWRITE
"""

__version__ = "0.1.0"
