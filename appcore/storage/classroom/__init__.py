"""Classes in the store (tables `classroom...`): what a teacher asks, and what phones answer. Nobody's name is there."""
