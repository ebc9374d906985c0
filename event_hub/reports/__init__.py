"""The daily and the weekly report: what was reported, what people made of it, and who was blind."""
