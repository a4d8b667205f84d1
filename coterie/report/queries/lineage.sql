-- What happened to communities over four weeks, of those that were large enough to be told of.
select
    lineage.day,
    lineage.community_id,
    lineage.event,
    lineage.from_ids
from community_lineage as lineage
where lineage.day between $day - 27 and $day
  and lineage.event <> 'continued'
  and lineage.community_id in (select community_id from mart_community_day where day between $day - 28 and $day)
order by lineage.day, lineage.community_id, lineage.event
