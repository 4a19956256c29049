from hypothesis import settings

# exact arithmetic takes its time, and how long says nothing about the formulas
settings.register_profile("exact", deadline=None)
settings.load_profile("exact")
