"""What changes, told as it is committed: server-sent events and WebSocket.

    routes.py     the address, and where a listener begins
    positions.py  where a listener is: what it goes on from
    batches.py    the changes between two states, encoded once for all
    hub.py        what listeners share: the batches, who listens, and when there is more
    listeners.py  who listens, and how many may
    listening.py  what one listener is told, in order
    sse.py        the same as text/event-stream
    websocket.py  the same over WebSocket

What does not belong here: changes that are asked for (`tables/changes.py`), feeds for people.
"""
