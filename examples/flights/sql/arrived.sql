-- The arrivals, one row each: when the flight was at its gate, and how late that was. A flight
-- without a time of arrival (cancelled, or never there) is no arrival.
--
-- `arr_time` is HHMM on the clocks of the destination, without a date, and 2400 is the end of a day. The
-- arrival is the first moment after the departure at which those clocks show it.
WITH airports AS (
    SELECT faa, tzone FROM read_csv('airports.csv', all_varchar = true)
    UNION ALL
    -- Four destinations have no row of their own.
    VALUES ('BQN', 'America/Puerto_Rico'), ('PSE', 'America/Puerto_Rico'),
           ('SJU', 'America/Puerto_Rico'), ('STT', 'America/Puerto_Rico')
),
flights AS (
    SELECT carrier || flight || '-' || time_hour AS flight_id,
           nullif(tailnum, 'NA') AS tailnum, carrier, dest, tzone,
           CAST(time_hour AS TIMESTAMP) + to_minutes(CAST(minute AS BIGINT)) AS sched_dep,
           CAST(nullif(dep_delay, 'NA') AS BIGINT) AS dep_delay,
           CAST(nullif(arr_delay, 'NA') AS DOUBLE) AS arr_delay,
           CAST(nullif(arr_time, 'NA') AS BIGINT) AS arr_time
    FROM read_csv('flights.csv', all_varchar = true)
    LEFT JOIN airports ON faa = dest
),
departed AS (
    SELECT *, sched_dep + to_minutes(dep_delay) AS departed_at,
           to_minutes(arr_time // 100 * 60 + arr_time % 100) AS on_the_clock
    FROM flights
    WHERE arr_time IS NOT NULL
),
-- Clocks are moved at full hours. So what they show is looked up hour by hour, which is several times
-- quicker than asking for each flight.
shown AS (
    SELECT tzone, hour, timezone(tzone, timezone('UTC', hour)) - hour AS ahead
    FROM (SELECT DISTINCT tzone, date_trunc('hour', departed_at) AS hour FROM departed)
),
arrived AS (
    SELECT departed.*,
           date_trunc('day', departed_at + ahead) + on_the_clock AS same_day,
           CASE WHEN same_day > departed_at + ahead THEN same_day ELSE same_day + INTERVAL 1 DAY END
               AS arrived_local
    FROM departed
    JOIN shown ON shown.tzone = departed.tzone AND hour = date_trunc('hour', departed_at)
),
meant AS (
    SELECT tzone, hour, hour - timezone('UTC', timezone(tzone, hour)) AS ahead
    FROM (SELECT DISTINCT tzone, date_trunc('hour', arrived_local) AS hour FROM arrived)
)
SELECT flight_id, tailnum, carrier, dest, arrived_local - ahead AS arrived_at, arr_delay
FROM arrived
JOIN meant ON meant.tzone = arrived.tzone AND hour = date_trunc('hour', arrived_local)
