SELECT flight_id, tailnum, carrier, dest, arrived_at, arr_delay FROM 'flights.csv'
