"""These are a machine's relays: coils as they are ordered, and contacts that follow them where they can."""

from collections.abc import Iterable


class Relays:
    """All begin with the coil on and the contacts closed. A relay that nobody knows is a KeyError."""

    def __init__(self, names: Iterable[str]) -> None:
        self._coils = dict.fromkeys(names, True)
        self.contacts = dict(self._coils)
        self._ill: set[tuple[str, str]] = set()

    def switch(self, relay: str, on: bool) -> None:
        """This puts a coil on or off."""
        if relay not in self._coils:
            raise KeyError(relay)
        self._coils[relay] = on
        self._throw(relay)

    def suffer(self, kind: str, relay: str, severity: float) -> None:
        """This makes a relay `relay_open` or `relay_welded`, at any severity above 0; burnt contacts stay open, even if welded."""
        if severity > 0:
            self._ill.add((kind, relay))
        else:
            self._ill.discard((kind, relay))
        self._throw(relay)

    def _throw(self, relay: str) -> None:
        if ("relay_open", relay) in self._ill:
            self.contacts[relay] = False
        elif ("relay_welded", relay) not in self._ill:
            self.contacts[relay] = self._coils[relay]
