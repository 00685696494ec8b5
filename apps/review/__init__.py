"""The review app: Streamlit pages over `medcl.review`."""
