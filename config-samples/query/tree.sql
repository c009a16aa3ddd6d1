-- The equipment logs as a ClickHouse view: the files themselves, read at each query. Nothing is copied.
--
-- For one machine that sees the whole tree (a share, a backup), with chDB or clickhouse-local; change the root.
-- A ClickHouse server reads files below its user_files_path alone. For many hosts take table.sql instead, which
-- has the same columns, so that the queries beside this file are the same text for both.

CREATE VIEW equipment_log AS
WITH
    -- Time, level, tags, message. A tag's value ends at the first `]` without a backslash before it.
    extractGroups(line, '^([^ ]+) \\[([A-Z]+) *\\]((?: \\[(?:[^\\[\\]\\\\]|\\\\.)*\\])*) (.*)$') AS part,
    -- Equipment, host, and the number of a rotated log.
    extractGroups(_path, '([^/]+)/\\.exlab-wizard/wizard\\.([^/]+?)\\.log(?:\\.([0-9]+))?$') AS place
SELECT
    place[1] AS equipment,
    place[2] AS host,
    parseDateTime64BestEffortOrZero(part[1], 3, 'UTC') AS time,
    part[2] AS level,
    extract(part[3], ' \\[proj:((?:[^\\[\\]\\\\]|\\\\.)*)\\]') AS proj,
    extract(part[3], ' \\[kind:((?:[^\\[\\]\\\\]|\\\\.)*)\\]') AS kind,
    extract(part[3], ' \\[run:((?:[^\\[\\]\\\\]|\\\\.)*)\\]') AS run,
    part[4] AS message,
    -- Where the record stands among those of its equipment and host: an older file has a higher number.
    (1000 - toInt64OrZero(place[3])) * 1000000000000 + _row_number AS position
FROM file('/data/lab/*/.exlab-wizard/wizard.*.log*', 'LineAsString', 'line String')
-- A line of another format, and a fragment that a power cut left, is no record.
WHERE part[2] != '';
