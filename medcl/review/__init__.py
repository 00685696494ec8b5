"""What the review app shows, computed without Streamlit."""
