"""The rules by which the CSMS and the books are judged, a sentence each: what is counted under this word.

`CSMS_RULES` are what the CSMS may break while it runs; each case comes as a `ProtocolViolated` with the rule. Frames
are judged by `fleet.ocpp`, what one charge point can see by `fleet.core.oracle`, what only the whole fleet sees by
`fleet.observe.oracle`. `BOOK_RULES` are what `fleet.observe.books` finds wrong with transactions, whoever is to blame.
"""

CSMS_RULES = {
    # Frames (OCPP-J 1.6 section 4)
    "binary-frame": "A binary WebSocket message: frames are text (OCPP-J 1.6 section 4.2).",
    "not-json": "Text that is no JSON (OCPP-J 1.6 section 4.2).",
    "wrong-shape": "JSON that is no CALL, CALLRESULT or CALLERROR (OCPP-J 1.6 sections 4.2.1 to 4.2.3).",
    "unknown-message-type": "A message type beside 2, 3 and 4 (OCPP-J 1.6 section 4.1.3).",
    "bad-message-id": "A message id that is no string of 1 to 36 characters (OCPP-J 1.6 section 4.1.4).",
    "bad-action": "An action that is no string (OCPP-J 1.6 section 4.2.1).",
    # The dialogue
    "unknown-reply": "An answer to a message id that was never asked (OCPP-J 1.6 section 4.1.4).",
    "double-reply": "A second answer to the same CALL (OCPP-J 1.6 section 4.1.1).",
    "late-reply": "An answer that came after its time-out, when it was of no use any more (OCPP-J 1.6 section 4.1.1).",
    "overlapping-call": "A CALL before the last one was answered (OCPP-J 1.6 section 4.1.1).",
    "repeated-call-id": "A CALL with the message id of one that is still being served (OCPP-J 1.6 section 4.1.4).",
    # What the messages say
    "bad-request": "A CALL whose payload breaks the schema of its action (OCPP 1.6 section 6).",
    "bad-result": "An answer that breaks the schema of its action (OCPP 1.6 section 6).",
    "transaction-id-not-positive": "A transaction id of 0 or below; a positive one is asked for (OCPP 1.6 errata "
    "sheet 4.0, section 3.54).",
    "repeated-transaction-id": "A transaction id that this charge point had before, for another transaction (OCPP 1.6 "
    "errata sheet 4.0, section 3.54).",
    "shared-transaction-id": "A transaction id that another charge point of the fleet has or had (OCPP 1.6 errata "
    "sheet 4.0, section 3.54).",
    "clock-skew": "A currentTime more than 10 s from the generator's UTC clock beyond the round trip, once a "
    "connection (OCPP 1.6 sections 6.4 and 6.30).",
    "impossible-id-tag-info": "Accepted with an expiryDate that was past when asked, or ConcurrentTx beside "
    "StartTransaction (OCPP 1.6 sections 7.2 and 7.27).",
}

BOOK_RULES = {
    # Already while it runs
    "lost-message": "A transaction message was given up: its attempts ran out, or its transaction never had an id.",
    "lost-transaction": "A StopTransaction was given up, so that the CSMS never said that it knows of the end.",
    "out-of-order": "A transaction message was delivered before an earlier one of its transaction, or after its last.",
    "stop-without-start": "A transaction was stopped that was never started, or stopped twice.",
    "acknowledged-without-stop": "A StopTransaction was acknowledged of a transaction that was never stopped.",
    "acknowledged-difference": "The energy that was acknowledged is not what StopTransaction reported.",
    # At the end
    "meter-difference": "A meter counted something else than its transactions reported.",
    "never-stopped": "A transaction is still running.",
    "unacknowledged": "A StopTransaction still waits for its acknowledgement.",
    "energy-difference": "The sums of the energy metered, reported, acknowledged and recorded are not one.",
    # In the CSMS's records
    "missing": "A transaction that was acknowledged is not in the records.",
    "open-in-records": "A transaction that was acknowledged is still open in the records.",
    "duplicated": "A transaction is twice in the records: under a second id, or again though it was said once.",
    "repeated-id": "The CSMS gave one id to two transactions of one charge point.",
    "unknown": "A record names a charge point of the fleet and a transaction that it never had.",
    "different": "A record says something else of a transaction: connector, meter, energy or id tag.",
    "stop-before-start": "A transaction's stop stands before its start in the records. Counted, but the books may "
    "balance even so: a CSMS need not write in the order in which it was told.",
}
