from .routes import add_statistics as add_statistics
