"""Names and colours of what the charts draw, light and dark."""

from __future__ import annotations

from benchmarks.topology.looks import Theme

NAMES = {"link": "link", "estimate": "estimate", "target": "given away", "sent": "sent", "queue": "queue"}
LIGHT = Theme(
    "#1b1f24", "#5d6670", "#e2e6ea", "#ffffff",
    {
        "link": "#5d6670", "estimate": "#d0460b", "target": "#9433b0", "sent": "#1767c9", "queue": "#d0460b",
        "q": "#f0b429", "h": "#52a3e0", "f": "#21803a", "paused": "#c9ced4", "good": "#21803a", "bad": "#c4320a",
    },
)  # fmt: skip
DARK = Theme(
    "#eceff2", "#9aa4af", "#333a42", "#171b20",
    {
        "link": "#9aa4af", "estimate": "#ff8b5a", "target": "#d78df2", "sent": "#6cabff", "queue": "#ff8b5a",
        "q": "#c98f10", "h": "#2f7db8", "f": "#4fb268", "paused": "#454d56", "good": "#62c97b", "bad": "#ff8b5a",
    },
)  # fmt: skip
# Stand-ins for the colours of a page, which come from its style sheet.
PAGE = Theme(
    "#010203", "#020304", "#030405", "#040506",
    {name: f"#{0x21 + place:02x}0407" for place, name in enumerate(LIGHT.series)},
)  # fmt: skip
