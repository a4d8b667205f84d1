-- A view, unlike the others: a day of events may not fit in memory.
{{ config(materialized='view') }}
-- The day's events, as far as engagement needs them. A signal without a weight counts once.
select
    user_id,
    item_id,
    event_type,
    kind,
    coalesce(weight, 1.0) as weight,
    undo_of,
    watch_ms
from {{ source('lake', 'raw_events') }}
where day = {{ today() }}
