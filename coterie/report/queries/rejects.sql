-- Rows refused today by reason; counts below the disclosure size are not told.
select
    table_name,
    reason,
    case when sum(copies) >= $k then cast(sum(copies) as bigint) end as copies
from quarantine
where day = $day
group by table_name, reason
order by sum(copies) < $k, copies desc, table_name, reason
