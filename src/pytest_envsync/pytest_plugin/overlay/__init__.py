"""What a session environment can import behind what the lock holds: chosen, copied, sealed.

Only in the host interpreter, which has the engine.

PYTEST_DONT_REWRITE
"""
