"""Acquire: index pages, downloads, builds, the store.

PYTEST_DONT_REWRITE
"""
