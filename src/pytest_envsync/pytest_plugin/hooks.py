"""The pytest plugin, declared."""
