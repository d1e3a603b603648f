"""appcore for notebooks and scripts: stored runs as tables, figures and networks, and pruning of any network. `appcore` itself offers it.

Nothing here writes to a store, and nothing imports streamlit.
"""
