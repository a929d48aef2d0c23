"""Topics over HTTP, to write and to read: in the shape of Confluent's REST Proxy v2
(https://docs.confluent.io/platform/current/kafka-rest/api.html).

An application of its own, in a process of its own: it writes, and the server of the warehouse does
not. It asks for a token at every address.
"""
