-- Every pair of a user and an item with an event is a row, with all of its showings.
with events as (
    select user_id, item_id, count(case when kind = 'exposure' then 1 end) as shown
    from {{ ref('stg_events') }}
    group by user_id, item_id
)

select
    coalesce(events.user_id, engagement.user_id) as user_id,
    coalesce(events.item_id, engagement.item_id) as item_id,
    events.shown,
    engagement.exposures,
    engagement.exposure_logged
from events
full outer join {{ ref('engagement') }} as engagement
    on events.user_id = engagement.user_id and events.item_id = engagement.item_id
where events.user_id is null
   or engagement.user_id is null
   or engagement.exposures <> greatest(events.shown, 1)
   or engagement.exposure_logged <> (events.shown > 0)
