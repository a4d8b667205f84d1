-- How much two communities engage with the same interests: the sum over interests of the smaller of their two shares.
-- Shares count only interests that enough members engaged with; the sum is rounded to fives of the smaller community's
-- members.
with totals as (
    select
        members.community_id,
        interests.interest_id,
        count(*) as users,
        sum(cast(interests.engaged as decimal(38, 12))) as engaged
    from user_interests as interests
    inner join memberships as members on interests.user_id = members.user_id and members.day = $day and members.is_primary
    where interests.day = $day and interests.engaged > 0
    group by members.community_id, interests.interest_id
),

shares as (
    select
        community_id,
        interest_id,
        cast(engaged as double) / cast(sum(engaged) over (partition by community_id) as double) as share
    from totals
    where floor(users / 5.0) * 5 >= $k
      and community_id in (select community_id from mart_community_day where day = $day)
),

pairs as (
    select
        a.community_id,
        b.community_id as neighbour_id,
        cast(sum(cast(least(a.share, b.share) as decimal(38, 12))) as double) as overlap
    from shares as a
    inner join shares as b on a.interest_id = b.interest_id and a.community_id <> b.community_id
    group by a.community_id, b.community_id
),

sizes as (
    select pairs.*, least(mine.users_rounded, theirs.users_rounded) as users
    from pairs
    inner join mart_community_day as mine on pairs.community_id = mine.community_id and mine.day = $day
    inner join mart_community_day as theirs on pairs.neighbour_id = theirs.community_id and theirs.day = $day
)

select
    community_id,
    neighbour_id,
    round(round(overlap * users / 5.0) * 5 / users, 4) as overlap
from sizes
order by community_id, 3 desc, neighbour_id
