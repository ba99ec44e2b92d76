"""Keep wheels: proved, unpacked once, described, checked, mended.

PYTEST_DONT_REWRITE
"""
