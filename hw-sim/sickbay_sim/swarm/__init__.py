"""This is the swarm: many devices and the receiving end in virtual time, over links that lose, repeat and stand still.

What is real: the node behind the daemon's own configuration, the journal with its outbox (a SQLite file a device), envelopes and
wire, the fleet's store. What is told again in virtual time, each in one place: the uplink's rules (`rules`), the shell's order of
state, journal, act, tell (`device`), a broker (`broker`) and the ways to it (`uplink`). docs/swarm.md says what devices share.
"""
