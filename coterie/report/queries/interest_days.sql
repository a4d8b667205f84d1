-- Share of the active users who engaged with an interest, by day, over four weeks; Wilson's 90 % interval, from
-- rounded counts.
with active as (
    select day, cast(floor(max(active_users) / 5.0) * 5 as bigint) as n
    from interest_daily
    where day between $day - 27 and $day
    group by day
    having floor(max(active_users) / 5.0) * 5 >= $k
),

shares as (
    select mart.day, mart.interest_id, mart.users_rounded / active.n as p, active.n
    from mart_interest_trends as mart
    inner join active on mart.day = active.day
    where mart.users_rounded is not null
)

select
    day,
    interest_id,
    round(p, 4) as share,
    round((p + 2.706 / (2 * n) - 1.645 * sqrt(greatest(0, p * (1 - p)) / n + 2.706 / (4 * n * n))) / (1 + 2.706 / n), 4) as share_low,
    round((p + 2.706 / (2 * n) + 1.645 * sqrt(greatest(0, p * (1 - p)) / n + 2.706 / (4 * n * n))) / (1 + 2.706 / n), 4) as share_high
from shares
order by interest_id, day
