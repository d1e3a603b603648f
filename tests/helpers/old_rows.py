"""Rows of layers as versions 1 and 2 of the store wrote them, one for each layer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select

from appcore.storage import schema
from appcore.storage.store import Store


def unpack(store: Store, *points: str, until: int = 2**31 - 1) -> None:
    """Put such rows in the place of the packed ones of these points ("prune", "end"), in segments before `until`."""
    table = schema.layer_counts
    chosen = (table.c.point.in_(points), table.c.segment < until)
    found: list[dict[str, Any]] = []
    with store._database.write() as connection:
        for row in connection.execute(select(table).where(*chosen)).mappings():
            common = {name: row[name] for name in ("run_id", "segment", "point", "megabatch")} | {"nth": row["seq"]}
            for seq, (layer, kept, alive, total) in enumerate(row["counts"]):
                found.append({**common, "seq": seq, "layer": layer, "kept": kept, "alive": alive, "total": total})
        connection.execute(insert(schema.layers), found)
        connection.execute(delete(table).where(*chosen))
