-- How strongly each user engaged with each item today.

with pairs as (
    select
        user_id,
        item_id,
        count(case when kind = 'exposure' then 1 end) as shown,
        sum(case when kind = 'watch' then watch_ms end) as watch_ms
    from {{ ref('stg_events') }}
    group by user_id, item_id
),

-- Watch time is compared among items of like length: within half an octave, that is a factor of the root of 2.
-- Items of unknown length are a group of their own.
watched as (
    select
        pairs.user_id,
        pairs.item_id,
        pairs.watch_ms,
        coalesce(durations.half_octave, -1) as half_octave
    from pairs
    left join {{ ref('stg_durations') }} as durations on pairs.item_id = durations.item_id
    where pairs.watch_ms > 0
),

-- The middle of the ranks that a value takes up, so that equal watch times have equal quantiles.
ranked as (
    select
        user_id,
        item_id,
        count(*) over (partition by half_octave) as likes,
        rank() over (partition by half_octave order by watch_ms) - 1
            + count(*) over (partition by half_octave, watch_ms) / 2.0 as rank_in_likes,
        count(*) over () as everything,
        rank() over (order by watch_ms) - 1 + count(*) over (partition by watch_ms) / 2.0 as rank_in_everything
    from watched
),

-- Too few items of like length say nothing: then all of the day's watches are the measure.
quantiles as (
    select
        user_id,
        item_id,
        cast(
            case when likes >= 20 then rank_in_likes / likes else rank_in_everything / everything end as double
        ) as watch_quantile
    from ranked
),

given as (
    select
        user_id,
        item_id,
        event_type,
        kind,
        count(*) as times,
        max(weight) as weight
    from {{ ref('stg_events') }}
    where kind in ('positive', 'negative')
    group by user_id, item_id, event_type, kind
),

undone as (
    select
        user_id,
        item_id,
        undo_of,
        count(*) as times
    from {{ ref('stg_events') }}
    where kind = 'undo'
    group by user_id, item_id, undo_of
),

standing as (
    select
        given.user_id,
        given.item_id,
        given.event_type,
        given.kind,
        given.weight,
        given.times - coalesce(undone.times, 0) as times
    from given
    left join undone
        on given.user_id = undone.user_id and given.item_id = undone.item_id and given.event_type = undone.undo_of
    where given.times > coalesce(undone.times, 0)
),

-- A repeat counts, but less each time.
signals as (
    select
        user_id,
        item_id,
        {{ exact_sum("case when kind = 'positive' then weight * (1 + ln(times)) else 0 end") }} as positive,
        {{ exact_sum("case when kind = 'negative' then weight * (1 + ln(times)) else 0 end") }} as negative,
        {{ dbt.listagg(
            measure="concat(event_type, '=', cast(times as " ~ dbt.type_string() ~ "))",
            delimiter_text="', '",
            order_by_clause="order by event_type, kind"
        ) }} as signals
    from standing
    group by user_id, item_id
)

select
    pairs.user_id,
    pairs.item_id,
    cast(greatest(pairs.shown, 1) as bigint) as exposures,
    pairs.shown > 0 as exposure_logged,
    (1 - (1 - coalesce(quantiles.watch_quantile, 0)) * power(2, -coalesce(signals.positive, 0) / 3))
        * power(2, -coalesce(signals.negative, 0) / 3) as strength,
    quantiles.watch_quantile,
    coalesce(signals.signals, '') as signals
from pairs
left join quantiles on pairs.user_id = quantiles.user_id and pairs.item_id = quantiles.item_id
left join signals on pairs.user_id = signals.user_id and pairs.item_id = signals.item_id
-- In canonical order: the rows may be too many to be sorted in memory afterwards.
order by pairs.user_id, pairs.item_id
