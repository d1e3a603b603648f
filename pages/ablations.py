"""Ablations: "what if I try them all?" """

import streamlit as st

from appcore.ui import lab

lab.guard("ablations")
st.title("Ablations")
