"""Rooms and participants on the media side."""
