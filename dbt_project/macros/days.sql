{#- The day of the build, or a day before it, as a literal. Known only when a model runs, never when it is parsed. -#}
{% macro today(days_ago=0) -%}
  {%- if execute -%}
    {%- set day = modules.datetime.date.fromisoformat(var('day')) - modules.datetime.timedelta(days=days_ago) -%}
    cast('{{ day.isoformat() }}' as date)
  {%- endif -%}
{%- endmacro %}
