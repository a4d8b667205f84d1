{#- Every value of a column lies between its two bounds, both allowed; null bounds and null values are let pass. -#}
{% test within(model, bounds) %}
select *
from {{ model }}
where false
{%- for column, ends in bounds.items() %}
  {%- if ends[0] is not none %} or {{ column }} < {{ ends[0] }}{% endif %}
  {%- if ends[1] is not none %} or {{ column }} > {{ ends[1] }}{% endif %}
{%- endfor %}
{% endtest %}
