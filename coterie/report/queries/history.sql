-- Sizes and verdicts of communities over four weeks.
select
    day,
    community_id,
    name,
    verdict,
    users_rounded
from mart_community_day
where day between $day - 27 and $day
order by day, community_id
