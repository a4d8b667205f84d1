"""The command `coterie`: what people do outside the Dagster UI."""

import json
import shlex
import sys
import webbrowser
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from coterie.errors import CoterieError, MissingDayError, SettingError
from coterie.tables import TABLES, markdown
from resources.lake import Lake
from resources.settings import PROJECT, Settings, load_settings
from workflows.decide_commands import decide_command
from workflows.export_commands import export_command
from workflows.gold_commands import gold_app
from workflows.taxonomy_commands import taxonomy_app

if TYPE_CHECKING:
    from coterie.sources import Finding, SourceCheck
    from resources.report_file import Reporter

app = typer.Typer(
    name="coterie",
    help="From a raw engagement log to interest communities and strategy rows, every day.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

app.add_typer(gold_app, name="gold")


def _console(*, stderr: bool = False) -> Console:
    """A console for which what people's files hold is text: brackets in it are no markup, and colons no emoji."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


app.add_typer(taxonomy_app, name="taxonomy")
app.command("decide")(decide_command)
app.command("export")(export_command)
out = _console()
COLOURS = {"error": "red", "warning": "yellow", "ok": "green"}
FILES_SHOWN = 8
TYPES_SHOWN = 20
CELL = 27  # characters: two such cells and a column's name fit 80
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; default: the latest published.")]


def _settings() -> Settings:
    return load_settings()


def _lake() -> Lake:
    return Lake(_settings().home)


def _day(lake: Lake, table: str, given: datetime | None) -> date:
    days = lake.days(table)
    if not days:
        raise MissingDayError(f"{lake.home} has no {table} yet. Run `make demo`, or materialize the assets of a day.")
    if given is None:
        return days[-1]
    if given.date() not in days:
        raise MissingDayError(f"{table} of {given.date()} is not published. Published: {days[0]} to {days[-1]}.")
    return given.date()


@app.command("check-source")
def check_source_command(
    description: Annotated[
        Path | None, typer.Argument(help="The source description (YAML); default: COTERIE_SOURCE.")
    ] = None,
) -> None:
    """Tell what is wrong with a source description, line by line, and show what would be read."""
    from coterie.sources import check_source

    check = check_source(description or _settings().source)
    _show_findings(check.findings)
    _show_tables(check)
    counts = {level: sum(f.level == level for f in check.findings) for level in COLOURS}
    verdict = "cannot be used yet" if counts["error"] else "can be used"
    out.print(f"The source {verdict}: {counts['error']} error(s), {counts['warning']} warning(s).")
    if not check.ok:
        raise typer.Exit(1)


def _show_findings(findings: "list[Finding]") -> None:
    grid = RichTable.grid(padding=(0, 1))
    for _ in range(2):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        where = f"line {finding.line}:" if finding.line else ""
        grid.add_row(Text(finding.level, style=COLOURS[finding.level]), where, _printable(finding.text))
        for detail in finding.details:
            # A grid of its own, so that a detail's second line stands under its first.
            item = RichTable.grid(padding=(0, 1))
            item.add_column(no_wrap=True)
            item.add_column(overflow="fold")
            item.add_row("-", _printable(detail))
            grid.add_row("", "", item)
    out.print(grid)


def _show_tables(check: "SourceCheck") -> None:
    if check.event_types:
        types = [(t.name, f"{t.rows:,}", t.meaning) for t in check.event_types]
        _show("Event types", ("event type", "rows", "what it means"), types, TYPES_SHOWN)
    if check.files:
        files = [(f.path, f"{f.rows:,}", "cannot be read" if f.error else f"{f.undated:,}") for f in check.files]
        _show("Event files", ("file", "rows", "without a time"), files, FILES_SHOWN)
    if check.sample.height:
        rows = _upright(check.sample.head(2))
        _show("The first rows, as they would be read; times in UTC", rows.columns, rows.rows(), rows.height)


def _show(title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]], most: int) -> None:
    table = RichTable(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name == "rows" else "left")
    for row in rows[:most]:
        table.add_row(*map(_printable, row))
    out.print(table)
    if len(rows) > most:
        out.print(f"and {len(rows) - most:,} more")


@app.command("simulate")
def simulate_command(
    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or an empty folder.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Which platform: equal options give equal files.")] = 0,
    first_day: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First day of the log.", show_default="2024-05-01")
    ] = datetime(2024, 5, 1),
    days: Annotated[int, typer.Option(help="Days of the log.")] = 21,
    users: Annotated[int, typer.Option(help="Users; a tenth of them belong to no community.")] = 2_000,
    events_per_day: Annotated[int, typer.Option(help="Rows of the log on an average day.")] = 20_000,
    communities: Annotated[int, typer.Option(help="Communities on the first day.")] = 6,
    mixing: Annotated[
        float,
        typer.Option(
            help="How much members want what everybody wants: 0 only what is their community's, 1 nothing of their own."
        ),
    ] = 0.3,
    languages: Annotated[str, typer.Option(help="Of the items' texts: en, zh or both.")] = "both",
    exposures: Annotated[
        bool,
        typer.Option(
            help="Whether the log says what the feed showed, with propensities; else it holds likes and comments alone, "
            "as on a forum."
        ),
    ] = True,
    dirt: Annotated[
        bool,
        typer.Option(help="Spoil the log as real ones are: copies, late and broken rows, bots, a giant account."),
    ] = False,
    life: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND@DAY",
            help="Something that happens to a community, such as split@8 on the ninth day. Kinds: drift, split, merger, "
            "birth, death. May be given several times. Default: one of each.",
        ),
    ] = None,
    steady: Annotated[bool, typer.Option("--steady", help="Nothing happens to communities.")] = False,
    null: Annotated[
        str | None,
        typer.Option(
            help="A platform with nothing to find: no_preferences (everybody likes everything alike) or feed_only (the "
            "feed treats groups differently, and they engage alike)."
        ),
    ] = None,
    boost: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BOOST",
            help="A decision to rehearse, COMMUNITY:INTEREST:SHARE@DAY. 2:food.coffee:0.1@14 gives coffee a tenth of "
            "what the members of community 2 are shown from the fifteenth day on; all else stays as without it. May be "
            "given several times.",
        ),
    ] = None,
) -> None:
    """Write a platform whose truth is known: a log, its items, its description, and the truth behind them.

    To see what Coterie finds where the answer is known, and to rehearse a decision before shipping it:
    docs/rehearse.md.
    """
    from coterie.simulate import Scenario, default_life, parse_boost, parse_life, simulate

    if life and steady:
        raise SettingError("simulate: life: found events and --steady; expected one of the two")
    scenario = Scenario(
        seed=seed,
        first_day=first_day.date(),
        days=days,
        users=users,
        events_per_day=events_per_day,
        communities=communities,
        mixing=mixing,
        life=parse_life(life) if life else () if steady or null else default_life(days, communities),
        boosts=tuple(parse_boost(text) for text in boost or ()),
        null=null,  # type: ignore[arg-type]
        exposures=exposures,
        dirt=dirt,
        languages=languages,  # type: ignore[arg-type]
    )
    try:
        told = [simulate(to, scenario)]
    except OSError as error:
        raise SettingError(f"simulate: {to}: {error.strerror or error}; expected a folder that can be made") from None
    if scenario.life:
        happens = ", ".join(f"{e.kind} on {first_day.date() + timedelta(days=e.day)}" for e in scenario.life)
        told.append(f"What happens to communities: {happens}.")
    if scenario.boosts:
        told += _rehearsed(pl.read_parquet(to / "truth" / "rehearsal.parquet"))
    for line in (*told, f"Next, let Coterie find it, in a home of its own:\n  {_demo_of(to)}"):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def _rehearsed(rehearsal: pl.DataFrame) -> list[str]:
    """What boosts changed, a line for each community."""
    n = pl.col("showings")

    def mean(column: str) -> pl.Expr:
        return (pl.col(column) * n).sum() / n.sum()

    by_community = rehearsal.group_by("community", maintain_order=True).agg(
        n.sum().alias("n"), mean("strength_without"), mean("strength_with"), mean("effect"),
        pl.col("day").min().alias("first"), pl.col("day").max().alias("last"),
        margin=1.645 * ((pl.col("error") * n) ** 2).sum().sqrt() / n.sum(),
    )  # fmt: skip
    told = [
        f"Rehearsed for community {r['community']}, {r['first']} to {r['last']}: {r['n']:,} showings, mean strength "
        f"{r['strength_without']:.4f} without the boost and {r['strength_with']:.4f} with it, {r['effect']:+.4f} "
        f"(90 % interval {r['effect'] - r['margin']:+.4f} to {r['effect'] + r['margin']:+.4f})."
        for r in by_community.iter_rows(named=True)
    ]
    return told or ["Rehearsed: nothing changed, for nobody of that community was shown anything on those days."]


def _demo_of(folder: Path) -> str:
    """The command that runs Coterie on a simulated log; make hands SOURCE to a shell, which wants quotes of its own."""
    here = Path.cwd() == PROJECT
    folder = folder if here else folder.absolute()
    source = shlex.quote(str(folder / "source.yaml"))
    source = source if source == str(folder / "source.yaml") else shlex.quote(source)
    make = "make" if here else f"make -C {shlex.quote(str(PROJECT))}"
    return f"COTERIE_HOME={shlex.quote(str(folder / 'home'))} {make} demo SOURCE={source}"


@app.command("report")
def report_command(
    day: Day = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Compare two days: the earlier one.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Compare two days: the later one.")
    ] = None,
) -> None:
    """Say where the report of a day lies; make it if it is not there in the language that is set. Or compare two days."""
    if first is None and last is None:
        path = _report(day)
    elif first is None or last is None:
        raise SettingError("report: found one of --from and --to; expected both, or neither")
    elif day is not None:
        raise SettingError("report: found --day beside --from and --to; expected one day or two")
    else:
        path = _comparison(first, last)
    out.print(str(path), soft_wrap=True)
    if show and not webbrowser.open(path.as_uri()):
        raise CoterieError(f"report: found no browser to open; the file is {path}")


def _report(day: datetime | None) -> Path:
    from resources.report_file import report_there, write_report

    lake = _lake()
    on = _day(lake, "mart_strategy_board", day)
    # A report that was made in another language than the one that is set is made anew.
    there = report_there(lake, on, _settings().report_language)
    return there or write_report(lake, on, _reporter(lake).report(on))


def _comparison(first: datetime, last: datetime) -> Path:
    from resources.report_file import write_comparison

    lake = _lake()
    before, after = (_day(lake, "mart_strategy_board", day) for day in (first, last))
    if before >= after:
        raise SettingError(f"report: --from: found {before}; expected a day before --to, {after}")
    return write_comparison(lake, before, after, _reporter(lake).comparison(before, after))


def _reporter(lake: Lake) -> "Reporter":
    from coterie.sources import load_source
    from coterie.taxonomy import load_taxonomy
    from resources.report_file import Reporter

    settings = _settings()
    source = load_source(settings.source)
    return Reporter(
        lake, source.name, settings.disclosure_size, load_taxonomy(source.taxonomy), settings.report_language
    )


@app.command("lookup")
def lookup_command(
    what: Annotated[str, typer.Argument(help="A community, strategy or user id, as the source names them.")],
    day: Day = None,
    history: Annotated[
        bool, typer.Option("--history", help="Also what a user did on all days, and all that ever touched them.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All rows of what a user did, not the latest ten.")] = False,
) -> None:
    """Show what is known about a user, a community or a strategy, as JSON; of a user also which suggestions touch them."""
    from coterie.sources import pseudonym
    from workflows.lookup import look_up

    lake = _lake()
    on = _day(lake, "communities", day)
    key = _settings().pseudonym_key.encode()
    found = look_up(lake, {what, pseudonym(what, key)} if key else {what}, on, history=history, everything=everything)
    if not found:
        raise CoterieError(f"No user, community or strategy is called {what!r} up to {on}.")
    sys.stdout.write(json.dumps({"day": str(on), **found}, ensure_ascii=False, indent=2, default=str) + "\n")


@app.command("forget")
def forget_command(
    user_ids: Annotated[list[str], typer.Argument(help="User ids as the source names them.")],
) -> None:
    """Take users out of every private table, and leave them out of every later ingest."""
    from coterie.sources import pseudonym
    from resources.forgotten import forget_users

    settings = _settings()
    key = settings.pseudonym_key.encode() or None
    removed = forget_users(_lake(), [pseudonym(user, key) if key else user for user in user_ids])
    out.print(f"{len(user_ids)} user(s) forgotten. Rows removed: {removed or 'none'}.")


@app.command("catalog")
def catalog_command(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/tables.md.")] = False,
) -> None:
    """List the tables: what a row is, which days are published, how many rows the last one has."""
    if as_markdown:
        sys.stdout.write(markdown())
        return
    lake = _lake()
    table = RichTable(title=f"Tables in {lake.home}", title_justify="left")
    for name in ("table", "one row is", "days", "from", "to", "rows on the last day"):
        table.add_column(name, overflow="fold")
    for contract in TABLES.values():
        days = lake.days(contract.name)
        rows = str(lake.read(contract.name, days[-1]).height) if days else ""
        first, last = (str(days[0]), str(days[-1])) if days else ("", "")
        table.add_row(contract.name, contract.row, str(len(days)), first, last, rows)
    out.print(table)


def _upright(rows: pl.DataFrame) -> pl.DataFrame:
    """A column a line, so that wide rows fit a terminal; columns that the source does not have are left out."""
    shown = [name for name in rows.columns if rows[name].null_count() < rows.height]
    cells = {
        f"row {n}": ["" if row[c] is None else _cell(row[c]) for c in shown] for n, row in enumerate(rows.to_dicts(), 1)
    }
    return pl.DataFrame({"column": shown, **cells})


def _cell(value: object) -> str:
    text = value.isoformat(" ") if isinstance(value, datetime) else str(value)
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def _printable(text: str) -> Text:
    """Text as a cell: what would move the cursor or colour the screen shows as a mark."""
    return Text("".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text))


def main() -> None:
    """Run the command; errors that a person can mend are told in words, without a traceback."""
    try:
        app()
    except CoterieError as error:
        _console(stderr=True).print(Text.assemble(("error", "red"), f": {error}"), soft_wrap=True)
        raise SystemExit(2) from None
