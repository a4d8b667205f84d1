-- Users by their main community on the earlier and on the later day. Groups of fewer users than may be told of are
-- left out, the others rounded down to fives; null is no community.
with befores as (
    select user_id, community_id from memberships where is_primary and day = $before
),

afters as (
    select user_id, community_id from memberships where is_primary and day = $day
)

select
    befores.community_id as source,
    afters.community_id as target,
    cast(floor(count(*) / 5.0) * 5 as bigint) as users_rounded
from befores
full outer join afters on befores.user_id = afters.user_id
group by 1, 2
having floor(count(*) / 5.0) * 5 >= $k
order by source nulls last, target nulls last
