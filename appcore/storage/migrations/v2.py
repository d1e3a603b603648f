"""Version 2: the owner of a run or an ablation; existing ones get none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    """Add the owner to runs, and to ablations where the store has that table already."""
    for table in {"runs", "sweeps"} & set(sa.inspect(op.get_bind()).get_table_names()):
        op.add_column(table, sa.Column("owner", sa.String(320), nullable=False, server_default=""))
    op.create_index("ix_runs_owner", "runs", ["owner"])
