{#- A count as it may be shown: rounded down to a multiple of five, so that one user more or less does not show. -#}
{% macro rounded(users) -%}
  cast(floor({{ users }} / 5.0) * 5 as bigint)
{%- endmacro %}
