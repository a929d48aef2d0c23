"""The data platform of the Global Meteor Network.

The way of the data, and the folder where each step lives:

    sources     the network's directory and the IAU shower list, as bytes
    readers     what the bytes say: one module a format
    landing     the files byte for byte, every version kept
    validated   typed rows that may be believed; apart, the rows that may not, with reasons
    warehouse   DuckLake: current trajectories, all former states
    publications  what changed, sent to the Kafka topic; nothing twice
    streams     the topic back into the warehouse, exactly once in effect
    releases    files that go out: gmn.duckdb and Parquet for analysts
    queries     the one door for questions of people and clients: one SELECT, within limits
    serving     the same over HTTP: the network's REST API, from one state of the lake at a time

`schemas` declares every dataset and column once; `storage` keeps files whole and locked; `kafka`
reads, sends and has a broker, whatever the messages mean; `readers` have the formats. `flows` takes
days along the way, `orchestration` shows it to Dagster and says when, `cli` is the command `gmn`.
"""
