SELECT * FROM 'flights.csv' ORDER BY flight_id
