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

-- The baseline: every day on which somebody was active. An interest without a row had no users that day.
history as (
    select
        day,
        interest_id,
        users,
        active_users
    from {{ source('lake', 'interest_daily') }}
    where day between {{ today(days_ago=7) }} and {{ today(days_ago=1) }}
),

baseline_days as (
    select
        day,
        max(active_users) as active_users
    from history
    group by day
    having max(active_users) > 0
),

counts as (
    select
        today.interest_id,
        baseline_days.active_users,
        coalesce(history.users, 0) as users,
        cast(sum(coalesce(history.users, 0)) over (partition by today.interest_id) as double)
            / sum(baseline_days.active_users) over (partition by today.interest_id) as share
    from today
    cross join baseline_days
    left join history on today.interest_id = history.interest_id and baseline_days.day = history.day
),

-- Days differ by more than chance: the dispersion is Pearson's chi-square over its degrees of freedom.
baselines as (
    select
        interest_id,
        count(*) as days,
        cast(sum(active_users) as double) as active_users,
        cast(sum(users) as double) as users,
        max(share) as share,
        {{ exact_sum(ratio(
            '(users - active_users * share) * (users - active_users * share)',
            'active_users * share * (1 - share)'
        )) }} as chi_square
    from counts
    group by interest_id
),

pooled as (
    select
        today.interest_id,
        cast(today.users as double) / today.active_users - baselines.share as change,
        baselines.active_users as baseline_active_users,
        today.active_users,
        (today.users + baselines.users) / (today.active_users + baselines.active_users) as share,
        greatest(1.0, coalesce(baselines.chi_square, 0) / (baselines.days - 1)) as dispersion
    from today
    inner join baselines on today.interest_id = baselines.interest_id
    where baselines.days >= 3 and today.active_users > 0
),

-- With fewer than two users to be expected today the normal tail is off by more than a factor of two at 0.001.
scores as (
    select
        interest_id,
        change / sqrt(
            dispersion * share * (1 - share) * (1.0 / active_users + 1.0 / baseline_active_users)
        ) as trend_z
    from pooled
    where share * active_users >= 2 and share < 1
),

p_values as (
    select
        interest_id,
        trend_z,
        {{ two_sided_p('trend_z') }} as p_value
    from scores
),

-- Benjamini-Hochberg: p times the number of tests over its rank, made monotone from the largest p down.
ranked as (
    select
        *,
        p_value * (cast(count(*) over () as double) / row_number() over (order by p_value, interest_id)) as raw_q
    from p_values
),

trends as (
    select
        interest_id,
        trend_z,
        p_value,
        least(1.0, min(raw_q) over (
            order by p_value desc, interest_id desc rows between unbounded preceding and current row
        )) as q_value
    from ranked
)

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
    trends.q_value
from today
cross join totals
left join baselines on today.interest_id = baselines.interest_id
left join trends on today.interest_id = trends.interest_id
where today.users + today.items + today.exposures + today.demand + today.supply > 0
