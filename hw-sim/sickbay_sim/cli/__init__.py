"""These are the verbs of `sickbay-sim`, one a file: `arguments(parser)` says what it takes, `run(options)` does it.

A verb's file imports the agent only inside `run`: the simulator's command must come up where there is no agent at all.
"""
