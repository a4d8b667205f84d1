-- The strategy board with the ids behind its names, the numbers that are asked for, and what the test plan randomises.
select
    board.strategy_id,
    board.kind,
    issued.community_id,
    issued.interest_id,
    board.community,
    board.interest,
    board.users_rounded,
    board.metric,
    board.baseline,
    board.effect,
    board.effect_low,
    board.effect_high,
    board.q_value,
    board.evaluability,
    board.status,
    cast(json_extract_string(issued.action, '$.parameters.from_hour') as bigint) as from_hour,
    cast(json_extract_string(issued.action, '$.parameters.to_hour') as bigint) as to_hour,
    cast(json_extract_string(issued.action, '$.parameters.most_per_day') as bigint) as most_per_day,
    cast(json_extract_string(issued.action, '$.parameters.signals') as bigint) as signals,
    plans.unit,
    board.users_per_arm,
    board.test_days,
    board.expires_on
from mart_strategy_board as board
left join strategies as issued on board.strategy_id = issued.strategy_id and issued.day = $day
left join experiment_plans as plans on board.strategy_id = plans.strategy_id and plans.day = $day
where board.day = $day
order by board.status <> 'proposed', board.effect_low desc nulls last, board.strategy_id
