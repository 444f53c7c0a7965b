"""Names, order, colours and marks of the topologies, the same in every chart, drawing and page.

Knows: colours for light and dark. Does not know: figures, how anything is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.topology.report import Run

NAMES = {"mesh": "mesh", "sfu": "SFU", "sfu-media": "SFU, MediaRelay", "tree": "relay tree"}
MARKS = {"mesh": "o", "sfu": "s", "sfu-media": "^", "tree": "D"}  # told apart without colour, too


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by role."""

    ink: str
    muted: str
    grid: str
    surface: str
    series: Mapping[str, str]


LIGHT = Theme(
    "#1b1f24", "#5d6670", "#e2e6ea", "#ffffff",
    {"mesh": "#d0460b", "sfu": "#1767c9", "sfu-media": "#9433b0", "tree": "#21803a"},
)  # fmt: skip
DARK = Theme(
    "#eceff2", "#9aa4af", "#333a42", "#171b20",
    {"mesh": "#ff8b5a", "sfu": "#6cabff", "sfu-media": "#d78df2", "tree": "#62c97b"},
)  # fmt: skip
# Stand-ins for the colours of a page, which come from its style sheet; `inline` puts the variables in.
PAGE = Theme(
    "#010203", "#020304", "#030405", "#040506",
    {"mesh": "#110203", "sfu": "#120304", "sfu-media": "#130405", "tree": "#140506"},
)  # fmt: skip


def variables(theme: Theme) -> dict[str, str]:
    """CSS variable name -> colour."""
    roles = {"ink": theme.ink, "muted": theme.muted, "grid": theme.grid, "surface": theme.surface}
    return roles | dict(theme.series)


def inline(svg: str, page: Theme = PAGE) -> str:
    """Replace the stand-in colours of an SVG by the page's variables."""
    for name, colour in variables(page).items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg


def by_topology(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each topology, in the order of NAMES, by number of participants."""
    ordered = sorted(runs, key=lambda run: run.participants)
    groups = {name: [run for run in ordered if run.topology == name] for name in NAMES}
    return {name: group for name, group in groups.items() if group}
