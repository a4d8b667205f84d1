"""The project for one set of settings: assets, resources, jobs, the schedule and the sensor."""

import dagster as dg

from assets import (
    communities,
    gold,
    graphs,
    ingest,
    interests,
    labels,
    propagation,
    reports,
    strategies,
    transforms,
    vocabulary,
)
from resources.configurable import LabellerChoice, Log, Method, Reporting, Storage
from resources.dbt import Dbt
from resources.settings import PROJECT, Settings
from resources.source import SourceLog
from resources.warehouse import Warehouse
from workflows.jobs import daily_job, other_jobs
from workflows.partitions import daily_partitions
from workflows.schedules import schedules
from workflows.sensors import sensors


def build_definitions(settings: Settings) -> dg.Definitions:
    """The project for one set of settings; tests and the demo build theirs the same way."""
    log = SourceLog(settings.source, settings.home)
    days = daily_partitions(log)
    storage = Storage(home=str(settings.home.absolute()))
    daily = daily_job(days)
    dbt = Dbt(PROJECT / "dbt_project", home=settings.home, disclosure_k=settings.disclosure_size)
    stages = (ingest, vocabulary, labels, propagation, gold, interests, graphs, communities, strategies, reports)
    return dg.Definitions(
        assets=[*(asset for stage in stages for asset in stage.build(days)), *transforms.build(days, dbt)],
        resources={
            "storage": storage,
            "warehouse": Warehouse(),
            "log": Log(
                storage=storage,
                description=str(settings.source.absolute()),
                # By name, so that the key itself never shows in the UI.
                pseudonym_key=dg.EnvVar("COTERIE_PSEUDONYM_KEY") if settings.pseudonym_key else "",
            ),
            "method": Method(
                first_day=log.first_day().isoformat(),
                half_life_days=settings.half_life_days,
                disclosure_size=settings.disclosure_size,
                graph_users=settings.graph_users,
            ),
            "reporting": Reporting(language=settings.report_language, url=settings.report_url),
            "labeller": LabellerChoice(
                storage=storage,
                labeller=settings.labeller,
                model=settings.label_model,
                mode=settings.label_mode,
                budget_usd=str(settings.label_budget_usd),
            ),
        },
        jobs=[daily, *other_jobs(days)],
        schedules=schedules(daily, days),
        sensors=sensors(daily),
        # Steps are seconds long and share heavy imports: one process per run, several runs at once.
        executor=dg.in_process_executor,
    )
