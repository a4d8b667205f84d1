-- What each interest got today, and how that compares with the seven days before.

with engaged as (
    select
        engagement.user_id,
        engagement.item_id,
        engagement.exposures,
        engagement.strength,
        labels.interest_id,
        labels.weight
    from {{ ref('engagement') }} as engagement
    inner join {{ ref('stg_labels') }} as labels on engagement.item_id = labels.item_id
),

wanted as (
    select
        interest_id,
        count(distinct case when strength > 0 then user_id end) as users,
        count(distinct item_id) as items,
        {{ exact_sum('exposures * weight') }} as exposures,
        {{ exact_sum('strength * weight') }} as demand
    from engaged
    group by interest_id
),

-- Raw items also has known items that changed; their labels count as new supply.
offered as (
    select
        interest_id,
        {{ exact_sum('weight') }} as supply
    from {{ ref('stg_labels') }}
    where is_new
    group by interest_id
),

active as (
    select count(distinct user_id) as users
    from engaged
    where strength > 0
),

today as (
    select
        coalesce(wanted.interest_id, offered.interest_id) as interest_id,
        coalesce(wanted.users, 0) as users,
        active.users as active_users,
        coalesce(wanted.items, 0) as items,
        coalesce(wanted.exposures, 0) as exposures,
        coalesce(wanted.demand, 0) as demand,
        coalesce(offered.supply, 0) as supply
    from wanted
    full outer join offered on wanted.interest_id = offered.interest_id
    cross join active
),

totals as (
    select
        {{ exact_sum('demand') }} as demand,
        {{ exact_sum('supply') }} as supply
    from today
),

-- All of the day's engagement, that with unlabelled items included; and how much of it rests on few items: one over
-- their effective number.
everything as (
    select
        {{ exact_sum('strength') }} as strength,
        {{ exact_sum('strength * strength') }} as squares
    from (
        select
            item_id,
            {{ exact_sum('strength') }} as strength
        from {{ ref('engagement') }}
        group by item_id
    ) as items
),

shares as (
    select
        today.interest_id,
        {{ ratio('everything.squares', 'everything.strength * everything.strength') }} as concentration,
        least(1.0, coalesce({{ ratio('today.demand', 'everything.strength') }}, 0.0)) as share
    from today
    cross join everything
),

-- Corrected for label error as coterie.labels.gold_quality.corrected does it: Rogan and Gladen 1978 for the share; for
-- the interval, Lang and Reiczigel 2014, who add a text to each count.
rates as (
    select
        interest_id,
        caught - false_rate as room,
        false_rate,
        (caught_texts * caught + 1) / (caught_texts + 2) as c,
        (false_texts * false_rate + 1) / (false_texts + 2) as f,
        caught_texts,
        false_texts
    from {{ source('lake', 'label_quality') }}
    where day = {{ today() }} and caught_texts > 0 and caught - false_rate >= 0.05
),

solved as (
    select
        shares.interest_id,
        shares.concentration,
        rates.c,
        rates.f,
        rates.c * (1 - rates.c) / greatest(rates.caught_texts, 1.0) as gold_caught,
        rates.f * (1 - rates.f) / greatest(rates.false_texts, 1.0) as gold_false,
        least(1.0, greatest(0.0, (shares.share - rates.false_rate) / rates.room)) as share,
        least(1.0, greatest(0.0, (shares.share - rates.f) / (rates.c - rates.f))) as centre
    from shares
    inner join rates on shares.interest_id = rates.interest_id
    where rates.c - rates.f >= 0.05
),

centred as (
    select
        interest_id,
        share,
        centre + 2 * {{ z_90() }} * {{ z_90() }} / (c - f)
            * (centre * gold_caught - (1 - centre) * gold_false) as middle,
        {{ z_90() }} / (c - f) * sqrt(
            centre * centre * gold_caught + (1 - centre) * (1 - centre) * gold_false
            + coalesce(concentration, 0.0) * (centre * c * (1 - c) + (1 - centre) * f * (1 - f))
        ) as error
    from solved
),

corrected as (
    select
        interest_id,
        share,
        least(1.0, greatest(0.0, least(share, middle - error))) as share_low,
        least(1.0, greatest(0.0, greatest(share, middle + error))) as share_high
    from centred
),

history as (
    select
        day,
        interest_id,
        users,
        active_users
    from {{ source('lake', 'interest_daily') }}
    where day between {{ today(days_ago=7) }} and {{ today(days_ago=1) }}
),

{{ compared_with_the_week_before() }}

select
    today.interest_id,
    cast(today.users as bigint) as users,
    cast(today.active_users as bigint) as active_users,
    cast(today.items as bigint) as items,
    cast(today.exposures as double) as exposures,
    cast(today.demand as double) as demand,
    cast(today.supply as double) as supply,
    coalesce({{ ratio('today.demand', 'totals.demand') }}, 0.0) as demand_share,
    {{ ratio('today.supply', 'totals.supply') }} as supply_share,
    coalesce({{ ratio('cast(today.users as double)', 'today.active_users') }}, 0.0) as user_share,
    baselines.share as baseline_share,
    {{ ratio(ratio('cast(today.users as double)', 'today.active_users'), 'baselines.share') }} as trend_ratio,
    trends.trend_z,
    trends.p_value,
    trends.q_value,
    shares.share,
    corrected.share as share_corrected,
    corrected.share_low,
    corrected.share_high
from today
inner join shares on today.interest_id = shares.interest_id
cross join totals
left join baselines on today.interest_id = baselines.interest_id
left join corrected on today.interest_id = corrected.interest_id
left join trends on today.interest_id = trends.interest_id
where today.users + today.items + today.exposures + today.demand + today.supply > 0
