"""Make wheels from sdists, source trees and git repositories.

PYTEST_DONT_REWRITE
"""
