"""The servers that can be measured: one adapter each, all with the interface of adapter.py."""
