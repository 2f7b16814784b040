"""The shell: a person at a terminal, over a fleet that runs here or in another process.

Everything a person does becomes a line of the one vocabulary and goes through a `Channel` (channel.py): to the console
of this process (`fleet run --shell`, local.py) or over the control socket of another one (`fleet attach`). The shell
itself knows no command but its own two: `menu` and `monitor`, which are ways of looking.

The prompt lives in one long-lived thread with an event loop of its own (app.py); what blocks runs in threads beside it,
so that neither a slow command nor a slow terminal ever holds up the fleet. Beside the loop all is pure and tested
without a terminal: the menus (menu.py), what is shown (render.py, status.py, events.py, toolbar.py), the choices
(select.py).
"""
