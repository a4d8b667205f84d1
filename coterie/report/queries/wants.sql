-- What members engage with more than everybody does; none of these rests on fewer members than may be told of.
select
    communities.community_id,
    want.interest_id,
    round(want.lift, 1) as lift,
    round(want.low, 1) as lift_low,
    round(want.high, 1) as lift_high
from communities, unnest(from_json(
    json_extract(communities.evidence, '$.interests'),
    '[{"interest_id": "VARCHAR", "lift": "DOUBLE", "low": "DOUBLE", "high": "DOUBLE"}]'
)) as wants(want)
where communities.day = $day
  and communities.community_id in (select community_id from mart_community_day where day = $day)
order by communities.community_id, want.low desc, want.interest_id
