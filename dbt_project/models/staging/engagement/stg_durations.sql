-- How long the items watched today are, by their latest version. A length of zero or less is no length.
with latest as (
    select
        item_id,
        max_by(coalesce(duration_ms, 0), day) as duration_ms
    from {{ source('lake', 'raw_items') }}
    where day <= {{ today() }}
      and item_id in (select item_id from {{ ref('stg_events') }} where watch_ms > 0)
    group by item_id
)

select
    item_id,
    cast(floor(2 * log2(duration_ms)) as bigint) as half_octave
from latest
where duration_ms > 0
