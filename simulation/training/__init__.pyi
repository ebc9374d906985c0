from .recipe import recipe_named as recipe_named
