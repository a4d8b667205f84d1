"""The command `coterie export`: a day for spreadsheets, slides and business-intelligence tools."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from coterie.errors import MissingDayError
from resources.lake import Lake
from resources.settings import load_settings


def export_command(
    to: Annotated[Path, typer.Option(help="A new or an empty folder.", show_default=False)],
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; default: the latest published.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day of the tables; default: the day alone."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="parquet, csv, json, xlsx, pptx, ppttc, power-bi or hyper. May be given several times. Default: all.",
        ),
    ] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", help="Another table, as Parquet, CSV and for Tableau. May be given several times."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Also private tables, and columns that name persons: docs/export.md.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of an earlier export.")] = False,
    template: Annotated[
        str, typer.Option("--think-cell-template", help="Where think-cell finds your template.")
    ] = "template.pptx",
) -> None:
    """Write a day's public tables for Excel, PowerPoint, think-cell, Power BI, Tableau, R and services."""
    from coterie.export import tableau
    from coterie.export.write import Options, check_formats
    from coterie.sources import load_source
    from resources.export import Wanted, check_target, handout_of, others_of, put_export
    from resources.source import owner_of

    settings = load_settings()
    lake = Lake(settings.home)
    chosen = check_formats(formats, tables or ())
    check_target(to, replace=replace)
    on = _day(lake, day)
    first = since.date() if since else on
    # The tables' own source, whatever COTERIE_SOURCE is now.
    source = owner_of(lake.home) or load_source(settings.source).name
    handout = handout_of(lake, on, since=first, source=source, disclosure_size=settings.disclosure_size)
    others = others_of(lake, on, since=first, wanted=Wanted(tables or (), private))
    for file in put_export(handout, to, Options(chosen, others, template), replace=replace):
        typer.echo(str(file))
    if not formats and not tableau.available():
        typer.echo(f"coterie.hyper was left out. {tableau.MISSING}", err=True)


def _day(lake: Lake, given: datetime | None) -> date:
    days = lake.days("mart_strategy_board")
    if not days:
        raise MissingDayError(f"{lake.home} has no marts yet. Run `make demo`, or materialize the assets of a day.")
    if given is not None and given.date() not in days:
        raise MissingDayError(
            f"mart_strategy_board of {given.date()} is not published. Published: {days[0]} to {days[-1]}."
        )
    return given.date() if given else days[-1]
