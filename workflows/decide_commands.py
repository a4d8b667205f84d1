"""The command `coterie decide`: teams record what they did with a suggestion."""

from datetime import datetime, timedelta
from typing import Annotated

import polars as pl
import typer

from resources.decisions import DecisionLog, decided
from resources.lake import Lake
from resources.settings import load_settings


def decide_command(
    strategy_id: Annotated[str, typer.Argument(metavar="ID", help="The suggestion, from mart_strategy_board.")],
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="accepted, rejected or shipped.")],
    on: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help="The day; of shipped, the first on which people saw the change."),
    ],
    note: Annotated[str, typer.Option(help="Why; at most 500 characters. Name no user: exports show it.")] = "",
) -> None:
    """Record what became of a suggestion; a later decision about it takes the place of an earlier one."""
    # Here, as the other commands need not wait for the statistics behind them.
    from coterie.strategies.horizons import AGES
    from coterie.strategies.intervention import NOT_AS_INTERVENTIONS
    from coterie.strategies.propose import PROPOSED

    lake = Lake(load_settings().home)
    made = decided(lake, strategy_id, decision, on=on.date(), note=note)
    new = DecisionLog(lake.home).add(made)
    row = lake.read("strategies", made.issued_on).filter(pl.col("strategy_id") == made.strategy_id).row(0, named=True)
    typer.echo(
        f"{made.strategy_id} ({row['kind']}, {row['interest_id'] or 'all interests'}, suggested on {made.issued_on}): "
        f"{made.decision} on "
        f"{made.decided_on}{'' if new else '; it was recorded before'}."
    )
    if made.decided_on > (last := lake.days("strategies")[-1]):
        typer.echo(f"Mind: the tables reach to {last}; exports and reports show a decision from its own day on.")
    # On the board it may be a warning, where suggestions of its kind keep missing.
    board = (
        lake.read("mart_strategy_board", made.issued_on) if lake.has("mart_strategy_board", made.issued_on) else None
    )
    told = None if board is None else board.filter(pl.col("strategy_id") == made.strategy_id)["status"]
    status = told.item() if told is not None and len(told) else row["status"]
    if made.decision != "rejected" and status != "proposed":
        typer.echo(f"Mind: its status was '{status}'.")
    if made.decision != "rejected" and made.decided_on >= row["expires_on"]:
        typer.echo(f"Mind: the suggestion no longer held from {row['expires_on']} on.")
    elif made.decision == "shipped" and row["metric"] in NOT_AS_INTERVENTIONS:
        typer.echo(f"It cannot be scored: {NOT_AS_INTERVENTIONS[row['metric']]}.")
    elif made.decision == "shipped" and row["effect"] is not None and status == PROPOSED:
        first, last = (made.decided_on + timedelta(days=age - 1) for age in (min(AGES), max(AGES)))
        last = min(last, made.issued_on + timedelta(days=max(AGES)))
        typer.echo(f"It is scored from {first} to {last}, by what showings of it bring while it is in force.")
        # Before it is scored, what was suggested of it earlier is scored no longer.
        if again := [day for day in lake.days("strategy_scorecard") if made.decided_on <= day <= last]:
            typer.echo(f"Mind: materialize strategy_scorecard of {again[0]} to {again[-1]} again.")
