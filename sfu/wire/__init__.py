"""Bytes to values and back. Pure: struct and typing only, no clock, no socket, no asyncio."""
