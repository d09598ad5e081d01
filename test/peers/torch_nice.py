"""NICE in PyTorch: torch_nice.py half|masked cpu|cuda FOLDER. Networks of half the width, or full-width ones between masks; they compute the same."""
import sys

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import softplus

from serve import serve

COUPLINGS, HIDDEN, WIDTH, DIM = 4, 5, 1000, 784


def network(inputs, outputs):
    layers, size = [], inputs
    for _ in range(HIDDEN):
        layers += [nn.Linear(size, WIDTH), nn.ReLU()]
        size = WIDTH
    return nn.Sequential(*layers, nn.Linear(size, outputs))


class Half(nn.Module):
    def __init__(self):
        super().__init__()
        self.networks = nn.ModuleList(network(DIM // 2, DIM // 2) for _ in range(COUPLINGS))
        self.log_scale = nn.Parameter(torch.zeros(DIM))

    def forward(self, x):
        halves = [x[:, ::2], x[:, 1::2]]
        for k, m in enumerate(self.networks):
            halves[1 - k % 2] = halves[1 - k % 2] + m(halves[k % 2])
        return torch.stack(halves, 2).flatten(1) * self.log_scale.exp()

    def place(self, k, layer, weight, bias):
        linear = self.networks[k][2 * layer]
        linear.weight.copy_(weight.T)
        linear.bias.copy_(bias)


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.networks = nn.ModuleList(network(DIM, DIM) for _ in range(COUPLINGS))
        self.log_scale = nn.Parameter(torch.zeros(1, DIM))
        mask = torch.zeros(DIM)
        mask[::2] = 1
        self.register_buffer("masks", torch.stack([mask if k % 2 == 0 else 1 - mask for k in range(COUPLINGS)]))

    def forward(self, x):
        for mask, m in zip(self.masks, self.networks):
            passes = mask * x
            x = passes + (1 - mask) * (x + m(passes))
        return x * self.log_scale.exp()

    def place(self, k, layer, weight, bias):
        """What the masks silence stays at zero."""
        linear = self.networks[k][2 * layer]
        linear.weight.zero_()
        linear.bias.zero_()
        passes, moves = slice(k % 2, None, 2), slice(1 - k % 2, None, 2)
        if layer == 0:
            linear.weight[:, passes] = weight.T
        elif layer == HIDDEN:
            linear.weight[moves] = weight.T
        else:
            linear.weight.copy_(weight.T)
        if layer == HIDDEN:
            linear.bias[moves] = bias
        else:
            linear.bias.copy_(bias)


class Torch:
    def __init__(self, form, device, folder):
        self.wait = torch.cuda.synchronize if device == "cuda" else lambda: None
        self.start = load_file(f"{folder}/problem.safetensors", device)
        self.x, self.scoring = self.start.pop("x"), self.start.pop("scoring")
        self.model = {"half": Half, "masked": Masked}[form]().to(device)
        self.reset()

    @torch.no_grad()
    def reset(self):
        for k in range(COUPLINGS):
            for layer in range(HIDDEN + 1):
                name = f"coupling_{k + 1}/layer_{layer + 1}"
                self.model.place(k, layer, self.start[f"{name}/weight"], self.start[f"{name}/bias"])
        self.model.log_scale.copy_(self.start["scaling/log_scale"].reshape(self.model.log_scale.shape))
        self.adam = torch.optim.Adam(self.model.parameters(), lr=1e-3, betas=(0.9, 0.99), eps=1e-4, fused=True)

    def log_likelihood(self, x):
        z = self.model(x)
        return self.model.log_scale.sum() - (softplus(z) + softplus(-z)).sum(1)

    def step(self, x):
        self.adam.zero_grad(set_to_none=True)
        loss = -self.log_likelihood(x).mean()
        loss.backward()
        self.adam.step()
        return -loss.detach()

    def check(self):
        self.reset()
        with torch.inference_mode():
            mean = self.log_likelihood(self.x[0]).mean().item()
        return {"logLikelihood": mean, "losses": [self.step(x).item() for x in self.x]}

    def train(self, steps):
        for k in range(steps):
            self.step(self.x[k % len(self.x)])
        self.wait()

    def score(self, batches):
        with torch.inference_mode():
            for _ in range(batches):
                self.log_likelihood(self.scoring)
                self.wait()


serve(Torch(*sys.argv[1:]))
