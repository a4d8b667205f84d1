-- How often prediction and outcome agree within both errors, at several levels: honest intervals lie on the diagonal.
with levels(level, z) as (
    values (0.5, 0.674), (0.6, 0.842), (0.7, 1.036), (0.8, 1.282), (0.9, 1.645), (0.95, 1.960)
),

cards as (
    select
        abs(card.realised - card.predicted)
            / sqrt(power(card.realised_error, 2) + power(issued.std_error, 2)) as distance
    from strategy_scorecard as card
    inner join strategies as issued on card.strategy_id = issued.strategy_id and card.issued_on = issued.day
    where card.day between $day - 27 and $day and card.verdict <> 'not_scorable' and card.shipped_on is null
      and card.horizon_days in (7, 14)
      and issued.day between $day - 53 and $day
),

counts as (
    select levels.level, count(*) as n, count(case when cards.distance <= levels.z then 1 end) as within
    from cards cross join levels
    where cards.distance is not null
    group by levels.level
)

select
    cast(level as double) as level,
    n as scored,
    round(within / n, 3) as share,
    round((within / n + 2.706 / (2 * n) - 1.645 * sqrt(within / n * (1 - within / n) / n + 2.706 / (4.0 * n * n)))
        / (1 + 2.706 / n), 3) as share_low,
    round((within / n + 2.706 / (2 * n) + 1.645 * sqrt(within / n * (1 - within / n) / n + 2.706 / (4.0 * n * n)))
        / (1 + 2.706 / n), 3) as share_high
from counts
where n > 0
order by level
