"""Coterie: from a raw engagement log to interest communities and strategy rows.

Pure functions over frames and arrays. Nothing here knows Dagster, dbt, or environment variables, so the
library works from a notebook.
"""
