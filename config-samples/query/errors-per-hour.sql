-- Errors for each piece of equipment and hour, over all hosts. Hours without an error have no row.

SELECT equipment, toStartOfHour(time) AS hour, count() AS errors
FROM equipment_log
WHERE level = 'ERROR'
GROUP BY equipment, hour
ORDER BY equipment, hour;
