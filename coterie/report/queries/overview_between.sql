-- Two days at a glance: what is shown on one of them only, what is still suggested. The interval of the change takes both
-- counts of people as Poisson.
with people as (
    select
        day,
        case when floor(max(active_users) / 5.0) * 5 >= $k then cast(floor(max(active_users) / 5.0) * 5 as bigint) end as n
    from interest_daily
    where day in ($before, $day)
    group by day
),

compared as (
    select
        today.n / before.n as ratio,
        exp(1.645 * sqrt(1 / today.n + 1 / before.n)) as times
    from people as today
    inner join people as before on today.day = $day and before.day = $before
),

communities as (
    select community_id, bool_or(day = $before) as was, bool_or(day = $day) as is_now
    from mart_community_day
    where day in ($before, $day)
    group by community_id
),

suggestions as (
    select strategy_id, bool_or(day = $before) as was, bool_or(day = $day) as is_now
    from mart_strategy_board
    where day in ($before, $day) and status = 'proposed'
    group by strategy_id
)

select
    (select round(ratio - 1, 3) from compared) as people_since,
    (select round(ratio / times - 1, 3) from compared) as people_since_low,
    (select round(ratio * times - 1, 3) from compared) as people_since_high,
    (select count(*) from communities where is_now and not was) as new,
    (select count(*) from communities where was and not is_now) as gone,
    (select count(*) from suggestions where is_now and was) as kept,
    (select count(*) from suggestions where is_now and not was) as suggested,
    (select count(*) from suggestions where was and not is_now) as dropped
