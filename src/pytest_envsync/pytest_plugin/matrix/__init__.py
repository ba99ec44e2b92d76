"""One session over several environments: xdist, scheduling, ids, the table at the end.

PYTEST_DONT_REWRITE
"""
