"""The picture of the asset graph in the README: groups of assets, and which of them read which.

    .venv/bin/python tests/acceptance/asset_graph.py     # writes docs/asset_graph.png; needs Chromium

Belongs here: the picture. Does not belong here: starting the UI and a browser (driver).
"""

import tempfile
from pathlib import Path
from typing import Any

from driver import ROOT, DagsterDev, browser_page

PICTURE = ROOT / "docs" / "asset_graph.png"
SIZE = (1800, 1300)  # high enough that the buttons for zooming lie below the graph
MARGIN = 16
EDGES = "path[stroke='var(--color-lineage-edge)']"
# The UI's own grey is so light that edges are lost where the picture is as wide as a page.
DARKER = f"{EDGES} {{ stroke: #4a5568 !important; }} marker path {{ fill: #4a5568 !important; }}"
# The graph glides into its place: it is there once it is where it was.
STILL = """edges => {
  const at = JSON.stringify(document.querySelector(edges)?.getBoundingClientRect()), still = at && at === window.coterieWas;
  window.coterieWas = at;
  return still;
}"""
AROUND = """parts => {
  const boxes = [...document.querySelectorAll(parts)].map(part => part.getBoundingClientRect());
  const x = Math.min(...boxes.map(box => box.left)), y = Math.min(...boxes.map(box => box.top));
  return {x, y, width: Math.max(...boxes.map(box => box.right)) - x, height: Math.max(...boxes.map(box => box.bottom)) - y};
}"""


def take(page: Any, url: str, path: Path) -> int:
    """Write the graph as PNG, without the UI around it; returns how many edges it shows."""
    page.goto(f"{url}/asset-groups")
    page.locator(EDGES).first.wait_for()
    page.add_style_tag(content=DARKER)
    page.wait_for_function(STILL, arg=EDGES, polling=500)
    box = page.evaluate(AROUND, f"foreignObject, {EDGES}")
    room = page.viewport_size
    left, top = max(0, box["x"] - MARGIN), max(0, box["y"] - MARGIN)
    page.screenshot(path=path, clip={
        "x": left, "y": top,
        "width": min(room["width"], box["x"] + box["width"] + MARGIN) - left,
        "height": min(room["height"], box["y"] + box["height"] + MARGIN) - top,
    })  # fmt: skip
    return int(page.locator(EDGES).count())


def main() -> None:
    """Start the UI on an empty home and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            DagsterDev(home, {"COTERIE_HOME": str(home / "home")}) as server,
            browser_page(home, *SIZE) as page,
        ):
            print(f"{PICTURE}: {take(page, server.url, PICTURE)} edges")


if __name__ == "__main__":
    main()
