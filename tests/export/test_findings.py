"""The five findings: always five, right by hand, and silent where there is nothing to say."""

import export_world as world
import pytest

from coterie.export.findings import findings

TOPICS = ["Communities", "What to do first", "Trends", "Demand and supply", "Track record"]


def test_each_says_what_the_marts_say() -> None:
    board = [
        world.strategy(1, "Cooks", interest="Baking", effect=0.12, effect_low=0.05, effect_high=0.19),
        world.strategy(2, "Cooks", interest="Tea", effect=0.3, effect_low=0.02, effect_high=0.5),
        world.strategy(3, "Cooks", kind="close_supply_gap", metric="demand_minus_supply", effect_low=0.01, scored=4,
                       hit_rate=0.25),
        world.withheld(4, "Cooks"),
    ]  # fmt: skip
    trends = [
        world.trend(0, interest="Dogs", demand_share=0.182, supply_share=0.084, gap=0.098, q_value=0.02),
        world.trend(1, interest="Cats", trend="falling", trend_ratio=0.5, q_value=0.001, gap=-0.2),
        world.trend(2, interest="Tea", trend="steady", q_value=0.9, gap=None),
    ]
    found = findings(
        world.handout([world.community(0, "Cooks"), world.community(1, "Runners", verdict="weak")], board, trends)
    )
    assert [f.topic for f in found] == TOPICS
    assert [f.sentence for f in found] == [
        "1 of 2 communities is real; the largest is Cooks with 400 members.",
        "Show more of Baking for Cooks: +12.0 points (90 % interval +5.0 to +19.0).",
        "1 rising and 1 falling interests; clearest is Cats, falling, at 0.5 times its share of the week before.",
        "Dogs is 18.2% of engagement and 8.4% of new items, the widest gap.",
        "5 of 9 earlier suggestions scored in the last 28 days (56%) came true within their 90 % interval.",
    ]
    communities, first, trend, gap, record = (f.figure for f in found)
    assert [(s.name, s.values) for s in communities.series] == [("real", (400, None)), ("weak", (None, 390))]
    assert len(first.categories) == 2, "an effect stands beside effects of the same measure only"
    assert (first.low, first.high) == ((0.05, 0.02), (0.19, 0.5))
    assert trend.categories == ("Cats", "Dogs", "Tea")
    assert [s.values for s in trend.series] == [pytest.approx((0.05, 0.15, 0.15)), (0.1, 0.1, 0.1)]
    assert gap.categories == ("Dogs", "Cats")
    assert record.series[0].values == (0.8, 0.25)


def test_a_day_with_nothing_has_five_findings_without_figures() -> None:
    found = findings(world.handout([], [], []))
    assert [f.topic for f in found] == TOPICS
    assert all(f.figure is None for f in found)
    assert "nothing passed its test" in found[1].sentence


def test_what_passed_its_test_does_not_begin_at_zero() -> None:
    board = [world.strategy(1, "Cooks", effect=0.02, effect_low=0.0, effect_high=0.05)]
    first = findings(world.handout([world.community(0, "Cooks")], board, []))[1]
    assert "(90 % interval just above 0.0 to +5.0)" in first.sentence


def test_what_a_showing_gains_comes_before_larger_effects_of_other_measures() -> None:
    board = [
        world.strategy(1, "Cooks", kind="close_supply_gap", metric="demand_minus_supply", effect=0.4, effect_low=0.3),
        world.strategy(2, "Cooks", metric="gain_per_showing", effect=0.1, effect_low=0.02),
    ]
    first = findings(world.handout([world.community(0, "Cooks")], board, []))[1]
    assert first.sentence.startswith("Show more of")


def test_a_day_of_warnings_says_that_nothing_is_to_be_acted_on() -> None:
    row = world.strategy(1, "Cooks") | {"status": "warning: only 3 of 20 of its kind came true as predicted"}
    first = findings(world.handout(strategies=[row]))[1]
    assert first.sentence.startswith("There is nothing to act on today: 1 suggestion passed the test")
    assert first.figure is None


def test_a_trend_whose_counts_are_hidden_is_told_without_a_number() -> None:
    hidden = world.trend(0, interest="Dogs", baseline_share=None, trend_ratio=None, q_value=None)
    trend = findings(world.handout([], [], [hidden]))[2]
    assert trend.sentence == "1 rising and 0 falling interest; clearest is Dogs, rising."
    assert trend.figure is None


def test_a_kind_and_a_metric_that_it_does_not_know_are_told_by_their_ids() -> None:
    new = world.strategy(1, "Cooks", kind="swap_interest", metric="negative_rate", evaluability="doubly_robust")
    first = findings(world.handout([world.community(0, "Cooks")], [new], []))[1]
    assert first.sentence.startswith("Swap interest: ")
    assert any("negative rate" in note and "doubly robust" in note for note in first.notes)
