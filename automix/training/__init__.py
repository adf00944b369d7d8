"""Training: one readable loop and what it is made of. Import from the modules.

    settings.py     TrainSettings: everything a trial is trained with, apart from its policy
    defaults.py     which model and which learning rate where the user names none
    nets.py         small networks for tiny images, registered with timm
    models.py       any timm model, made to fit the images, or an error that says what to do
    device.py       where, in which precision, and torch's global generators
    optim.py        parameter groups, optimiser, learning rate by step
    loop.py         the training loop
    setup.py        what happens before the first batch
    learner.py      model, optimiser and average of weights: what changes during training and is saved
    batches.py      the loaders that the loop reads from
    evaluate.py     predictions of a split, and its metrics
    metrics.py      top-1, balanced accuracy, log-loss, calibration error
    robustness.py   accuracy on corrupted images
    history.py      the finished epochs, and the best of them
    result.py       what the loop reports, and the names of the metrics
    checkpoint.py   atomic checkpoints that only the newest attempt may write
    export.py       a trained model as one safe file
    failures.py     ways in which a training can fail

`settings`, `defaults`, `result`, `metrics` and `failures` do not import torch.
"""
