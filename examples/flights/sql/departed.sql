-- The departures that took place, one row each: when the flight was pushed back from its gate, and
-- how late that was. `time_hour` is the UTC hour of the scheduled departure.
--
-- The hour of the scheduled departure, the carrier and the number make a flight's id: no two flights
-- of the year share them, and the id is the same whichever part of the file is read.
WITH flights AS (
    SELECT carrier || flight || '-' || time_hour AS flight_id, origin,
           CAST(time_hour AS TIMESTAMP) + to_minutes(CAST(minute AS BIGINT)) AS sched_dep,
           CAST(nullif(dep_delay, 'NA') AS BIGINT) AS dep_delay
    FROM read_csv('flights.csv', all_varchar = true)
)
SELECT flight_id, origin, sched_dep + to_minutes(dep_delay) AS departed_at,
       CAST(dep_delay AS DOUBLE) AS dep_delay
FROM flights
WHERE dep_delay IS NOT NULL
