-- Hosts that fell silent: their last record of any equipment is more than 15 minutes older than the newest
-- record of all hosts. Measured against the newest record, not against now: an old tree has an answer, too.

SELECT host, max(time) AS last_record, (SELECT max(time) FROM equipment_log) AS newest_record
FROM equipment_log
GROUP BY host
HAVING last_record < newest_record - INTERVAL 15 MINUTE
ORDER BY last_record, host;
