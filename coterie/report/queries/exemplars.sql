-- Items that most set a community's members apart this week, by the lower end of the interval of the ratio. Only
-- items that enough members engaged with; the ratio is computed from rounded counts, and where others were fewer than
-- may be told of, they count as so many: the ratio is then at least what it says.
with members as (
    select user_id, community_id from memberships where day = $day and is_primary
),

taken as (
    select user_id, item_id from engagement where day between $day - 6 and $day and strength > 0
),

active as (
    select members.community_id, count(*) as users
    from (select distinct user_id from taken) as users
    left join members on users.user_id = members.user_id
    group by members.community_id
),

everyone as (
    select cast(sum(users) as bigint) as users from active
),

-- First by engagements, of which a user may have one a day: a few candidates for each community, so that only their
-- users have to be told apart.
engagements as (
    select taken.item_id, members.community_id, count(*) as n
    from taken left join members on taken.user_id = members.user_id
    group by taken.item_id, members.community_id
),

candidates as (
    select item_id, community_id
    from (
        select *, sum(n) over (partition by item_id) as total from engagements
    )
    where community_id is not null and n >= $k
    qualify row_number() over (
        partition by community_id order by ln(n / (total - n + $k)) - 1.645 * sqrt(1 / n + 1 / (total - n + $k)) desc, item_id
    ) <= 50
),

acts as (
    select distinct user_id, item_id
    from taken
    where item_id in (select item_id from candidates)
),

counts as (
    select acts.item_id, members.community_id, count(*) as users
    from acts
    inner join members on acts.user_id = members.user_id
    inner join candidates on acts.item_id = candidates.item_id and members.community_id = candidates.community_id
    group by acts.item_id, members.community_id
),

totals as (
    select item_id, count(*) as users from acts group by item_id
),

told as (
    select
        counts.community_id,
        counts.item_id,
        cast(floor(counts.users / 5.0) * 5 as bigint) as users_rounded,
        cast(floor(active.users / 5.0) * 5 as bigint) as members_rounded,
        greatest($k, cast(floor((totals.users - counts.users) / 5.0) * 5 as bigint)) as others_users,
        cast(floor((everyone.users - active.users) / 5.0) * 5 as bigint) as others_rounded
    from counts
    inner join active on counts.community_id = active.community_id
    inner join totals on counts.item_id = totals.item_id
    cross join everyone
    where floor(counts.users / 5.0) * 5 >= $k
),

ratios as (
    select
        *,
        (users_rounded / members_rounded) / (others_users / others_rounded) as ratio,
        sqrt(greatest(
            0, 1 / users_rounded - 1 / members_rounded + 1 / others_users - 1 / others_rounded
        )) as error
    from told
    where members_rounded >= $k and others_rounded > others_users
),

ranked as (
    select
        *,
        row_number() over (
            partition by community_id order by ln(ratio) - 1.645 * error desc, item_id
        ) as place
    from ratios
    where ln(ratio) - 1.645 * error > 0
),

texts as (
    select item_id, arg_max(text, day) as text, arg_max(hashtags, day) as hashtags
    from raw_items
    where day <= $day and item_id in (select item_id from ranked where place <= 5)
    group by item_id
)

select
    ranked.community_id,
    ranked.item_id,
    texts.text,
    texts.hashtags,
    ranked.users_rounded,
    round(ranked.ratio, 1) as times,
    round(ranked.ratio * exp(-1.645 * ranked.error), 1) as times_low,
    round(ranked.ratio * exp(1.645 * ranked.error), 1) as times_high
from ranked
left join texts on ranked.item_id = texts.item_id
where ranked.place <= 5
  and ranked.community_id in (select community_id from mart_community_day where day = $day)
order by ranked.community_id, ranked.place
