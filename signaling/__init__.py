"""Signaling of rooms: presence, messages and topologies; knows no media code."""
