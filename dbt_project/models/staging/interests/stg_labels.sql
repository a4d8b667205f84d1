-- The labels that stand today of the items engaged with or first seen today. A label belongs to the version of the
-- item that was labelled: an item that changed and could not be labelled anew has none.
with versions as (
    select
        item_id,
        max(day) as version_day
    from {{ source('lake', 'raw_items') }}
    where day <= {{ today() }}
      and (day = {{ today() }} or item_id in (select item_id from {{ ref('engagement') }}))
    group by item_id
)

select
    labels.item_id,
    labels.interest_id,
    labels.weight,
    versions.version_day = {{ today() }} as is_new
from {{ source('lake', 'item_labels') }} as labels
inner join versions on labels.item_id = versions.item_id and labels.day = versions.version_day
where labels.day <= {{ today() }}
