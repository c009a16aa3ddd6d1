-- The equipment logs as a ClickHouse view: the files themselves, read at each query. Nothing is copied.
--
-- For one machine that sees the whole tree (a share, a backup), with chDB or clickhouse-local; change the root.
-- A ClickHouse server reads files below its user_files_path alone. For many hosts take table.sql instead, which
-- has the same columns, so that the queries beside this file are the same text for both.

CREATE VIEW equipment_log AS
WITH
    -- Time, level, tags, message. A tag's value ends at the first `]` without a backslash before it.
    extractGroups(line, '^([^ ]+) \\[([A-Z]+) *\\]((?: \\[(?:[^\\[\\]\\\\]|\\\\.)*\\])*) (.*)$') AS part,
    -- Equipment, host, and of a rotated log its period and its number.
    extractGroups(_path, '([^/]+)/\\.exlab-wizard/wizard\\.([^/]+?)\\.log(?:\\.([0-9]{4}-[0-9TZ-]+))?(?:\\.([0-9]+))?(?:\\.gz)?$') AS place,
    -- `2026-04-17T14` as 20260417140000.
    replaceRegexpAll(place[3], '[^0-9]', '') AS digits,
    parseDateTimeBestEffortOrZero(concat(digits, substring('00000101000000', length(digits) + 1)), 'UTC') AS period
SELECT
    place[1] AS equipment,
    place[2] AS host,
    parseDateTime64BestEffortOrZero(part[1], 3, 'UTC') AS time,
    part[2] AS level,
    extract(part[3], ' \\[proj:((?:[^\\[\\]\\\\]|\\\\.)*)\\]') AS proj,
    extract(part[3], ' \\[kind:((?:[^\\[\\]\\\\]|\\\\.)*)\\]') AS kind,
    extract(part[3], ' \\[run:((?:[^\\[\\]\\\\]|\\\\.)*)\\]') AS run,
    part[4] AS message,
    -- The record's place among those of its equipment and host: by period (until 2048), number, and line (of
    -- 10,000,000). Without a period another program numbered the files, and the older has the higher number.
    multiIf(
        place[3] != '', (toInt64(toUnixTimestamp(period)) - 1577836800) * 1000 + toInt64OrZero(place[4]),
        place[4] != '', 1000 - toInt64OrZero(place[4]),
        900000000000
    ) * 10000000 + _row_number AS position
FROM file('/data/lab/*/.exlab-wizard/wizard.*.log*', 'LineAsString', 'line String')
-- A line of another format, and a fragment that a power cut left, is no record.
WHERE part[2] != '';
