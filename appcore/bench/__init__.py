"""How fast this machine is, measured through the engine and against training in the published style."""
