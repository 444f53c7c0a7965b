"""Hostile bytes for as long as one likes: `python -m tests.fuzz`, which `make fuzz` calls under the sanitizers."""
