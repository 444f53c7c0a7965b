"""The topology panel: the drawn graph has the room's connections, and the table the formulas' figures."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chromium import Tab
from tests.e2e.room import Person, room
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.browser
OUT = Path(__file__).parents[1] / "out"
# Drawn at one moment: nodes and edges of the graph, the cells of the table, who is listed, the words above.
LOOK = """() => {
  const find = (selector) => [...document.querySelectorAll(selector)];
  const all = (id) => find(`[data-testid=${id}]`);
  const costs = {};
  for (const { dataset } of find('[data-testid=topology-costs] td[data-row]')) {
    (costs[dataset.topology] ??= {})[dataset.row] = Number(dataset.value);
  }
  return {
    nodes: all('topology-node').map(({ dataset }) => dataset.id),
    edges: all('topology-edge').map(({ dataset: { from, to, out, back } }) => [from, to, Number(out), Number(back)]),
    people: all('topology-person').map((row) => [...row.cells].map((cell) => cell.textContent)),
    summary: document.querySelector('[data-testid=topology-summary]').textContent,
    measured: find('[data-testid=topology-costs] td.measured').map((cell) => cell.textContent),
    costs,
  };
}"""


async def _graph(
    viewer: Person, nodes: set[str], edges: set[frozenset[str]], measured: list[str]
) -> dict[str, Any]:
    """Wait until exactly these are drawn, each edge carries something both ways, and cameras are up to speed.

    `measured`: the connections and encodings that are counted here.
    """

    async def drawn() -> dict[str, Any] | None:
        seen = await viewer.page.evaluate(LOOK)
        ends = [frozenset(edge[:2]) for edge in seen["edges"]]
        flowing = all(out > 0 and back > 0 for _, _, out, back in seen["edges"])
        right = sorted(seen["nodes"]) == sorted(nodes) and len(ends) == len(edges) and set(ends) == edges
        latest[:] = [seen]
        counted = seen["measured"][2:4] == measured and seen["costs"]["sfu"]["out"] > 50_000
        return seen if right and flowing and counted else None

    latest: list[Any] = []
    what = f"the graph of {viewer.name} with {edges}"
    return await wait_until(drawn, 20.0, what, detail=lambda: f"{latest}\n{viewer.page.report()}")


def _assert_formulas(costs: dict[str, dict[str, int]], n: int, tracks: int) -> None:
    """The cells are rounded to bits per second, so a multiple of one is off by half of the multiple."""
    b = costs["sfu"]["out"]
    expected = {
        "mesh": {"out": (n - 1) * b, "in": (n - 1) * b, "serverIn": 0, "serverOut": 0},
        "sfu": {"out": b, "in": (n - 1) * b, "serverIn": n * b, "serverOut": n * (n - 1) * b},
    }
    for topology, row in expected.items():
        for name, value in row.items():
            assert abs(costs[topology][name] - value) <= n * n, (topology, name)
    assert (costs["mesh"]["connections"], costs["mesh"]["encodes"]) == (n - 1, (n - 1) * tracks)
    assert (costs["sfu"]["connections"], costs["sfu"]["encodes"]) == (1, tracks)


async def _screenshot(viewer: Person, name: str) -> None:
    assert isinstance(viewer.page, Tab)
    OUT.mkdir(exist_ok=True)
    await viewer.page.page.screenshot(path=OUT / name, animations="disabled")


async def test_a_mesh_is_drawn_with_a_line_for_each_pair() -> None:
    async with room("Ada", "Bob", "Cleo", fps=5, query="&topology=mesh") as blue:
        ada = blue.people[0]
        await ada.page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', { key: 't' }))")
        ids = [await person.id() for person in blue.people]
        pairs = {frozenset((one, other)) for one in ids for other in ids if one != other}
        seen = await _graph(ada, set(ids), pairs, ["2", "4"])
        assert "directly" in seen["summary"]
        _assert_formulas(seen["costs"], 3, tracks=2)

        async def all_told() -> bool:
            people = (await ada.page.evaluate(LOOK))["people"]
            return [row[1:3] for row in people] == [["2", "4"]] * 3

        await wait_until(all_told, 10.0, "everybody's connections and encodings")
        await _screenshot(ada, "topology-mesh.png")


async def test_an_sfu_room_is_drawn_around_its_server() -> None:
    async with room("Ada", "Bob", "Cleo", fps=5) as blue:
        ada, _, cleo = blue.people
        await ada.click("topology-toggle")
        ids = [await person.id() for person in blue.people]
        seen = await _graph(ada, {*ids, "server"}, {frozenset((id, "server")) for id in ids}, ["1", "2"])
        assert "through the server" in seen["summary"]
        _assert_formulas(seen["costs"], 3, tracks=2)
        await _screenshot(ada, "topology-sfu.png")

        blue.leaves(cleo)
        await cleo.click("leave")
        await ada.shows(1)
        seen = await _graph(
            ada, {*ids[:2], "server"}, {frozenset((id, "server")) for id in ids[:2]}, ["1", "2"]
        )
        _assert_formulas(seen["costs"], 2, tracks=2)
