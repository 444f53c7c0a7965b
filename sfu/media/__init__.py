"""What decodes: the MediaRelay mode (aiortc, av, numpy)."""
