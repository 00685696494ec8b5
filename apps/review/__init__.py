"""Pages of the review app; what they show comes from `medcl.review`."""
