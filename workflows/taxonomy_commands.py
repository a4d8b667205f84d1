"""The commands `coterie taxonomy propose` and `coterie taxonomy diff`.

Belongs here: what these commands read, print and write. Does not belong here: how a taxonomy is proposed
(coterie.labels.propose), which answers outlive an edit (coterie.labels.carry).
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer
from rich.console import Console

from coterie.errors import MissingDayError, SettingError, TaxonomyError
from coterie.taxonomy import Domain, Interest, Taxonomy, as_yaml, load_taxonomy
from resources.lake import Lake, write_atomically
from resources.settings import Settings, load_settings

if TYPE_CHECKING:
    from coterie.labels.preview import Preview
    from coterie.labels.propose import Proposal

taxonomy_app = typer.Typer(
    help="The tree of interests: let Claude propose one, and see what an edit would re-label.", no_args_is_help=True
)
out = Console(markup=False, emoji=False, highlight=False)
SHOWN = 40  # lines of a diff for each kind of change


@taxonomy_app.command("propose")
def propose_command(
    to: Annotated[Path, typer.Option("--out", help="The file to write; it must not be there yet.", show_default=False)],
    sample: Annotated[int, typer.Option(min=1, help="How many of the log's texts are read.")] = 1000,
    base: Annotated[
        Path | None,
        typer.Option(
            help="An existing taxonomy, which is added to: nothing in it is renamed or changed. Default: the source's "
            "own, if its description names one; else the proposal starts afresh."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and stop.")] = False,
) -> None:
    """Let Claude propose a taxonomy from a sample of the log's own texts, for a person to edit."""
    import anthropic

    from coterie.labels.propose import Proposer
    from coterie.sources import load_source

    if to.exists():
        raise TaxonomyError(f"{to}: found a file; expected a path where none is, for a person may have edited it")
    if not to.absolute().parent.is_dir():
        raise TaxonomyError(f"{to}: found no folder {to.absolute().parent}; expected one that is there")
    settings = load_settings()
    named = base or load_source(settings.source).taxonomy
    existing = load_taxonomy(named) if named else None
    texts = _sample(Lake(settings.home), sample)
    proposer = Proposer(
        anthropic.Anthropic(),
        existing,
        model=settings.label_model,
        budget_usd=float(settings.label_budget_usd),
        on=datetime.now(UTC).date(),
    )
    planned = proposer.preview(texts)
    _tell(planned)
    if dry_run:
        return
    if planned.covered == 0:
        raise SettingError(
            f"COTERIE_LABEL_BUDGET_USD: found {planned.budget_usd:g}, which does not buy the first request for certain; "
            f"expected more (at most ${planned.most_usd:.4f} is spent)"
        )
    proposal = proposer.propose(texts)
    used = ", ".join(f"{name} {value:,.4g}" for name, value in proposal.usage.items())
    out.print(f"Read {proposal.seen:,} of {len(texts):,} texts; {used}.", soft_wrap=True)
    for reason, count in sorted(proposal.left_out.items()):
        out.print(f"Not read: {count:,} texts, because {reason}.", soft_wrap=True)
    if proposal.taxonomy is None or (existing and proposal.taxonomy.domains == existing.domains):
        raise TaxonomyError(f"{to}: nothing was proposed, so nothing was written")
    write_atomically(to, as_yaml(proposal.taxonomy, _heading(proposal, settings, named)))
    if existing:
        _show_difference(existing, proposal.taxonomy)
    interests, domains = len(proposal.taxonomy.interests), len(proposal.taxonomy.domains)
    out.print(
        f"{to}: {domains} domains, {interests} interests, edition {proposal.taxonomy.edition}. Read it, edit it, and "
        f"name it as `taxonomy` in the source description.",
        soft_wrap=True,
    )


