"""Read what is asked for: requirements files, lockfiles, scripts and projects.

PYTEST_DONT_REWRITE
"""
