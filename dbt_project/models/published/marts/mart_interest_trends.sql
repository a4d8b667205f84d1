-- Interests for analysts. Everything about users is made of counts that are rounded first, and of none below the
-- disclosure size: whatever is computed from these rows tells no more than the rounded counts do.

with today as (
    select
        interest_id,
        {{ rounded('users') }} as users,
        {{ rounded('active_users') }} as active_users
    from {{ ref('interest_daily') }}
    where {{ told('users') }}
),

history as (
    select
        day,
        interest_id,
        case when {{ told('users') }} then {{ rounded('users') }} end as users,
        case when {{ told('active_users') }} then {{ rounded('active_users') }} else 0 end as active_users
    from {{ source('lake', 'interest_daily') }}
    where day between {{ today(days_ago=7) }} and {{ today(days_ago=1) }}
),

-- A count that may not be told is taken to be as near to today's share as one below the disclosure size can be: what
-- rises or falls all the same, does so whatever that count was.
{{ compared_with_the_week_before(unknown="cast(round(least(" ~ var('disclosure_k') ~ ","
    " cast(today.users as double) / today.active_users * baseline_days.active_users)) as bigint)") }},

-- The comparison is a number only where the interest may be told on every day of the baseline.
told_days as (
    select
        interest_id,
        count(users) as days
    from history
    group by interest_id
),

compared as (
    select
        today.interest_id,
        today.users,
        today.active_users,
        coalesce(told_days.days = baselines.days, false) as is_told,
        baselines.share as baseline_share,
        cast(today.users as double) / today.active_users as share,
        trends.trend_z,
        trends.q_value
    from today
    left join baselines on today.interest_id = baselines.interest_id
    left join told_days on today.interest_id = told_days.interest_id
    left join trends on today.interest_id = trends.interest_id
)

select
    daily.interest_id,
    coalesce(taxonomy.domain, 'unknown') as domain,
    coalesce(taxonomy.interest, daily.interest_id) as interest,
    compared.users as users_rounded,
    {{ share_of('daily.demand_share', 'compared.active_users') }} as demand_share,
    daily.supply_share,
    {{ share_of('daily.demand_share', 'compared.active_users') }} - daily.supply_share as gap,
    case when compared.is_told then compared.baseline_share end as baseline_share,
    case when compared.is_told then {{ ratio('compared.share', 'compared.baseline_share') }} end as trend_ratio,
    case when compared.is_told then compared.q_value end as q_value,
    case
        when compared.q_value <= 0.05 and compared.trend_z > 0 then 'rising'
        when compared.q_value <= 0.05 then 'falling'
        when compared.is_told and compared.q_value is not null then 'steady'
        else 'unknown'
    end as trend
from {{ ref('interest_daily') }} as daily
left join compared on daily.interest_id = compared.interest_id
left join {{ source('lake', 'taxonomy') }} as taxonomy on daily.interest_id = taxonomy.interest_id
-- That a few users were interested in something is not told either, unless it was offered anyway.
where compared.interest_id is not null or daily.supply > 0
