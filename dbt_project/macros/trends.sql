{#-
  CTEs that compare each interest's users of today with those of the days before. They read two CTEs of the model,
  `today` (interest_id, users, active_users) and `history` (the same and day), and leave `baselines` (the days before)
  and `trends` (trend_z, p_value, q_value of the interests that can be tested).

  unknown: what stands for the users of an interest on a day without a row or a count; a whole number, so that sums do
  not depend on the order of rows.
-#}
{% macro compared_with_the_week_before(unknown=0) -%}
-- The baseline: every day on which somebody was active.
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
        coalesce(history.users, {{ unknown }}) as users,
        cast(sum(coalesce(history.users, {{ unknown }})) over (partition by today.interest_id) as double)
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
{%- endmacro %}
