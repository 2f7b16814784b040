"""The wire: OCPP-J frames, the messages of a protocol version, and the sans-IO exchange of calls and answers.

Nothing here knows of trio, of time or of a charge point. Bytes come in, typed messages go out, and the other way round.
"""
