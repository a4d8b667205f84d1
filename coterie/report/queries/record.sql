-- Track record of four weeks, of what nobody shipped, by kind of suggestion and by days until it was measured; Wilson's 90 % interval. Means are
-- rounded to half a point.
with kinds as (
    select distinct day, strategy_id, kind from strategies where day between $day - 53 and $day
),

sums as (
    select
        coalesce(kinds.kind, 'unknown') as kind,
        card.horizon_days,
        count(*) as n,
        count(case when card.verdict = 'hit' then 1 end) as hits,
        avg(card.predicted) as predicted,
        avg(card.realised) as realised,
        avg(card.placebo) as placebo
    from strategy_scorecard as card
    left join kinds on card.strategy_id = kinds.strategy_id and card.issued_on = kinds.day
    where card.day between $day - 27 and $day and card.verdict <> 'not_scorable' and card.shipped_on is null
      and card.horizon_days in (7, 14)
    group by grouping sets ((coalesce(kinds.kind, 'unknown'), card.horizon_days), ())
)

select
    coalesce(kind, 'all') as kind,
    coalesce(horizon_days, 0) as horizon_days,
    n as scored,
    hits,
    round(hits / n, 3) as hit_rate,
    round((hits / n + 2.706 / (2 * n) - 1.645 * sqrt(hits / n * (1 - hits / n) / n + 2.706 / (4.0 * n * n)))
        / (1 + 2.706 / n), 3) as hit_rate_low,
    round((hits / n + 2.706 / (2 * n) + 1.645 * sqrt(hits / n * (1 - hits / n) / n + 2.706 / (4.0 * n * n)))
        / (1 + 2.706 / n), 3) as hit_rate_high,
    round(round(predicted * 200) / 200, 3) as predicted,
    round(round(realised * 200) / 200, 3) as realised,
    round(round(placebo * 200) / 200, 3) as placebo
from sums
where n > 0
order by kind <> 'all', kind, horizon_days
