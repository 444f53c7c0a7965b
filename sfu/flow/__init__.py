"""State machines of RTP, with `now` passed in: no asyncio, no clock, no socket, no randomness."""