@taxonomy_app.command("diff")
def diff_command(
    old: Annotated[Path, typer.Argument(help="The taxonomy that items are labelled with.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="The one that would take its place.", show_default=False)],
) -> None:
    """Show what a taxonomy adds, removes and changes, and which labels would be made anew."""
    before, after = load_taxonomy(old), load_taxonomy(new)
    out.print(
        f"{old} (version {before.version}, edition {before.edition}) to {new} (version {after.version}, edition "
        f"{after.edition})",
        soft_wrap=True,
    )
    _show_difference(before, after)
    settings = load_settings()
    lake = Lake(settings.home)
    for line in (*_re_labelled_rows(lake, before, after), *_re_labelled_answers(settings, lake, before, after)):
        out.print(line, soft_wrap=True)


def _show_difference(before: Taxonomy, after: Taxonomy) -> None:
    """Interests and domains that came, went, or have other words."""
    difference = before.diff(after)
    domains = {domain.id: domain for domain in before.domains}
    changed = [
        *(
            f"{domain.id}: {words}"
            for domain in after.domains
            if domain.id in domains and (words := _changes(domains[domain.id], domain))
        ),
        *(f"{key}: {_changes(before.interests[key][1], after.interests[key][1])}" for key in difference.changed),
    ]
    for sign, what, lines in (
        ("+", "added", difference.added),
        ("-", "removed", difference.removed),
        ("~", "changed", changed),
    ):
        out.print(f"{len(lines)} {what}")
        for line in lines[:SHOWN]:
            out.print(f"  {sign} {line}", soft_wrap=True)
        if len(lines) > SHOWN:
            out.print(f"  and {len(lines) - SHOWN} more")


def _changes(before: Domain | Interest, after: Domain | Interest) -> str:
    """The fields that differ, and of lists what came and went."""
    told = []
    for name in type(before).model_fields:
        was, now = getattr(before, name), getattr(after, name)
        if was == now or name == "interests":
            continue
        if isinstance(was, tuple):
            words = [*(f"+{word}" for word in now if word not in was), *(f"-{word}" for word in was if word not in now)]
            told.append(f"{name} {' '.join(words) or 'in another order'}")
        else:
            told.append(f"{name} {was!r} -> {now!r}")
    return "; ".join(told)


def _re_labelled_rows(lake: Lake, before: Taxonomy, after: Taxonomy) -> Iterator[str]:
    """What stands in the lake under the branches that changed."""
    from coterie.labels.carry import edit

    days = lake.days("item_labels")
    if not days:
        yield f"{lake.home} has no item_labels yet."
        return
    branches = sorted(edit(before, after).branches)
    rows = pl.concat(lake.read("item_labels", day).select("item_id", "interest_id") for day in days)
    of = rows.filter(pl.col("interest_id").str.split(".").list.first().is_in(branches))
    yield (
        f"Branches that change: {', '.join(branches) or 'none'}. item_labels of {days[0]} to {days[-1]}: "
        f"{of['item_id'].n_unique():,} of {rows['item_id'].n_unique():,} items are labelled with an interest of theirs."
    )


def _re_labelled_answers(settings: Settings, lake: Lake, before: Taxonomy, after: Taxonomy) -> Iterator[str]:
    """Which paid answers would be bought anew, and for how much."""
    from coterie.labels.carry import touched
    from coterie.labels.ledger import Ledger
    from coterie.labels.preview import preview_of
    from coterie.labels.prompts import wire_text
    from resources.configurable import LabellerChoice, Storage

    ledger = Ledger(settings.home / "state" / "labels.sqlite")
    if not ledger.path.exists():
        yield "No labels were bought yet (no ledger), so none would be bought anew."
        return
    ledger.learn(before)  # a ledger from before taxonomies were kept can carry its answers over from now on
    items = _texts(lake)
    texts = {h: wire_text(text, tags) for h, text, tags in items.select("text_hash", "text", "hashtags").iter_rows()}
    answered = ledger.under(before.version)
    for key, answers in sorted(answered.items(), key=lambda pair: (pair[0].model, pair[0].prompt_version)):
        again = touched(before, after, answers, texts)
        yield f"Answers of {key.model}: {len(again):,} of {len(answers):,} would be asked again, the others stand."
    if not answered:
        yield f"No label was bought under version {before.version}."
    labeller = LabellerChoice(
        storage=Storage(home=str(settings.home)),
        labeller="claude",
        model=settings.label_model,
        mode=settings.label_mode,
        budget_usd=str(settings.label_budget_usd),
    ).make(after)
    if items.height and (planned := preview_of(labeller, items)):
        yield f"All texts of the lake, labelled by {settings.label_model} under the new version. {planned.told()}"


def _texts(lake: Lake) -> pl.DataFrame:
    """The different texts of the lake: text_hash, text, hashtags, language, by hash."""
    columns = ["text_hash", "text", "hashtags", "language"]
    frames = [lake.read("raw_items", day).select(columns) for day in lake.days("raw_items")]
    if not frames:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return pl.concat(frames).unique("text_hash", keep="first", maintain_order=True).sort("text_hash")


def _sample(lake: Lake, size: int) -> list[str]:
    """So many different texts, masked: always the same ones of the same lake, in an order that says nothing."""
    from coterie.labels.prompts import wire_text

    found = {
        h: wire_text(text, tags) for h, text, tags in _texts(lake).select("text_hash", "text", "hashtags").iter_rows()
    }
    if not any(found.values()):
        raise MissingDayError(
            f"{lake.home} has no texts yet. Materialize raw_items of some days first, or run `make demo`."
        )
    drawn = sorted(
        (h for h, text in found.items() if text), key=lambda h: hashlib.sha256(f"taxonomy {h}".encode()).digest()
    )
    return [found[h] for h in drawn[:size]]


def _tell(planned: "Preview") -> None:
    out.print(planned.told(), soft_wrap=True)
    for warning in planned.warnings:
        out.print(f"warning: {warning}", soft_wrap=True)


def _heading(proposal: "Proposal", settings: Settings, base: Path | None) -> str:
    reviewed = "then reviewed" if proposal.reviewed else "NOT reviewed: the last request came to nothing"
    return (
        f"Proposed by {settings.label_model} from {proposal.seen:,} texts of the log, {reviewed}.\n"
        f"{f'Added to {base}, of which nothing was changed.' if base else 'Started afresh.'}\n"
        "To be edited by a person: name_zh is a keyword or the English name, until somebody puts a better one; mark what\n"
        "a person may not want to be known by with `sensitive: true`. Rename names, never ids: labels are kept by id.\n"
    )
