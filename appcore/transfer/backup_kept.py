"""Views and presets that users have saved, in a backup: `kept.json`, as the store has them, for each user by a digest of their name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..errors import InputError
from ..storage.kept import saved_addresses

NAME = "kept.json"
MOST_BYTES = 64 * 2**20


def packed(connection: Connection) -> bytes:
    """The content of the member; empty where nobody has kept anything."""
    found = saved_addresses.everybodys(connection)
    return json.dumps(found, sort_keys=True).encode() if found else b""


def read(content: bytes) -> dict[str, Any]:
    """What a member says, judged; InputError for what no page keeps."""
    found = json.loads(content)
    if not saved_addresses.is_kept(found):
        raise InputError(f"{NAME} has what is no saved view or preset")
    return found


def put_back(connection: Connection, unpacked: Path) -> int:
    """Add those of an unpacked backup to a store; returns how many."""
    path = unpacked / NAME
    return saved_addresses.put_back(connection, read(path.read_bytes())) if path.exists() else 0
