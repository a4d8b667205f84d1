{#-
  Make the inputs of a build readable by name. `inputs` comes from the runner (resources/dbt.py): the statements that
  lay a view over the lake's files for every source, and for every model that an earlier build made. An engine with a
  catalogue has the tables already and gets no statements.
-#}
{% macro lay_out_inputs() -%}
  {%- if execute -%}{{ var('inputs', []) | join('; ') }}{%- endif -%}
{%- endmacro %}
