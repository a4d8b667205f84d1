{#- A count as it may be shown: rounded down to a multiple of five, so that one user more or less does not show. -#}
{% macro rounded(users) -%}
  cast(floor({{ users }} / 5.0) * 5 as bigint)
{%- endmacro %}

{#- Whether a count of users may be shown: it is not below the disclosure size, and not after rounding either. -#}
{% macro told(users) -%}
  ({{ rounded(users) }} >= {{ var('disclosure_k') }})
{%- endmacro %}

{#- A share of so many users, rounded to fives of them: it tells no more than the rounded count does. -#}
{% macro share_of(share, users_rounded) -%}
  (round({{ share }} * {{ users_rounded }} / 5.0) * 5.0 / {{ users_rounded }})
{%- endmacro %}

{#- A q-value rounded up to one digit, so that what is at most 0.05 stays so. -#}
{% macro q_at_most(q) -%}
  {%- set unit = 'power(10.0, floor(log10(nullif(' ~ q ~ ', 0))))' -%}
  case
    when {{ q }} <= 0.0001 then 0.0001
    when {{ q }} <= 1 then round(ceil({{ q }} / {{ unit }} - 1e-9) * {{ unit }}, 4)
  end
{%- endmacro %}

{#-
  To what an estimate is rounded: the largest of 1, 2 and 5 times a power of ten that is not above half its standard
  error. Null for an error of zero.
-#}
{% macro step_of(error) -%}
  {%- set half = '(' ~ error ~ ' / 2.0)' -%}
  {%- set unit = 'power(10.0, floor(log10(nullif(' ~ half ~ ', 0))))' -%}
  case
    when {{ half }} / {{ unit }} >= 5 then 5 * {{ unit }}
    when {{ half }} / {{ unit }} >= 2 then 2 * {{ unit }}
    else {{ unit }}
  end
{%- endmacro %}

{#- A number rounded to a multiple of a step; null without a step. -#}
{% macro to_the_step(number, step) -%}
  round(round({{ number }} / {{ step }}) * {{ step }}, 10)
{%- endmacro %}
