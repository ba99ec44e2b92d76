"""A session in its environments: its arrival there, what accompanies it, the end and the report.

PYTEST_DONT_REWRITE
"""
