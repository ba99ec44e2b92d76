"""Ask indexes and servers: pages, listings, files.

PYTEST_DONT_REWRITE
"""
