-- What is wanted against what is new. The error of a share of engagement is that of a ratio over users (each user is one
-- draw, however active), that of a share of new items the binomial one; the interval of the difference joins both, and is
-- rounded outwards to half a point.
with versions as (
    select item_id, max(day) as day
    from raw_items
    where day <= $day and item_id in (select item_id from engagement where day = $day)
    group by item_id
),

labels as (
    select label.item_id, label.interest_id, label.weight
    from item_labels as label
    inner join versions on label.item_id = versions.item_id and label.day = versions.day
    where label.day <= $day
),

wanted as (
    select engagement.user_id, labels.interest_id, sum(cast(engagement.strength * labels.weight as decimal(38, 12))) as x
    from engagement
    inner join labels on engagement.item_id = labels.item_id
    where engagement.day = $day and engagement.strength > 0
    group by engagement.user_id, labels.interest_id
),

users as (
    select user_id, sum(x) as t from wanted group by user_id
),

everything as (
    select cast(sum(t) as double) as t, cast(sum(cast(cast(t as double) * cast(t as double) as decimal(38, 12))) as double) as tt
    from users
),

sums as (
    select
        wanted.interest_id,
        cast(sum(wanted.x) as double) as x,
        cast(sum(cast(cast(wanted.x as double) * cast(wanted.x as double) as decimal(38, 12))) as double) as xx,
        cast(sum(cast(cast(wanted.x as double) * cast(users.t as double) as decimal(38, 12))) as double) as xt
    from wanted
    inner join users on wanted.user_id = users.user_id
    group by wanted.interest_id
),

offered as (
    select count(distinct item_id) as items from item_labels where day = $day
),

errors as (
    select
        mart.*,
        sqrt(greatest(0, sums.xx - 2 * sums.x / nullif(everything.t, 0) * sums.xt + power(sums.x / nullif(everything.t, 0), 2) * everything.tt))
            / nullif(everything.t, 0) as wanted_error,
        sqrt(greatest(0, mart.supply_share * (1 - mart.supply_share)) / nullif(offered.items, 0)
            + 1 / power(nullif(offered.items, 0), 2)) as offered_error
    from mart_interest_trends as mart
    left join sums on mart.interest_id = sums.interest_id
    cross join everything
    cross join offered
    where mart.day = $day
),

bounds as (
    select
        *,
        floor((gap - 1.645 * sqrt(power(wanted_error, 2) + power(offered_error, 2))) * 200) / 200 as low,
        ceil((gap + 1.645 * sqrt(power(wanted_error, 2) + power(offered_error, 2))) * 200) / 200 as high
    from errors
    where gap is not null
)

-- A difference of two shares goes no further than 1.
select
    interest_id,
    domain,
    interest,
    round(demand_share, 3) as wanted,
    round(supply_share, 3) as offered,
    round(gap, 3) as gap,
    case when low < -1 then -1.0 else round(low, 3) end as gap_low,
    case when high > 1 then 1.0 else round(high, 3) end as gap_high
from bounds
order by interest_id
