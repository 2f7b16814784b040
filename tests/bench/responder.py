"""The server side of the benchmarks: answers every CALL at once with a canned result, in a process of its own.

It does as little as it can, so that what is measured is the generator. Prints its port.
"""

import datetime
import gc
import sys

import orjson
import trio
import trio_websocket

NOW = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
RESULTS = {
    "BootNotification": {"status": "Accepted", "currentTime": NOW, "interval": int(sys.argv[1]) or 86_400},
    "Heartbeat": {"currentTime": NOW},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "StopTransaction": {"idTagInfo": {"status": "Accepted"}},
}


async def serve_one(request: trio_websocket.WebSocketRequest) -> None:
    socket = await request.accept(subprotocol="ocpp1.6")
    transaction_id = 0
    try:
        while True:
            _, message_id, action, _ = orjson.loads(await socket.get_message())
            if action == "StartTransaction":
                transaction_id += 1
                result: object = {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}
            else:
                result = RESULTS.get(action, {})
            await socket.send_message(orjson.dumps([3, message_id, result]).decode())
    except trio_websocket.ConnectionClosed:
        pass


async def main() -> None:
    gc.set_threshold(100_000, 50, 100)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=4096)
        port = listeners[0].socket.getsockname()[1]
        print(port, flush=True)
        server = trio_websocket.WebSocketServer(
            serve_one, [trio.SocketListener(listener.socket) for listener in listeners]
        )
        nursery.start_soon(lambda: server.run())
        # Ends with whoever started it.
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


trio.run(main)
