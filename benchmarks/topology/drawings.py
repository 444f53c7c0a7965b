"""Little drawings of the topologies: who is connected to whom, as inline SVG in the page's colours."""

from __future__ import annotations

import math

Point = tuple[float, float]

SHOWN = 6  # participants in each drawing
SIZE = 200
MIDDLE: Point = (SIZE / 2, SIZE / 2)
RADIUS = 78
LEAF = 34  # how far the leaves of the tree stand from the middle


def drawing(topology: str) -> str:
    """The <svg> of a topology; `--line` is the colour of its links."""
    people = [_around(place) for place in range(SHOWN)]
    if topology == "mesh":
        links = [(a, b) for place, a in enumerate(people) for b in people[place + 1 :]]
        nodes: list[Point] = []
    elif topology == "tree":
        nodes = [MIDDLE, (MIDDLE[0] - LEAF, MIDDLE[1]), (MIDDLE[0] + LEAF, MIDDLE[1])]
        links = [(nodes[0], nodes[1]), (nodes[0], nodes[2])]
        links += [(person, nodes[1] if person[0] < MIDDLE[0] else nodes[2]) for person in people]
    else:
        nodes = [MIDDLE]
        links = [(person, MIDDLE) for person in people]
    parts = [f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"/>' for a, b in links]
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="11"/>' for x, y in people]
    parts += [_node(point, "⟳" if topology == "sfu-media" else "") for point in nodes]
    title = f"{SHOWN} participants, {len(links)} connections"
    return (
        f'<svg class="room" viewBox="0 0 {SIZE} {SIZE}" role="img" aria-label="{title}">'
        f'<title>{title}</title><g style="--line: var(--{topology})">{"".join(parts)}</g></svg>'
    )


def _around(place: int) -> Point:
    angle = 2 * math.pi * (place + 0.5) / SHOWN - math.pi / 2
    return MIDDLE[0] + RADIUS * math.cos(angle), MIDDLE[1] + RADIUS * math.sin(angle)


def _node(point: Point, sign: str) -> str:
    x, y = point
    square = f'<rect x="{x - 13:.1f}" y="{y - 13:.1f}" width="26" height="26" rx="5"/>'
    return square + (f'<text x="{x:.1f}" y="{y + 6:.1f}" text-anchor="middle">{sign}</text>' if sign else "")
