-- The day at a glance, beside yesterday and the same day last week. The interval of a change takes both counts of people
-- as Poisson. What is usual is where nine of ten earlier changes of the last four weeks lie, once there are seven of them.
with people as (
    select day, case when floor(max(active_users) / 5.0) * 5 >= $k then cast(floor(max(active_users) / 5.0) * 5 as bigint) end as n
    from interest_daily
    where day between $day - 27 and $day
    group by day
),

changes as (
    select
        today.day,
        today.n,
        today.n / yesterday.n - 1 as since_yesterday,
        today.n / last_week.n - 1 as since_last_week,
        exp(1.645 * sqrt(1 / today.n + 1 / yesterday.n)) as times_yesterday,
        exp(1.645 * sqrt(1 / today.n + 1 / last_week.n)) as times_last_week
    from people as today
    left join people as yesterday on yesterday.day = today.day - 1
    left join people as last_week on last_week.day = today.day - 7
),

usual as (
    select
        case when count(since_yesterday) >= 7 then quantile_cont(since_yesterday, 0.05) end as yesterday_low,
        case when count(since_yesterday) >= 7 then quantile_cont(since_yesterday, 0.95) end as yesterday_high,
        case when count(since_last_week) >= 7 then quantile_cont(since_last_week, 0.05) end as last_week_low,
        case when count(since_last_week) >= 7 then quantile_cont(since_last_week, 0.95) end as last_week_high
    from changes
    where day < $day
),

told as (
    select day, community_id, verdict, q_value from mart_community_day where day in ($day, $day - 1, $day - 7)
),

known as (
    select
        count(case when day = $day - 1 then 1 end) > 0 as yesterday,
        count(case when day = $day - 7 then 1 end) > 0 as last_week
    from (select distinct day from raw_events where day in ($day - 1, $day - 7))
),

counts as (
    select
        count(case when day = $day then 1 end) as communities,
        count(case when day = $day and verdict = 'real' then 1 end) as real,
        count(case when day = $day - 1 and verdict = 'real' then 1 end) as real_yesterday,
        count(case when day = $day - 7 and verdict = 'real' then 1 end) as real_last_week,
        max(case when day = $day and verdict = 'real' then q_value end) as q_value,
        max(case when day = $day - 1 and verdict = 'real' then q_value end) as q_value_yesterday,
        max(case when day = $day - 7 and verdict = 'real' then q_value end) as q_value_last_week
    from told
),

arrivals as (
    select
        count(case when day = $day and community_id not in (select community_id from told where day = $day - 1) then 1 end)
            as new_yesterday,
        count(case when day = $day - 1 and community_id not in (select community_id from told where day = $day) then 1 end)
            as gone_yesterday,
        count(case when day = $day and community_id not in (select community_id from told where day = $day - 7) then 1 end)
            as new_last_week,
        count(case when day = $day - 7 and community_id not in (select community_id from told where day = $day) then 1 end)
            as gone_last_week
    from told
)

select
    changes.n as people,
    round(changes.since_yesterday, 3) as people_since_yesterday,
    round((1 + changes.since_yesterday) / changes.times_yesterday - 1, 3) as people_since_yesterday_low,
    round((1 + changes.since_yesterday) * changes.times_yesterday - 1, 3) as people_since_yesterday_high,
    round(usual.yesterday_low, 3) as usual_yesterday_low,
    round(usual.yesterday_high, 3) as usual_yesterday_high,
    round(changes.since_last_week, 3) as people_since_last_week,
    round((1 + changes.since_last_week) / changes.times_last_week - 1, 3) as people_since_last_week_low,
    round((1 + changes.since_last_week) * changes.times_last_week - 1, 3) as people_since_last_week_high,
    round(usual.last_week_low, 3) as usual_last_week_low,
    round(usual.last_week_high, 3) as usual_last_week_high,
    counts.communities,
    counts.real,
    case when known.yesterday then counts.real_yesterday end as real_yesterday,
    case when known.last_week then counts.real_last_week end as real_last_week,
    case when counts.real > 0 then greatest(0.01, round(ceil(counts.real * counts.q_value * 100) / 100, 2)) end as false_alarms,
    case when known.yesterday and counts.real_yesterday > 0
        then greatest(0.01, round(ceil(counts.real_yesterday * counts.q_value_yesterday * 100) / 100, 2))
    end as false_alarms_yesterday,
    case when known.last_week and counts.real_last_week > 0
        then greatest(0.01, round(ceil(counts.real_last_week * counts.q_value_last_week * 100) / 100, 2))
    end as false_alarms_last_week,
    case when known.yesterday then arrivals.new_yesterday end as new_yesterday,
    case when known.yesterday then arrivals.gone_yesterday end as gone_yesterday,
    case when known.last_week then arrivals.new_last_week end as new_last_week,
    case when known.last_week then arrivals.gone_last_week end as gone_last_week,
    (select count(*) from mart_strategy_board where day = $day and status = 'proposed') as proposed,
    (select count(*) from mart_strategy_board where day = $day and status like 'warning%') as warnings,
    (select count(*) from raw_events where day = $day) as events
from counts
cross join arrivals
cross join known
cross join usual
left join changes on changes.day = $day
