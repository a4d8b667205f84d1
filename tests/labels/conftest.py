"""What the tests of Claude's labels share: a service, a taxonomy, a ledger, and the labeller between them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from coterie.labels.ledger import Ledger
from coterie.taxonomy import Taxonomy
from tests.labels.claude_cases import TREE, Make, Mode, make_taxonomy
from tests.labels.claude_server import ClaudeServer, running


@pytest.fixture
def server() -> Iterator[ClaudeServer]:
    with running() as server:
        yield server


@pytest.fixture
def taxonomy() -> Taxonomy:
    return make_taxonomy(TREE)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "labels.sqlite")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for, in seconds; nothing waits."""
    from coterie.labels import batches, online

    waited: list[float] = []
    monkeypatch.setattr(batches, "_sleep", waited.append)
    monkeypatch.setattr(online, "_sleep", waited.append)
    return waited


@pytest.fixture(scope="session")
def transport() -> Iterator[object]:
    """The SDK's transport, made once: it reads all certificates of the machine."""
    import anthropic

    with anthropic.DefaultHttpxClient() as client:
        yield client


@pytest.fixture
def make(
    server: ClaudeServer,
    taxonomy: Taxonomy,
    ledger: Ledger,
    waits: list[float],
    transport: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Make:
    """A labeller, with requests that are smaller than the product's."""
    import anthropic

    from coterie.labels import asking
    from coterie.labels.claude import ClaudeLabeller

    monkeypatch.setattr(asking, "SIZES", (20, 5, 1))

    def make(
        mode: Mode = "online",
        *,
        budget_usd: float = 5.0,
        model: str = "claude-haiku-4-5",
        retries: int = 1,
        tree: Taxonomy = taxonomy,
        timeout: float = 60.0,
        on: date | None = None,
    ) -> ClaudeLabeller:
        client = anthropic.Anthropic(
            api_key="key", base_url=server.url, max_retries=retries, timeout=timeout, http_client=transport
        )
        return ClaudeLabeller(client, tree, ledger, model=model, mode=mode, budget_usd=budget_usd, on=on)

    return make
