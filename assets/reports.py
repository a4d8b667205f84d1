"""The report of a day."""

from collections.abc import Iterator

import dagster as dg

from assets.gate import GateError, Yielded, check_result
from assets.tables import OWNER, refuses_in_words, today
from coterie.report import headline, render
from resources.audit import Finding
from resources.configurable import Log, Method, Storage
from resources.report_file import tables_of, write_report

MOST_BYTES = 5_000_000
SMALL = "The file is under 5 MB"
ALONE = "The page asks for nothing over the network"
OUTWARD = ('src="http', "src='http", 'href="http', "@import", "url(http")


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The report of the group `reports`; its tables are dbt's (see transforms)."""

    @dg.multi_asset(
        name="report",
        specs=[
            dg.AssetSpec(
                "report",
                group_name="reports",
                description=(
                    "One HTML file for people who are not technical: what changed, what to do, how far to trust it. "
                    "It opens anywhere, without a network."
                ),
                owners=[OWNER],
                kinds={"python", "html"},
                deps=["mart_community_day", "mart_interest_trends", "mart_strategy_board", "strategy_scorecard"],
            )
        ],
        check_specs=[
            dg.AssetCheckSpec("small", asset="report", description=SMALL, blocking=True, partitions_def=days),
            dg.AssetCheckSpec("self_contained", asset="report", description=ALONE, blocking=True, partitions_def=days),
        ],
        partitions_def=days,
    )
    @refuses_in_words
    def report(context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        tables = tables_of(lake, day, source=log.open().source.name, disclosure_size=method.disclosure_size)
        html = render(tables)
        size = len(html.encode())
        findings = [_small(size), _self_contained(html)]
        results = [check_result("report", finding) for finding in findings]
        if not all(finding.passed for finding in findings):
            yield from results
            raise GateError(
                f"{day}: the report was not published: {', '.join(f.says for f in findings if not f.passed)}"
            )
        path = write_report(lake, day, html)
        yield dg.MaterializeResult(
            asset_key="report",
            check_results=results,
            metadata={
                "preview": dg.MetadataValue.md("\n".join(f"{n}. {said}" for n, said in enumerate(headline(tables), 1))),
                "file": dg.MetadataValue.path(str(path)),
                "open": dg.MetadataValue.url(path.as_uri()),
                "bytes": size,
            },
        )

    return [report]


def _small(size: int) -> Finding:
    small = size < MOST_BYTES
    return Finding(
        "small",
        small,
        SMALL if small else f"report: the file has {size:,} bytes; expected fewer than {MOST_BYTES:,}",
        numbers={"bytes": size, "bound": MOST_BYTES},
    )


def _self_contained(html: str) -> Finding:
    found = [sign for sign in OUTWARD if sign in html]
    return Finding(
        "self_contained",
        not found,
        f"report: the page holds {', '.join(found)}; expected that it asks for nothing over the network"
        if found
        else ALONE,
        numbers={"unexpected": len(found)},
    )
