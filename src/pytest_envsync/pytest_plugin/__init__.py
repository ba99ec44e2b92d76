"""The pytest side: thin hooks, fixtures, the way inside an environment.

PYTEST_DONT_REWRITE
"""
