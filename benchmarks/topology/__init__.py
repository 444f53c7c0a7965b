"""The same room as mesh, as SFU, with MediaRelay and as relay tree: what each costs, beside the formulas."""
