-- The equipment logs as a ClickHouse table, for many hosts: Vector and Fluent Bit fill it, as configured in
-- config-samples/collectors.
-- The columns are those of tree.sql. On a cluster, add ON CLUSTER and take ReplicatedMergeTree.

CREATE TABLE equipment_log
(
    equipment LowCardinality(String),
    host      LowCardinality(String),
    time      DateTime64(3, 'UTC'),
    level     LowCardinality(String),
    proj      LowCardinality(String),
    kind      LowCardinality(String),
    run       String,
    message   String,
    -- The order of records with the same time; the collector's order where it sends none.
    position  Int64 DEFAULT toInt64(generateSnowflakeID())
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (equipment, host, time, position);
