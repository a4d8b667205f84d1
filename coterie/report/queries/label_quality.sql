-- How often labels agree with people, by interest, where a gold set was annotated.
select
    interest_id,
    texts,
    round(precision, 3) as precision,
    round(precision_low, 3) as precision_low,
    round(precision_high, 3) as precision_high,
    round(recall, 3) as recall,
    round(recall_low, 3) as recall_low,
    round(recall_high, 3) as recall_high
from label_quality
where day = $day
order by texts desc, interest_id
