"""The UDP port, ICE-lite, DTLS, SCTP and connections: sockets, tasks and clocks live here."""
