"""One module a stage: `python -m bighead_ci.entry_points.stages.train CHECKOUT models/flight_delay/v2 RESULTS`."""
