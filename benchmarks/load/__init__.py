"""The lean load client: real WebRTC connections whose media is sent and counted by a small C loop."""
