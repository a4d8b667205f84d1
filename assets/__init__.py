"""The product's steps, one file a stage, thin: load, call the library, pass the gate. No statistics in here.

Every module has a function `build(days)` that takes the daily partitions and gives the stage's assets, so that
nothing is read or decided while a module is imported.
"""
