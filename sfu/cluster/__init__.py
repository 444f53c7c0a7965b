"""Nodes that carry the same room: what they tell each other."""
