-- Users whose main community was one on the day before and another one, or none, on the day after. Groups of fewer
-- users than may be told of are left out, the others rounded down to fives; null is no community.
with days as (
    select distinct day from memberships where day between $day - 7 and $day
),

pairs as (
    select day as day_after, lag(day) over (order by day) as day_before from days
),

main as (
    select day, user_id, community_id from memberships where is_primary and day between $day - 7 and $day
),

befores as (
    select pairs.day_after, main.user_id, main.community_id
    from main inner join pairs on main.day = pairs.day_before
),

afters as (
    select main.day as day_after, main.user_id, main.community_id
    from main inner join pairs on main.day = pairs.day_after and pairs.day_before is not null
),

moved as (
    select
        coalesce(befores.day_after, afters.day_after) as day,
        befores.community_id as source,
        afters.community_id as target,
        count(*) as users
    from befores
    full outer join afters on befores.day_after = afters.day_after and befores.user_id = afters.user_id
    group by 1, 2, 3
)

select
    moved.day,
    moved.source,
    moved.target,
    cast(floor(moved.users / 5.0) * 5 as bigint) as users_rounded
from moved
where floor(moved.users / 5.0) * 5 >= $k
order by moved.day, moved.source nulls last, moved.target nulls last
