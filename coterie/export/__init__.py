"""What others open: the day's public tables as files for spreadsheets, slides and business-intelligence tools.

Belongs here: frames -> files in a folder. Does not belong here: reading the lake, and where the folder lies
(resources.export).
"""
