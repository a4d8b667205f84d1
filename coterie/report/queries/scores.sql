-- Earlier suggestions that nobody shipped, measured again over four weeks: what was predicted, as it was told then, and what came. Outcomes
-- are rounded to between a fifth and a half of their standard error, as the marts do.
with cards as (
    select
        *,
        realised_error / 2 as half,
        power(10.0, floor(log10(nullif(realised_error / 2, 0)))) as unit
    from strategy_scorecard
    where day between $day - 27 and $day and verdict <> 'not_scorable' and shipped_on is null
      and horizon_days in (7, 14)
),

steps as (
    select *, case when half / unit >= 5 then 5 * unit when half / unit >= 2 then 2 * unit else unit end as step from cards
)

select
    steps.day,
    steps.strategy_id,
    steps.issued_on,
    steps.horizon_days,
    board.kind,
    board.community,
    board.interest,
    board.effect as predicted,
    board.effect_low as predicted_low,
    board.effect_high as predicted_high,
    round(round(steps.realised / steps.step) * steps.step, 10) as realised,
    -- Every metric is a difference of two numbers in [0, 1].
    case when steps.realised is not null then greatest(-1, round(
        round((steps.realised - 1.645 * steps.realised_error) / steps.step) * steps.step, 10
    )) end as realised_low,
    case when steps.realised is not null then least(1, round(
        round((steps.realised + 1.645 * steps.realised_error) / steps.step) * steps.step, 10
    )) end as realised_high,
    steps.verdict
from steps
inner join mart_strategy_board as board on steps.strategy_id = board.strategy_id and steps.issued_on = board.day
where board.effect is not null
order by steps.day, steps.strategy_id, steps.issued_on, steps.horizon_days
