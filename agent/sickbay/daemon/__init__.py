"""This is the shell around the node: wait for a fact or a deadline, feed, tick, keep, act, tell."""

from sickbay.daemon.shell import Daemon

__all__ = ["Daemon"]
