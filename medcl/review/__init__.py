"""What the review app shows, computed without Streamlit."""

from medcl.review.launch import serve
from medcl.review.study import Study, load_store, load_study

__all__ = ["Study", "load_store", "load_study", "serve"]
