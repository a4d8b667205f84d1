"""Every number of the report, one by one: a click says where it comes from, and the SQL that it shows gives the number.

Belongs here: numbers and marks of charts, all of them. Does not belong here: what else the page does.
"""

import re
from typing import Any

import duckdb
import pytest
import report_world as world
from conftest import BROWSER, Made, Open

from coterie.report.numbers import METRICS, Metric, written

pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium")]

# Clicks each number of each part, and gives what the window then says. Arguments of a chart's mark are the same.
NUMBERS = """() => [...document.querySelectorAll("button.n")].map(button => {
  const dialog = document.querySelector("#trace"), said = name => dialog.querySelector(".trace-" + name).textContent;
  button.click();
  const found = {
    part: button.closest("#days-table") ? "days" : button.closest("section, article")?.id ?? "",
    shown: button.textContent, open: dialog.open,
    value: said("value"), interval: said("interval"), definition: said("definition"), table: said("table"),
    metric: said("column"), sql: said("sql"),
  };
  dialog.close();
  return found;
})"""
MARKS = """() => {
  const data = JSON.parse(document.getElementById("facts").textContent), found = [];
  const look = (part, chart) => {
    if (Array.isArray(part)) return part.forEach(one => look(one, chart));
    if (part === null || typeof part !== "object") return;
    if (typeof part.trace === "string") found.push({chart, ...part});
    Object.values(part).forEach(one => look(one, chart));
  };
  Object.entries(data.charts).forEach(([name, chart]) => look(chart, name));
  return found.map(({chart, trace, said, people, interval}) => {
    const cut = trace.indexOf("|"), metric = trace.slice(0, cut), keys = JSON.parse(trace.slice(cut + 1));
    return {part: chart, shown: String(said ?? people), interval: interval ?? "", metric,
            definition: data.metrics[metric].says, sql: coterie.origin(metric, keys).sql};
  });
}"""
DAYS = """() => [...document.querySelector("#interest").options].flatMap(({value}) => {
  const chosen = document.querySelector("#interest");
  chosen.value = value;
  chosen.dispatchEvent(new Event("input", {bubbles: true}));
  return [...document.querySelectorAll("#days-table .n")].map(number => {
    const [metric, keys, day] = coterie.of(number);
    return {part: "days", shown: number.textContent, interval: number.dataset.i, metric, definition: "-",
            sql: coterie.origin(metric, keys, day).sql};
  });
})"""
# What stands between numbers and may hold digits: days, names, what the method says, what an interval is called.
REST = """() => {
  const walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), found = [];
  const apart = "button.n, .ci, time, option, #method, .plot, [dir=auto], th[scope=row], a[href^='#c-'], script, style";
  while (walk.nextNode()) {
    const node = walk.currentNode;
    if (/[0-9]/.test(node.data) && !node.parentElement.closest(apart)) found.push(node.data.replace(/\\s+/g, " ").trim());
  }
  return [...new Set(found)];
}"""


# An interval stands beside the number that has it; the others are settings, days, names from the log and what the page
# itself says of intervals.
BOUND = r"[−+]?[\d.,]+[%×]?"
NO_NUMBERS = (
    rf"90% interval {BOUND} to {BOUND}",
    rf"\({BOUND} to {BOUND}\)",
    "Honest 90% intervals would reach about 90%",
    "promise 80%, 80% hold",
    "90% interval",
    "in points of 100",
    "does not cross 1",
    rf"\b{world.K} (members|people)|fewer than {world.K}$",
    r"\d+ (May|June) 2024",
    "^7(, 14)?$",  # days after which suggestions are measured again
    re.escape(world.EVIL),
    "^local-3$",
)


def traced(number: dict[str, str], rows: list[tuple[Any, ...]]) -> Metric:
    """The metric of a number, if what it shows is what its SQL gives."""
    where = f"{number['part']}: {number['metric']} shows {number['shown']}\n{number['sql']}"
    metric = METRICS[number["metric"]]
    assert number["definition"], where
    assert len(rows) == 1, f"{where}\ngives {len(rows)} rows"
    value, *bounds = rows[0]
    if metric.written == "text":
        assert re.findall(r"\d+", number["shown"]) == re.findall(r"\d+", value), where
        said = []
    elif (
        number["part"] == "days"
    ):  # one place more than elsewhere, as shares of days differ little; halves go either way
        told = [float(found) for found in re.findall(r"[\d.]+", f"{number['shown']} {number['interval']}")]
        assert told == pytest.approx([share * 100 for share in rows[0]], abs=0.0501), where
        return metric
    else:
        assert number["shown"].lstrip("+") == written(float(value), metric.written).lstrip("+"), where
        said = [written(float(bound), metric.written) for bound in bounds if bound is not None]
    for bound in said if len(said) == 2 else []:
        assert bound in number["interval"], f"{where}\nwith {number['interval']}, not {bound}"
    assert bool(number["interval"]) == (len(said) == 2), where
    return metric


def visit(made: Made, html: str, open_page: Open) -> tuple[set[str], set[str]]:
    """Click everything on a page; gives the parts that have numbers, and the kinds of numbers."""
    page = open_page(html)
    numbers, marks = page.evaluate(NUMBERS), page.evaluate(MARKS)
    days = page.evaluate(DAYS) if page.locator("#interest").count() else []
    assert all(number["open"] and number["value"] == number["shown"] and number["table"] for number in numbers)
    made.lake.refresh_views()
    answers: dict[str, list[tuple[Any, ...]]] = {}
    with duckdb.connect(str(made.lake.home / "coterie.duckdb"), read_only=True) as views:
        kinds = set()
        for number in [*numbers, *marks, *days]:
            sql = number["sql"]
            if sql not in answers:
                answers[sql] = views.sql(sql).fetchall()
            kinds.add(traced(number, answers[sql]).key)
    return {number["part"] for number in numbers}, kinds


def test_every_number_can_be_traced_and_is_what_its_sql_gives(usual: Made, long: Made, open_page: Open) -> None:
    parts, day = visit(usual, usual.html(), open_page)
    assert parts >= {"today", "communities", "interests", "supply", "strategies", "record", "data", "days", "c-c02"}
    parts, two_days = visit(usual, usual.comparison(), open_page)
    assert parts == {"changed", "communities", "movement", "interests", "strategies"}
    _, later = visit(long, long.html(), open_page)
    assert day | two_days | later == set(METRICS), "every kind of number was seen"


def test_a_number_that_stands_in_a_text_can_be_clicked_or_is_no_number_of_the_day(usual: Made, open_page: Open) -> None:
    for html in (usual.html(), usual.comparison()):
        left = [re.sub("|".join(NO_NUMBERS), "", text) for text in open_page(html).evaluate(REST)]
        assert [text for text in left if re.search(r"\d", text)] == []
