"""Looking for what goes wrong silently: each check is a small function that says what it found and what to do.

finding.py    what a check finds
machine.py    GPU and disk
packages.py   dependencies, extras, plugins
folders.py    the work folder, its databases and studies
trainer.py    a policy in the trainer it is meant for
checkup.py    all of it
rebuild.py    MLflow's runs, made anew from the books
"""
