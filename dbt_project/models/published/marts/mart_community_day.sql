-- Communities for analysts; those smaller than the disclosure size are left out.

-- A community can be split and continued on the same day: the change is the news.
with news as (
    select
        community_id,
        min_by(event, case event when 'split' then 1 when 'merged' then 2 when 'born' then 3 else 4 end) as event
    from {{ source('lake', 'community_lineage') }}
    where day = {{ today() }} and event <> 'died'
    group by community_id
),

proposed as (
    select
        community_id,
        count(*) as strategies
    from {{ source('lake', 'strategies') }}
    where day = {{ today() }} and status = 'proposed'
    group by community_id
)

select
    communities.community_id,
    communities.name,
    communities.verdict,
    {{ rounded('communities.users') }} as users_rounded,
    communities.q_value,
    communities.stability,
    news.event,
    communities.summary,
    coalesce(proposed.strategies, 0) as proposed_strategies
from {{ source('lake', 'communities') }} as communities
left join news on communities.community_id = news.community_id
left join proposed on communities.community_id = proposed.community_id
where communities.day = {{ today() }} and communities.users >= {{ var('disclosure_k') }}
