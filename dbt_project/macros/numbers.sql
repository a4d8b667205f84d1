{#-
  Sum of doubles that does not depend on the order of rows or the number of threads: decimals add exactly.
  Twelve places; the terms here are of the order of 1 or larger.
-#}
{% macro exact_sum(term) -%}
  cast(sum(cast({{ term }} as decimal(38, 12))) as double)
{%- endmacro %}

{#- a / b, and null where b is zero or null. -#}
{% macro ratio(a, b) -%}
  ({{ a }} / nullif({{ b }}, 0))
{%- endmacro %}

{#- What a 90 % interval of a normal estimate reaches to either side, in standard errors. -#}
{% macro z_90() -%}
  1.6448536269514722
{%- endmacro %}

{#-
  Two-sided p-value of a standard normal z, from arithmetic and exp() alone, as engines differ in erf().
  Hart's rational approximation 5666 below 7.07 and a continued fraction above (Hart et al. 1968, Computer
  Approximations; in the form of West 2005, Better approximations to cumulative normal functions).
-#}
{% macro two_sided_p(z) -%}
  {%- set a = 'abs(' ~ z ~ ')' -%}
  {%- set top = ['3.52624965998911e-02', '0.700383064443688', '6.37396220353165', '33.912866078383',
                 '112.079291497871', '221.213596169931', '220.206867912376'] -%}
  {%- set bottom = ['8.83883476483184e-02', '1.75566716318264', '16.064177579207', '86.7807322029461',
                    '296.564248779674', '637.333633378831', '793.826512519948', '440.413735824752'] -%}
  least(1.0, 2.0 * exp(-{{ a }} * {{ a }} / 2.0) * case
    when {{ a }} < 7.07106781186547
      then {{ coterie.polynomial(a, top) }} / {{ coterie.polynomial(a, bottom) }}
    else 1.0 / (({{ a }} + 1.0 / ({{ a }} + 2.0 / ({{ a }} + 3.0 / ({{ a }} + 4.0 / ({{ a }} + 0.65))))) * 2.506628274631)
  end)
{%- endmacro %}

{#- Horner's scheme, highest power first. -#}
{% macro polynomial(x, coefficients) -%}
  {%- set ns = namespace(text='cast(' ~ coefficients[0] ~ ' as double)') -%}
  {%- for c in coefficients[1:] -%}
    {%- set ns.text = '(' ~ ns.text ~ ' * ' ~ x ~ ' + ' ~ c ~ ')' -%}
  {%- endfor -%}
  {{ ns.text }}
{%- endmacro %}

{#- Upper end of the 95 % interval of a share of so many (Wilson 1927, Journal of the American Statistical Association 22). -#}
{% macro wilson_high(hits, n) -%}
  {%- set z = '1.959963984540054' -%}
  (({{ hits }} + {{ z }} * {{ z }} / 2.0 + {{ z }} * sqrt({{ hits }} * ({{ n }} - {{ hits }}) / nullif(cast({{ n }} as double), 0) + {{ z }} * {{ z }} / 4.0))
    / ({{ n }} + {{ z }} * {{ z }}))
{%- endmacro %}
