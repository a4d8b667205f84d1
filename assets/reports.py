"""The report of a day."""

from collections.abc import Iterator

import dagster as dg

from assets.gate import GateError, Yielded, as_text, check_result
from assets.tables import OWNER, refuses_in_words, today
from coterie.report import FACTS, Texts, first_screen, outward, render
from resources.audit import Finding
from resources.configurable import Log, Method, Reporting, Storage
from resources.report_file import Reporter, write_report

MOST_BYTES = 5_000_000
SMALL = "The file is under 5 MB"
ALONE = "The page asks for nothing over the network"


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
                deps=sorted({table for fact in FACTS.values() for table in fact.tables}),
            )
        ],
        check_specs=[
            dg.AssetCheckSpec("small", asset="report", description=SMALL, blocking=True, partitions_def=days),
            dg.AssetCheckSpec("self_contained", asset="report", description=ALONE, blocking=True, partitions_def=days),
        ],
        partitions_def=days,
    )
    @refuses_in_words
    def report(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method, reporting: Reporting
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        reporter = Reporter(lake, log.open().source.name, method.disclosure_size, log.taxonomy(), reporting.language)
        facts = reporter.facts(day)
        html = render(facts, reporting.language)
        size = len(html.encode())
        findings = [_small(size), _self_contained(html)]
        results = [check_result("report", finding) for finding in findings]
        if not all(finding.passed for finding in findings):
            yield from results
            raise GateError(
                f"{day}: the report was not published: {', '.join(f.says for f in findings if not f.passed)}"
            )
        path = write_report(lake, day, html)
        previews = _previews(first_screen(facts, reporting.language))
        command = f"coterie report --day {day} --open"
        # From a page of a server, as Dagster's UI is one, browsers do not follow links to files.
        link = f"{reporting.url.rstrip('/')}/{path.name}" if reporting.url else path.as_uri()
        says = "preview.linked" if reporting.url else "preview.open"
        opening = Texts(reporting.language, html=False)(says, command=f"`{command}`")
        yield dg.MaterializeResult(
            asset_key="report",
            check_results=results,
            metadata={
                # In parts: a text of more than a thousand characters stands folded in Dagster's UI.
                **{key: dg.MetadataValue.md(text) for key, text in previews.items()},
                "file": dg.MetadataValue.path(str(path)),
                "open": dg.MetadataValue.url(link),
                "how_to_open": dg.MetadataValue.md(opening),
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
    found = outward(html)
    return Finding(
        "self_contained",
        not found,
        f"report: the page holds {', '.join(found)}; expected that it asks for nothing over the network"
        if found
        else ALONE,
        numbers={"unexpected": len(found)},
    )


def _previews(parts: list[tuple[str, list[str]]]) -> dict[str, str]:
    """The parts of the first screen as Markdown: names from the log are text in it, whatever they hold."""
    return {
        key: f"**{as_text(heading)}**\n\n" + "\n".join(f"{n}. {as_text(line)}" for n, line in enumerate(lines, 1))
        for key, (heading, lines) in zip(("preview", "to_do", "trust"), parts, strict=True)
    }
