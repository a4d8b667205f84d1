-- Communities for analysts; those smaller than the disclosure size are left out. Shares are rounded like counts.

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
        issued.community_id,
        count(*) as strategies
    from {{ source('lake', 'strategies') }} as issued
    inner join {{ ref('mart_strategy_board') }} as board on issued.strategy_id = board.strategy_id
    where issued.day = {{ today() }} and board.status = 'proposed'
    group by issued.community_id
),

yesterday as (
    select
        community_id,
        {{ rounded('users') }} as users
    from {{ source('lake', 'communities') }}
    where day = {{ today(days_ago=1) }} and {{ told('users') }}
)

select
    communities.community_id,
    communities.name,
    communities.verdict,
    {{ rounded('communities.users') }} as users_rounded,
    {{ q_at_most('communities.q_value') }} as q_value,
    {{ share_of('communities.stability', 'yesterday.users') }} as stability,
    news.event,
    communities.summary,
    coalesce(proposed.strategies, 0) as proposed_strategies
from {{ source('lake', 'communities') }} as communities
left join news on communities.community_id = news.community_id
left join proposed on communities.community_id = proposed.community_id
left join yesterday on communities.community_id = yesterday.community_id
where communities.day = {{ today() }} and {{ told('communities.users') }}
