"""Use a policy in a training loop of your own: plain torch on scikit-learn's digits, a few seconds on a CPU.

python examples/01_use_a_policy.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

import automix

EPOCHS, BATCH_SIZE = 12, 64
MEAN, STD = 0.31, 0.38

digits = load_digits()
images = (torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16 - MEAN) / STD
labels = torch.tensor(digits.target)
train, test = train_test_split(torch.arange(len(labels)), test_size=0.3, stratify=labels, random_state=0)

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3, padding=1),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64 * 4 * 4, 10),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)

# normalization says how the images above were normalised; only some policies need to know.
policy = Path(__file__).with_name("policy.yaml")
mix = automix.load_policy(policy, num_classes=10, normalization=((MEAN,), (STD,)))

for epoch in range(EPOCHS):
    mix.set_epoch(epoch)  # names the random streams: an epoch is mixed alike in every run, also in a resumed one
    mix.set_progress(epoch / EPOCHS)  # for the policy's schedule
    model.train()
    losses = []
    for batch in train[torch.randperm(len(train))].split(BATCH_SIZE):
        mixed, targets = mix(images[batch], labels[batch])
        loss = F.cross_entropy(model(mixed), targets)
        # Or in one line, which also serves policies that must see the model:
        # loss = mix.loss(model, images[batch], labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    model.eval()
    with torch.no_grad():
        # prepare() is the policy's input treatment: nothing here, but BC+ for example changes every image.
        logits = model(mix.prepare(images[test]))
    accuracy = (logits.argmax(dim=1) == labels[test]).float().mean().item()
    print(f"epoch {epoch + 1:2d}  train loss {sum(losses) / len(losses):.3f}  test accuracy {accuracy:.3f}")
