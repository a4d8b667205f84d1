"""The commands `coterie gold`: draw texts for people to annotate, read their answers, say how good labels are."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from coterie.errors import LabelError
from coterie.taxonomy import Taxonomy, load_taxonomy
from resources.gold import GoldStore, labelled_texts, version_of, version_on
from resources.lake import Lake
from resources.settings import Settings, load_settings

gold_app = typer.Typer(help="Measure labels on texts that people annotated (docs/gold.md).", no_args_is_help=True)

Days = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day; default: the first.")]
Last = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day; default: the latest.")]


@gold_app.command("draw")
def draw_command(
    out: Annotated[Path, typer.Option(help="A new file, .xlsx (with drop-downs) or .csv.")],
    size: Annotated[int, typer.Option(help="Texts to draw.")] = 300,
    first: Days = None,
    last: Last = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other texts.")] = 0,
) -> None:
    """Draw texts, stratified by interest, confidence and abstention, and write a sheet for people to fill in."""
    from coterie.labels.gold_draw import draw
    from coterie.labels.gold_sheet import check_new, write_sheet
    from coterie.labels.prompts import wire_text

    settings = load_settings()
    taxonomy = _taxonomy(settings)
    check_new(out)
    lake, store = Lake(settings.home), GoldStore(settings.home)
    texts, verdicts = labelled_texts(lake, _date(first), _date(last))
    best = verdicts.sort("confidence", "interest_id", descending=[True, False], nulls_last=True)
    population = best.unique("text_hash", keep="first", maintain_order=True)
    drawn = draw(population.select("text_hash", "interest_id", "confidence"), size, seed=seed)
    store.add_draw(drawn)
    store.add_verdicts(verdicts.join(drawn, on="text_hash", how="semi"))
    shown = drawn.select("text_hash").join(texts, on="text_hash", maintain_order="left")
    masked = [wire_text(text, tags) for text, tags in shown.select("text", "hashtags").rows()]
    write_sheet(out, shown.select("text_hash", text=pl.Series(masked, dtype=pl.String)), taxonomy)
    unlabelled = int(drawn["stratum"].str.starts_with("unlabelled").sum())
    typer.echo(
        f"{drawn.height} of {population.height} texts drawn from {drawn['stratum'].n_unique()} strata, {unlabelled} of "
        f"them without a label. Fill in {out}, then: coterie gold read {out}"
    )


@gold_app.command("read")
def read_command(file: Annotated[Path, typer.Argument(help="A sheet that somebody filled in.")]) -> None:
    """Read a filled sheet; a file with a wrong row is not read at all, and each such row is named."""
    from coterie.labels.gold_sheet import read_sheet

    settings = load_settings()
    store = GoldStore(settings.home)
    drawn = store.read().drawn
    if drawn.is_empty():
        raise LabelError(f"{store.folder}: found no draw; expected one: start with `coterie gold draw --out gold.xlsx`")
    filled = read_sheet(file, frozenset(drawn["text_hash"]), _taxonomy(settings))
    replaced = store.add_answers(filled.answers)
    texts = filled.answers.select("annotator", "text_hash").unique().height
    people = sorted(filled.answers["annotator"].unique())
    again = f" {replaced} of them had been answered before and have the new answer." if replaced else ""
    typer.echo(f"{texts} texts read, by {', '.join(people) or 'nobody'}; {filled.empty} rows are still empty.{again}")


@gold_app.command("label")
def label_command() -> None:
    """Let the labeller of the settings judge the gold texts anew: to measure a new model, prompt or taxonomy.

    With COTERIE_LABELLER=claude it pays for texts that its ledger lacks, within COTERIE_LABEL_BUDGET_USD.
    """
    from coterie.labels.gold import verdicts_of
    from resources.configurable import LabellerChoice, Storage

    settings = load_settings()
    store, taxonomy, lake = GoldStore(settings.home), _taxonomy(settings), Lake(settings.home)
    learnt = lake.days("label_vocabulary")
    labeller = LabellerChoice(
        storage=Storage(home=str(store.home)), labeller=settings.labeller, model=settings.label_model,
        mode=settings.label_mode, budget_usd=str(settings.label_budget_usd),
    ).make(taxonomy, lake.read("label_vocabulary", learnt[-1]) if learnt else None)  # fmt: skip
    texts, _ = labelled_texts(lake, None, None)
    wanted = texts.join(store.read().drawn, on="text_hash", how="semi")
    if wanted.is_empty():
        raise LabelError(f"{store.folder}: found no drawn text in the lake; expected some: see `coterie gold draw`")
    labelled = labeller.label(wanted)
    version = version_of(labeller, taxonomy.version)
    store.add_verdicts(verdicts_of(version, labelled))
    paid = f", {labelled.usage['usd']:.2f} USD" if labelled.usage.get("usd") else ""
    typer.echo(
        f"{version}: {labelled.labels['text_hash'].n_unique()} texts labelled, {len(labelled.abstained)} abstained, "
        f"{len(labelled.failed)} failed{paid}."
    )


@gold_app.command("report")
def report_command() -> None:
    """Say how far labels agree with people: kappa, precision, recall, calibration, confusion, drift, as Markdown."""
    from coterie.labels.gold_report import report

    settings = load_settings()
    lake, store = Lake(settings.home), GoldStore(settings.home)
    gold = store.read()
    if not gold.exists:
        raise LabelError(
            f"{store.folder}: found no annotated text; expected some: draw, fill in, then `coterie gold read`"
        )
    days = lake.days("item_labels")
    sys.stdout.write(report(gold, version_on(lake, days[-1]) if days else None))


def _taxonomy(settings: Settings) -> Taxonomy:
    from coterie.sources import load_source

    return load_taxonomy(load_source(settings.source).taxonomy)


def _date(given: datetime | None) -> date | None:
    return given.date() if given else None
