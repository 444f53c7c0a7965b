"""Payload peeks, codec by codec."""
