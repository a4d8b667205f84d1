"""When things run: partitions, jobs, schedules, sensors, the command line, and the definitions that Dagster loads."""
