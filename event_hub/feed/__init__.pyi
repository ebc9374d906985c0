from .routes import add_feed as add_feed
