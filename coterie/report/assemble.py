"""Puts a page together: templates, styles, scripts and data in one file that asks for nothing.

Belongs here: what all pages of the report share. Does not belong here: what a page says.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert
from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from markupsafe import Markup

from coterie.report.facts import BETWEEN, FACTS
from coterie.report.numbers import METRICS
from coterie.report.texts import Texts


def assemble(
    template: str, t: Texts, *, charts: Mapping[str, Any], parameters: Mapping[str, str], **context: object
) -> str:
    """The HTML of a page.

    Args:
        template: file name below templates/.
        charts: Vega-Lite specifications by name.
        parameters: SQL literals of the queries' parameters, by name without the dollar sign.
        context: what the template shows; escaped there.
    """
    scripts = [_page("head.js").strip(), _page("page.js").strip(), _vega()]
    environment = Environment(
        loader=_Pages(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(
        t=t,
        charts=charts,
        metrics=[metric for metric in METRICS.values() if metric.fact in FACTS or "before" in parameters],
        css=Markup(_page("page.css")),
        head_js=Markup(scripts[0]),
        page_js=Markup(scripts[1]),
        vega_js=Markup(scripts[2]),
        policy=_policy(scripts),
        data=Markup(_embedded(_data(t, charts, parameters))),
        **context,
    )


def _data(t: Texts, charts: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, object]:
    facts = {**FACTS, **BETWEEN} if "before" in parameters else FACTS
    return {
        "charts": charts,
        "whole": _whole(charts.get("map")),
        "parameters": parameters,
        "words": {
            "copy": t("trace.copy"), "copied": t("trace.copied"),
            "found": t("communities.found", n="{n}", all="{all}"), "interval": t("interval", low="{low}", high="{high}"),
        },
        "facts": {name: {"keys": fact.keys, "tables": fact.tables, "sql": fact.sql} for name, fact in facts.items()},
        "metrics": {
            key: {
                "fact": metric.fact, "column": metric.column, "low": metric.low, "high": metric.high,
                "direct": metric.direct, "says": str(t.get(f"metrics.{key}")),
            }
            for key, metric in METRICS.items() if metric.fact in facts
        },
    }  # fmt: skip


def _whole(chart: Mapping[str, Any] | None) -> dict[str, object]:
    """The map's whole extent, which the page's buttons go back to."""
    if chart is None:
        return {}
    encoding = next(layer["encoding"] for layer in chart["layer"] if "shape" in layer["encoding"])
    return {axis: encoding[axis]["scale"]["domain"] for axis in ("x", "y")}


def _embedded(data: object) -> str:
    """JSON that may stand in a script element: no text in it can end the element or begin another."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _policy(scripts: list[str]) -> str:
    """The browser's own rule for the page: no request at all, and no script but these."""
    allowed = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _page(name: str) -> str:
    return (files("coterie.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that puts them on `window`."""
    # Its stub wants a snippet, which is for bundles of another kind.
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    # Nothing in a script element may look like its end, or like a comment that swallows it.
    return bundle.strip().replace("</script", "<\\/script").replace("<!--", "<\\!--")


class _Pages(BaseLoader):
    def get_source(self, environment: Environment, template: str) -> tuple[str, None, None]:
        try:
            return _page(template), None, None
        except FileNotFoundError as error:
            raise TemplateNotFound(template) from error
