"""Drawing the parameters of views: where they lie and how their intensities change."""
