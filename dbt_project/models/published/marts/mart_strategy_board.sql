-- Suggestions for analysts, with the plan to test each and how its kind has done; those for fewer users than the
-- disclosure size are left out. Estimates are rounded to between a fifth and a half of their standard error, about what
-- one user can move them by; what cannot be evaluated has none. A kind that keeps missing is a warning, no suggestion:
-- of at least 20 that were scored in the last 28 days, so few held that more than 80 % can be ruled out. What was shipped
-- is measured otherwise, and does not count there. A suggestion is scored every day, but counts at two ages, a week apart:
-- scores of successive days share most of their week.

-- A suggestion keeps its id, so any earlier day tells its kind.
with kinds as (
    select distinct
        strategy_id,
        kind
    from {{ source('lake', 'strategies') }}
),

record as (
    select
        kinds.kind,
        count(case when card.verdict in ('hit', 'miss') then 1 end) as scored,
        count(case when card.verdict = 'hit' then 1 end) as hits
    from {{ source('lake', 'strategy_scorecard') }} as card
    inner join kinds on card.strategy_id = kinds.strategy_id
    where
        card.day between {{ today(days_ago=27) }} and {{ today() }}
        and card.shipped_on is null
        and card.horizon_days in (7, 14)
    group by kinds.kind
),

estimates as (
    select
        strategy_id,
        {{ step_of('std_error') }} as step
    from {{ source('lake', 'strategies') }}
    where day = {{ today() }} and evaluability <> 'not_evaluable'
)

select
    strategies.strategy_id,
    strategies.kind,
    coalesce(communities.name, strategies.community_id) as community,
    coalesce(taxonomy.interest, strategies.interest_id, 'all interests') as interest,
    {{ rounded('strategies.users_affected') }} as users_rounded,
    strategies.metric,
    {{ to_the_step('strategies.baseline', 'estimates.step') }} as baseline,
    {{ to_the_step('strategies.effect', 'estimates.step') }} as effect,
    {{ to_the_step('strategies.effect_low', 'estimates.step') }} as effect_low,
    {{ to_the_step('strategies.effect_high', 'estimates.step') }} as effect_high,
    {{ q_at_most('strategies.q_value') }} as q_value,
    strategies.evaluability,
    case
        when
            strategies.status = 'proposed'
            and record.scored >= 20
            and {{ wilson_high('record.hits', 'record.scored') }} < 0.8
            then
                'warning: only ' || cast(record.hits as varchar) || ' of ' || cast(record.scored as varchar)
                || ' of its kind came true as predicted in the last 28 days'
        else strategies.status
    end as status,
    plans.users_per_arm,
    plans.days as test_days,
    coalesce(record.scored, 0) as scored,
    {{ ratio('cast(record.hits as double)', 'record.scored') }} as hit_rate,
    strategies.expires_on
from {{ source('lake', 'strategies') }} as strategies
left join {{ source('lake', 'experiment_plans') }} as plans
    on strategies.strategy_id = plans.strategy_id and strategies.day = plans.day
left join {{ source('lake', 'communities') }} as communities
    on strategies.community_id = communities.community_id and strategies.day = communities.day
left join {{ source('lake', 'taxonomy') }} as taxonomy on strategies.interest_id = taxonomy.interest_id
left join record on strategies.kind = record.kind
left join estimates on strategies.strategy_id = estimates.strategy_id
where strategies.day = {{ today() }} and {{ told('strategies.users_affected') }}
