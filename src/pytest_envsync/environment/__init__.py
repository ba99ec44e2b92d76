"""Install: interpreters, site-packages, links, transactions.

PYTEST_DONT_REWRITE
"""
