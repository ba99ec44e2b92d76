"""The way inside an environment: what is asked for, provided and started.

Only in the host interpreter, which has the engine.

PYTEST_DONT_REWRITE
"""
