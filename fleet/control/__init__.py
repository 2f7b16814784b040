"""Control: what a person or a program says to a fleet that runs, and what it hears of it.

A `Console` takes lines and gives answers over a `Plant`; `server` speaks that over a socket, `client` is its other end.
"""
