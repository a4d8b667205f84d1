-- Who labelled the day's items, and how sure the labeller says it is.
select
    labeller,
    model,
    count(distinct item_id) as items,
    count(*) as labels,
    round(avg(confidence), 3) as confidence
from item_labels
where day = $day
group by labeller, model
order by items desc, labeller, model
