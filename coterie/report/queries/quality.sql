-- The log by day over four weeks: rows read, rows refused, people, items and how many of them have a label.
with days as (
    select day, count(*) as events from raw_events where day between $day - 27 and $day group by day
),

refused as (
    select day, cast(sum(copies) as bigint) as n from quarantine where day between $day - 27 and $day group by day
),

items as (
    select day, count(*) as n from raw_items where day between $day - 27 and $day group by day
),

labelled as (
    select day, count(distinct item_id) as n from item_labels where day between $day - 27 and $day group by day
),

people as (
    select day, cast(floor(max(active_users) / 5.0) * 5 as bigint) as n
    from interest_daily
    where day between $day - 27 and $day
    group by day
),

spine as (
    select day from days union select day from refused union select day from items
)

select
    spine.day,
    coalesce(days.events, 0) as events,
    coalesce(refused.n, 0) as refused,
    round(coalesce(refused.n, 0) / nullif(coalesce(refused.n, 0) + coalesce(days.events, 0), 0), 4) as refused_share,
    case when people.n >= $k then people.n end as people,
    coalesce(items.n, 0) as items,
    coalesce(labelled.n, 0) as labelled,
    round(coalesce(labelled.n, 0) / nullif(items.n, 0), 3) as labelled_share
from spine
left join days on spine.day = days.day
left join refused on spine.day = refused.day
left join items on spine.day = items.day
left join labelled on spine.day = labelled.day
left join people on spine.day = people.day
order by spine.day
