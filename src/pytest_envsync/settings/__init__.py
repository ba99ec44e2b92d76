"""What is said in options, variables and files, merged into the settings of one run.

PYTEST_DONT_REWRITE
"""
