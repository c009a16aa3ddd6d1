-- The last lines before each ERROR: of the same equipment and host, the five before it and the error itself.

WITH numbered AS
(
    SELECT *, row_number() OVER (PARTITION BY equipment, host ORDER BY time, position) AS number
    FROM equipment_log
)
SELECT
    error.equipment AS equipment,
    error.host AS host,
    -- One error, one number: its lines stand together.
    error.number AS error,
    line.time AS time,
    line.level AS level,
    line.message AS message
FROM
(
    -- Each error once for every line that is shown with it.
    SELECT equipment, host, number, arrayJoin(range(6)) AS back
    FROM numbered
    WHERE level = 'ERROR'
) AS error
INNER JOIN numbered AS line
    ON line.equipment = error.equipment AND line.host = error.host AND line.number = error.number - error.back
ORDER BY equipment, host, error, line.number;
