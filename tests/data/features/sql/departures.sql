SELECT flight_id, origin, departed_at, dep_delay FROM 'flights.csv'
