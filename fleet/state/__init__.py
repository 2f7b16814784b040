"""State: what charge points remember, kept in a folder, so that it outlives the process.

A real charge point that loses its power in the middle of a transaction comes back with its meter, its configuration and
the messages it still owes the CSMS. A fleet that is killed should come back in the same way: as after a power cut.

What may be lost, and what may not. Each charge point's memory (`fleet.core.memory`) is written soon after it changed,
by a few hundredths of a second (`keeper`). What a charge point *says* waits for that (`fleet.actors.keeping.Gate`): no
frame leaves before everything that the charge point knows at that moment is written. So

- a transaction that the CSMS was told of is there after a kill, with its meter, and is stopped then (PowerLoss);
- a transaction message that was sent is still in the outbox until its answer is settled, and before the next one is
  sent it is written that it is settled. A kill between an answer and that makes this one message be said again. No
  charge point can do better, as an answer and a write to flash can't be one; at most one message of each charge point
  comes again, with the same content, and a CSMS can tell by its connector, meter and time (OCPP 1.6 section 3.7.1);
- a setting that the CSMS was told is accepted holds;
- what was never told may be undone: a transaction that began in the last hundredths of a second never was.

Not kept is what no charge point keeps: its registration (a BootNotification comes first), connections, and whatever
was between it and its CSMS or plugged into it.

    codec      memory to JSON and back, and the fingerprint of everything that is in it
    folder     the database and its lock; refuses what isn't the state of this very fleet, whole and sound
    page       one memory, and what of it is written already
    keeper     batches: what is new goes into a transaction of the database, then the gates open
    restored   a memory after the power cut, and what is owed
"""
