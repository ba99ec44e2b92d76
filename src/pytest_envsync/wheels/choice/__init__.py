"""Choose, of the files that there are, the one that meets what is asked for.

PYTEST_DONT_REWRITE
"""
