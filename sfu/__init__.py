"""A selective forwarding unit (SFU) for Python."""
