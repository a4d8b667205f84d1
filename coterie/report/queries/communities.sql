-- The day's communities, and how sure their sizes are: memberships are probabilities, each an independent draw.
select
    mart.community_id,
    mart.name,
    mart.verdict,
    mart.users_rounded,
    greatest($k, cast(floor((mart.users_rounded - 1.645 * coalesce(sizes.error, 0)) / 5) * 5 as bigint)) as users_low,
    cast(ceil((mart.users_rounded + 4 + 1.645 * coalesce(sizes.error, 0)) / 5) * 5 as bigint) as users_high,
    mart.q_value,
    mart.stability,
    mart.event,
    mart.proposed_strategies
from mart_community_day as mart
left join (
    select
        community_id,
        sqrt(cast(sum(cast(probability * (1 - probability) as decimal(38, 12))) as double)) as error
    from memberships
    where day = $day
    group by community_id
) as sizes on mart.community_id = sizes.community_id
where mart.day = $day
order by mart.users_rounded desc, mart.community_id
