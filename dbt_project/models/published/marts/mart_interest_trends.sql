-- Interests for analysts. Numbers that rest on fewer users than the disclosure size are left out, today's and the
-- baseline's each by their own count; the word for the trend stays where today's users may be told.

with baseline as (
    select
        interest_id,
        sum(users) as users
    from {{ source('lake', 'interest_daily') }}
    where day between {{ today(days_ago=7) }} and {{ today(days_ago=1) }}
    group by interest_id
),

interests as (
    select
        daily.*,
        daily.users >= {{ var('disclosure_k') }} as told,
        daily.users >= {{ var('disclosure_k') }}
            and coalesce(baseline.users, 0) >= {{ var('disclosure_k') }} as baseline_told
    from {{ ref('interest_daily') }} as daily
    left join baseline on daily.interest_id = baseline.interest_id
)

select
    interests.interest_id,
    coalesce(taxonomy.domain, 'unknown') as domain,
    coalesce(taxonomy.interest, interests.interest_id) as interest,
    case when told then {{ rounded('users') }} end as users_rounded,
    case when told then demand_share end as demand_share,
    supply_share,
    case when told then demand_share - supply_share end as gap,
    case when baseline_told then baseline_share end as baseline_share,
    case when baseline_told then trend_ratio end as trend_ratio,
    case when baseline_told then q_value end as q_value,
    case
        when not told or q_value is null then 'unknown'
        when q_value <= 0.05 and trend_z > 0 then 'rising'
        when q_value <= 0.05 then 'falling'
        else 'steady'
    end as trend
from interests
left join {{ source('lake', 'taxonomy') }} as taxonomy on interests.interest_id = taxonomy.interest_id
