-- One row a departure of New York in 2013, with what was known when it was
-- pushed back from the gate, and what happened at its arrival.
--
-- The moment asked about is `at`: scheduled departure + departure delay, in UTC.
-- `time_hour` is the UTC hour of the scheduled departure. `sched_dep_time`,
-- `sched_arr_time` are local times as HHMM. Weather counts when its hour is not
-- after the moment; planes have no history. Nothing that is known only later
-- (air_time, arr_time, dep_time beyond its own delay) enters.
WITH flights AS (
    SELECT row_number() OVER () AS flight_id,
           -- time_hour is the hour of `hour` in New York; the minute is beside it.
           CAST(time_hour AS TIMESTAMP) + to_minutes(CAST(minute AS BIGINT)) AS sched_dep,
           TRY_CAST(dep_delay AS DOUBLE) AS dep_delay,
           TRY_CAST(arr_delay AS DOUBLE) AS arr_delay,
           TRY_CAST(air_time AS BIGINT) AS air_time,
           carrier, origin, dest, nullif(tailnum, 'NA') AS tailnum,
           CAST(distance AS DOUBLE) AS distance,
           isodow(make_date(CAST(year AS BIGINT), CAST(month AS BIGINT), CAST(day AS BIGINT)))
               AS day_of_week,
           CAST(hour AS DOUBLE) + CAST(minute AS DOUBLE) / 60 AS hour,
           floor(CAST(sched_arr_time AS DOUBLE) / 100) + CAST(sched_arr_time AS BIGINT) % 100 / 60.0
               AS arr_hour
    FROM read_csv('flights.csv', all_varchar = true)
),
moments AS (
    SELECT *, sched_dep + to_seconds(60 * coalesce(dep_delay, 0)) AS at
    FROM flights
),
planes AS (
    SELECT tailnum, TRY_CAST(year AS DOUBLE) AS built, TRY_CAST(seats AS DOUBLE) AS seats
    FROM read_csv('planes.csv', all_varchar = true)
),
weather AS (
    SELECT origin, CAST(time_hour AS TIMESTAMP) AS time,
           TRY_CAST(temp AS DOUBLE) AS temp, TRY_CAST(dewp AS DOUBLE) AS dewp,
           TRY_CAST(humid AS DOUBLE) AS humid,
           TRY_CAST(wind_dir AS DOUBLE) AS wind_dir, TRY_CAST(wind_speed AS DOUBLE) AS wind_speed,
           TRY_CAST(wind_gust AS DOUBLE) AS wind_gust, TRY_CAST(precip AS DOUBLE) AS precip,
           TRY_CAST(pressure AS DOUBLE) AS pressure, TRY_CAST(visib AS DOUBLE) AS visib
    FROM read_csv('weather.csv', all_varchar = true)
    -- Two readings carry the same hour where the clocks went back: one of them, always the same.
    QUALIFY row_number() OVER (PARTITION BY origin, CAST(time_hour AS TIMESTAMP)
                               ORDER BY year, month, day, hour, temp, dewp, wind_speed) = 1
)
SELECT m.flight_id, m.at, m.carrier, m.origin, m.dest, m.distance, m.day_of_week, m.hour,
       m.arr_hour, m.dep_delay,
       2013 - p.built AS plane_age, p.seats AS seats,
       w.temp AS temp, w.dewp AS dewp, w.humid AS humid, w.wind_dir AS wind_dir,
       w.wind_speed AS wind_speed, w.wind_gust AS wind_gust, w.precip AS precip,
       w.pressure AS pressure, w.visib AS visib,
       m.arr_delay,
       -- In the air for air_time minutes: the delay at arrival is not known before.
       m.at + to_minutes(m.air_time) AS airborne_until
FROM moments m
LEFT JOIN planes p ON p.tailnum = m.tailnum
ASOF LEFT JOIN weather w ON w.origin = m.origin AND m.at >= w.time
ORDER BY flight_id
