"""Version 3: one row for all layers at a prune point, where there was one for each. What is there stays, and is read as well.

A version of its own, because an earlier program that resumes a run would leave such rows behind, of segments that it does again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    """Add the table of packed counts."""
    if "layer_counts" in sa.inspect(op.get_bind()).get_table_names():
        return
    op.create_table(
        "layer_counts",
        sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("segment", sa.Integer, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("point", sa.String(8), primary_key=True),
        sa.Column("megabatch", sa.Integer, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
    )
