"""The outside world behind small classes: the lake, the warehouse, dbt, the source, the labeller, the settings."""
