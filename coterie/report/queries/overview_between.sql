-- Two days at a glance: what is new, what is gone, what is still suggested.
with people as (
    select
        day,
        case when floor(max(active_users) / 5.0) * 5 >= $k then cast(floor(max(active_users) / 5.0) * 5 as bigint) end as n
    from interest_daily
    where day in ($before, $day)
    group by day
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
    round(
        (select n from people where day = $day) / nullif((select n from people where day = $before), 0) - 1, 3
    ) as people_since,
    (select count(*) from communities where is_now and not was) as new,
    (select count(*) from communities where was and not is_now) as gone,
    (select count(*) from suggestions where is_now and was) as kept
