{#- Leave a published model in the stage: one Parquet file of its name, also if it has no rows. -#}
{% macro stage() -%}
  {{ return(adapter.dispatch('stage', 'coterie')()) }}
{%- endmacro %}

{#- Engines with a catalogue publish the table itself. -#}
{% macro default__stage() -%}{%- endmacro %}

{% macro duckdb__stage() -%}
  {%- if execute -%}
    copy {{ this }} to '{{ var("stage") | replace("'", "''") }}/{{ this.identifier }}.parquet' (format parquet)
  {%- endif -%}
{%- endmacro %}
