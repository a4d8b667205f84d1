-- An item's label weights sum to 1, so the interests share out the labelled engagement and nothing else.
with labelled as (
    select {{ exact_sum('strength') }} as demand, cast(sum(exposures) as double) as exposures
    from {{ ref('engagement') }}
    where item_id in (select item_id from {{ ref('stg_labels') }})
),

shared as (
    select {{ exact_sum('demand') }} as demand, {{ exact_sum('exposures') }} as exposures, {{ exact_sum('demand_share') }} as share
    from {{ ref('interest_daily') }}
)

select
    labelled.demand,
    shared.demand as shared_demand,
    labelled.exposures,
    shared.exposures as shared_exposures,
    shared.share
from labelled
cross join shared
where abs(coalesce(labelled.demand, 0) - coalesce(shared.demand, 0)) > 1e-6 * greatest(1, labelled.demand)
   or abs(coalesce(labelled.exposures, 0) - coalesce(shared.exposures, 0)) > 1e-6 * greatest(1, labelled.exposures)
   or (shared.demand > 0 and abs(shared.share - 1) > 1e-6)
