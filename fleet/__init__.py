"""fleet: a load simulator for EV charging. How it is built, and why so.

The shape: **pure machines inside, trio tasks around them, one vocabulary for everybody who gives orders.**

A machine decides; it has no clock, no socket, no randomness and no task. It takes one message and the time, `handle(
message, now)`, and returns what should happen. Timers are data: a machine says by when it wants to be woken
(`deadline`) and is then told so (`tick(now)`). So a year of a charge point's life is a loop in a test, and a race is
a list of calls. An actor is the trio task around a machine: it waits for its mailbox or the deadline, hands the
message over, and carries out the effects. It decides nothing.

The rooms, from the ground up; each imports only what is named, and `tests/test_imports.py` keeps it so:

    words, errors       the field's value sets in OCPP's own spelling; what a person can get wrong, with exit codes
    quantities, clock,  durations and rates as text; monotonic time to UTC; random numbers by (seed, name);
    randomness, output  standard output that may be lost
    ocpp                the wire, knowing nothing of charge points: frames, the strict converter, the messages of a
                        version, and `exchange`, the conversation: one CALL in flight, timeouts, the outbox
    commands            the vocabulary: one frozen class for everything that may be asked of a charge point or the
                        fleet, and what follows from the classes: lines, targets, completion, help, scenario files
    core                the machines: connector, charge point, meter, configuration. Imports ocpp, commands, words
    core.dialects       the one place that knows a protocol version and the machines both
    actors              mailbox, supervisor, and the tasks of connectors, charge points and the fleet. Imports core
    state               what charge points remember, in a folder that outlives the process. Imports core and actors
    link                the WebSocket: connects, reconnects, tells apart what went wrong, and on demand has it go wrong.
                        Of the actors only the mailbox
    errands             what the core has done for it outside: files over HTTP and FTP, keys, certificates, signatures
    observe             everything counted: hears every report, reaches into nobody's state
    verdict             what a run comes to: objectives, verdict, and the summary as text, JSON, JUnit and a page
    pki                 certificates for tests: a root, and those it vouches for
    csms                the embedded central system: speaks ocpp, shares nothing else with the fleet it tests
    control             what somebody says to a fleet that runs, and what it shows: a console over the plant, live
                        events, scenarios, the control socket and its other end
    load                a run: configuration file, limits, ramp, drivers, faults, drain, exit code. Puts the rooms
                        together
    shell               a person at a terminal, over a console of this process or the control socket of another
    cli                 which command, which exit code

Three moods of message, and three directions:

- A **command** is imperative, goes down and may be refused (`PlugIn`, `ChangeAvailability`). A refusal is a value, in
  the machine's own words, and changes nothing. Whoever gives it, driver, shell or CSMS, gives the same object.
- A **report** is a fact in the past tense and goes up (`StatusChanged`, `MeterSampled`): from connector to charge point
  to the observer.
- An **effect** is what a machine asks of its own actor (`SendFrame`, `GiveOrder`) and never leaves it.

Whoever types, in a shell, over the control socket or in a scenario file, has a console: a line becomes a command of the
one vocabulary, goes to many actors at once, and has one answer. What is shown is read off listeners of the observer, so
that looking asks no actor anything. The prompt lives in a thread with a loop of its own; the fleet's loop never waits
for it, and whatever is long takes turns with the fleet.

Mailboxes are bounded and have one reader; addresses are handed in, never looked up. Down is `tell`, which never
waits: a full mailbox is a refusal. Up is `await report`, which is backpressure. A parent never awaits a child from
its own loop, because with bounded mailboxes both would wait for ever.

The tree: the fleet's nursery holds a supervised place for each charge point; each life of a charge point is a nursery
of its connectors and its link. A crash ends that life and no other: the supervisor builds a fresh actor over the same
memory, as hardware switches on again, and gives a charge point up that keeps crashing. `supervise` is the only place
that catches a bug. What can go wrong in operation (refused, cut, timed out, a CALLERROR) is a message, not an
exception.

What survives a reboot lies in `core.memory`, apart from the machines: meters, cables and cars as the world has them;
transactions, changed keys and the outbox as flash has them. Transaction messages go through that outbox in order and
stay until the CSMS has answered or the attempts run out; the CSMS's transaction id is bound to those that wait behind
an offline start. Everything else that was to be said dies with the connection.

Statuses move only by a table with the specification's own transition ids; energy is a closed-form integral, so that
reading a meter changes nothing and nobody has to tick while a car charges.

Randomness is by key: a number is a function of the run's seed and the name of what it is for, never of which task
came first, since trio shuffles its tasks on purpose. A charge point's id, seed and due times follow from its global
index.

Thousands of charge points share one process: what is equal is one object (plans, settings, defaults), what is an
instance has slots, and what is not needed is None. `now` is read once per message; nothing polls.
"""

from fleet.version import VERSION as __version__

__all__ = ["__version__"]
