-- Today's share of active users against the week before, with the interval of the ratio: both counts are taken as
-- Poisson, and the week's days as more different from one another than that where they were.
with active as (
    select day, cast(floor(max(active_users) / 5.0) * 5 as bigint) as users
    from interest_daily
    where day between $day - 7 and $day
    group by day
    having floor(max(active_users) / 5.0) * 5 >= $k
),

told as (
    select mart.day, mart.interest_id, mart.users_rounded as users, active.users as active_users
    from mart_interest_trends as mart
    inner join active on mart.day = active.day
    where mart.users_rounded is not null
),

before as (
    select
        day.interest_id,
        sum(day.users) as users,
        greatest(1, sum(
            power(day.users - day.active_users * mart.baseline_share, 2)
            / (day.active_users * mart.baseline_share * (1 - mart.baseline_share))
        ) / greatest(1, count(*) - 1)) as dispersion
    from told as day
    inner join mart_interest_trends as mart on day.interest_id = mart.interest_id and mart.day = $day
    where day.day < $day and mart.baseline_share between 0.000001 and 0.999999
    group by day.interest_id
),

compared as (
    select
        mart.*,
        today.active_users,
        sqrt(before.dispersion * greatest(0,
            1 / today.users - 1 / today.active_users + 1 / before.users
        )) as error,
        yesterday.users / yesterday.active_users as share_yesterday,
        sqrt(before.dispersion * greatest(0,
            1 / today.users - 1 / today.active_users + 1 / yesterday.users - 1 / yesterday.active_users
        )) as error_yesterday
    from mart_interest_trends as mart
    left join told as today on mart.interest_id = today.interest_id and today.day = $day
    left join told as yesterday on mart.interest_id = yesterday.interest_id and yesterday.day = $day - 1
    left join before on mart.interest_id = before.interest_id
    where mart.day = $day
)

select
    interest_id,
    domain,
    interest,
    users_rounded,
    round(users_rounded / active_users, 4) as share,
    round(baseline_share, 4) as baseline_share,
    round(trend_ratio, 2) as ratio,
    round(trend_ratio * exp(-1.645 * error), 2) as ratio_low,
    round(trend_ratio * exp(1.645 * error), 2) as ratio_high,
    round(users_rounded / active_users / share_yesterday, 2) as since_yesterday,
    round(users_rounded / active_users / share_yesterday * exp(-1.645 * error_yesterday), 2) as since_yesterday_low,
    round(users_rounded / active_users / share_yesterday * exp(1.645 * error_yesterday), 2) as since_yesterday_high,
    q_value,
    trend
from compared
order by interest_id
