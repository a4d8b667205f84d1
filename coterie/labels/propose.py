"""A taxonomy proposed by Claude from a platform's own texts: minibatch by minibatch, then reviewed and merged.

Belongs here: the order of requests, what is kept of their answers. Does not belong here: the words of the requests and
the check of answers (propose_words.py), files and commands.

The procedure is that of TnT-LLM (Wan et al. 2024, "Text Mining at Scale with Large Language Models"): each minibatch is
shown what was proposed so far and adds what is missing; at the end one request reviews the whole. What an existing
taxonomy has is never touched: its ids, words and order stay, and proposals are added to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import anthropic
from anthropic.types import Message

from coterie.errors import LabelError
from coterie.labels.faults import DOWN, key_in_words, perhaps_billed, raise_if_refused, said
from coterie.labels.preview import Preview
from coterie.labels.pricing import most_tokens, price_list
from coterie.labels.propose_words import SCHEMA, merged, proposal_document, read_proposal, system_blocks
from coterie.labels.purse import USAGE, Purse
from coterie.taxonomy import Domain, Taxonomy

TEXTS_AT_ONCE = 100
MOST_CHARACTERS = 400  # of a text: what it is about shows before that
_ROOM, _ROOM_FOR_REVIEW = 8_000, 12_000  # tokens of an answer
_MOST_ROOM = 21_000  # the SDK does not wait for more without a stream
_TRIES = 3
_MOST_DOWN = 3  # minibatches given up in a row after which nothing more is sent
_SDK_RETRIES = 4  # of what passes; it honours retry-after


@dataclass(frozen=True)
class Proposal:
    """What came of it.

    Attributes:
        taxonomy: the existing one with what was proposed; none if nothing was, and there was none.
        seen: texts whose minibatch was answered.
        left_out: why texts were not seen -> how many.
        reviewed: whether the last request, which reviews the whole, was answered rightly.
        usage: requests, tokens, US dollars.
    """

    taxonomy: Taxonomy | None
    seen: int
    left_out: Mapping[str, int]
    reviewed: bool
    usage: Mapping[str, float]


@dataclass
class _State:
    proposed: tuple[Domain, ...] = ()
    seen: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    usage: dict[str, float] = field(default_factory=lambda: dict.fromkeys(USAGE, 0.0))

    def leave_out(self, texts: int, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + texts


class Proposer:
    """Asks for a taxonomy, within a budget.

    Args:
        client: the SDK's client.
        base: the existing taxonomy, which is added to; none to start afresh.
        model: one that is priced in prices.yaml (COTERIE_LABEL_MODEL).
        budget_usd: most that is spent, in US dollars (COTERIE_LABEL_BUDGET_USD).
        on: the day whose prices hold; the latest prices if none is given.

    Raises:
        LabelError: the model has no price; from `propose`: the key is missing or refused.
    """

    def __init__(
        self,
        client: anthropic.Anthropic,
        base: Taxonomy | None,
        *,
        model: str,
        budget_usd: float,
        on: date | None = None,
    ) -> None:
        prices = price_list()
        self._client = client.with_options(max_retries=_SDK_RETRIES)
        self._base = base
        self._model = model
        self._on = on
        self._purse = Purse(prices.of(model, on), budget_usd, batch_factor=prices.batch_factor, keeps_an_hour=False)
        self._system = system_blocks(base)
        self._prompt_tokens = sum(most_tokens(block["text"]) for block in self._system)

    def preview(self, texts: Sequence[str]) -> Preview:
        """What `propose` would spend on these texts, if every answer is right at once. Nothing is sent.

        Proposals travel with every request and grow; they are counted at a quarter of what an answer may take.
        """
        portions = _portions(texts)
        requests = [self._request(self._cut(some), ()) for some in portions]
        requests += [self._request(None, ())] if portions else []
        carried = _ROOM // 4
        fresh = [most_tokens(request["messages"][0]["content"]) + carried for request in requests]
        output = [request["max_tokens"] for request in requests]
        costs = [
            self._purse.most(prompt=self._prompt_tokens, fresh=f, output=o, factor=1.0)
            for f, o in zip(fresh, output, strict=True)
        ]
        likely = [
            self._purse.likely(prompt=self._prompt_tokens, fresh=f, output=o / 4, factor=1.0)
            for f, o in zip(fresh, output, strict=True)
        ]
        covered = sum(
            len(some) for number, some in enumerate(portions) if sum(costs[: number + 1]) <= self._purse.budget
        )
        prices = price_list()
        warning = prices.warning(self._on)
        return Preview(
            model=self._model,
            mode="online",
            texts=len(texts),
            silent=0,
            from_ledger=0,
            carried=0,
            on_their_way=0,
            to_buy=len(texts),
            requests=len(requests),
            tokens={
                "prompt": round(self._prompt_tokens * len(requests)),
                "items": round(sum(fresh)),
                "output": sum(output),
            },
            likely_usd=sum(likely),
            most_usd=sum(costs),
            budget_usd=self._purse.budget,
            covered=covered,
            price=f"{prices.source}, valid from {self._purse.price.valid_from}, checked {prices.checked}",
            warnings=(warning,) if warning else (),
        )

    def propose(self, texts: Sequence[str]) -> Proposal:
        """Propose a taxonomy for these texts. They are masked already, and asked in the order that they come in."""
        state, down = _State(), 0
        with key_in_words():
            for some in _portions(texts):
                if down == _MOST_DOWN:
                    state.leave_out(len(some), "the service is down")
                    continue
                answer = self._answered(state, self._request(self._cut(some), state.proposed))
                if isinstance(answer, str):
                    state.leave_out(len(some), answer)
                    down += 1
                    continue
                down = 0
                state.seen += len(some)
                state.proposed = merged(state.proposed, answer, self._base)
            reviewed = self._reviewed(state) if state.proposed and down < _MOST_DOWN else None
        domains = _added(self._base, reviewed or state.proposed)
        edition = self._base.edition + 1 if self._base else 1
        return Proposal(
            taxonomy=Taxonomy(domains, edition) if domains else None,
            seen=state.seen,
            left_out=state.left_out,
            reviewed=reviewed is not None,
            usage=state.usage,
        )

    def _reviewed(self, state: _State) -> tuple[Domain, ...] | None:
        """The proposal as the last request leaves it; none if that request came to nothing."""
        answer = self._answered(state, self._request(None, state.proposed))
        return None if isinstance(answer, str) else merged((), answer, self._base) or None

    def _cut(self, texts: Sequence[str]) -> list[str]:
        return [text[:MOST_CHARACTERS] for text in texts]

    def _request(self, texts: Sequence[str] | None, proposed: Sequence[Domain]) -> dict[str, Any]:
        room = (_ROOM if texts is not None else _ROOM_FOR_REVIEW) + self._purse.price.thinking_tokens
        return {
            "model": self._model,
            "max_tokens": min(room, _MOST_ROOM),
            "system": self._system,
            "messages": [{"role": "user", "content": proposal_document(texts, proposed)}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        }

    def _answered(self, state: _State, request: dict[str, Any]) -> list[dict[str, Any]] | str:
        """The domains of a right answer, or why there is none."""
        purse, reason = self._purse, "no answer came"
        fresh = most_tokens(request["messages"][0]["content"])
        estimate = purse.most(prompt=self._prompt_tokens, fresh=fresh, output=request["max_tokens"], factor=1.0)
        for _ in range(_TRIES):
            if not purse.affordable(estimate):
                return purse.empty
            try:
                message = self._client.messages.create(**request)
            except anthropic.NotFoundError as error:
                raise LabelError(
                    f"COTERIE_LABEL_MODEL: found {self._model}, which the service at {self._client.base_url} does not "
                    f"have ({said(error)}); expected a model that it serves"
                ) from error
            except DOWN as error:
                raise_if_refused(error)
                purse.spent += estimate if perhaps_billed(error) else 0.0
                return said(error)
            purse.spent += purse.count(state.usage, [message], 1, 1.0)
            answer = read_proposal(message) if isinstance(message, Message) else "the service sent no message"
            if not isinstance(answer, str):
                return answer
            reason = answer
        return reason


def _added(base: Taxonomy | None, proposed: Sequence[Domain]) -> tuple[Domain, ...]:
    """The existing domains as they are, with the proposed interests after their own, then the proposed domains."""
    if base is None:
        return tuple(proposed)
    of = {domain.id: domain for domain in proposed}
    kept = [
        domain.model_copy(update={"interests": (*domain.interests, *of[domain.id].interests)})
        if domain.id in of
        else domain
        for domain in base.domains
    ]
    known = {domain.id for domain in base.domains}
    return (*kept, *(domain for domain in proposed if domain.id not in known))


def _portions(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
