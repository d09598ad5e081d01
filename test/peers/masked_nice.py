"""PyTorch's masked form of NICE, the modules named as its reproductions name them.
masked_nice.py train FOLDER                  an epoch over FOLDER/problem.safetensors; writes trained.pt, and what it scores and draws
masked_nice.py draw FOLDER C L H             one with C couplings, L linear layers, H hidden units as it starts, in the same way
masked_nice.py load FOLDER FILE C L H relu   what FOLDER/FILE, a state dict, scores and draws; or leaky-relu
"""
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import softplus

DIM = 784


class CouplingLayer(nn.Module):
    def __init__(self, mask, hidden_dim, num_layers, activation):
        super().__init__()
        self.mask = mask
        modules = [nn.Linear(DIM, hidden_dim), activation()]
        for _ in range(num_layers - 2):
            modules += [nn.Linear(hidden_dim, hidden_dim), activation()]
        self.m = nn.Sequential(*modules, nn.Linear(hidden_dim, DIM))

    def forward(self, x, sign=1):
        x1, x2 = self.mask * x, (1 - self.mask) * x
        return x1 + x2 + sign * self.m(x1) * (1 - self.mask)


class ScalingLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_scale_vector = nn.Parameter(torch.randn(1, DIM))


class NICE(nn.Module):
    def __init__(self, couplings=3, layers=4, hidden=100, activation="leaky-relu"):
        super().__init__()
        kind = nn.ReLU if activation == "relu" else lambda: nn.LeakyReLU(0.2)
        self.coupling_layers = nn.ModuleList(
            CouplingLayer(self.mask(i % 2 == 0), int(hidden), int(layers), kind) for i in range(int(couplings))
        )
        self.scaling_layer = ScalingLayer()

    @staticmethod
    def mask(flipped):
        mask = torch.zeros(DIM)
        mask[::2] = 1
        return 1 - mask if flipped else mask

    def log_likelihood(self, x):
        for layer in self.coupling_layers:
            x = layer(x)
        s = self.scaling_layer.log_scale_vector
        z = x * s.exp()
        return s.sum() - (softplus(z) + softplus(-z)).sum(1)

    def inverse(self, z):
        x = z * (-self.scaling_layer.log_scale_vector).exp()
        for layer in reversed(self.coupling_layers):
            x = layer(x, -1)
        return x


def fit(model, pixels):
    """An epoch as the masked form's script has it: noise shared by a batch, and clamped."""
    adam = torch.optim.Adam(model.parameters())
    for batch in pixels[torch.randperm(len(pixels))].split(256):
        x = torch.clamp(batch / 255 + torch.rand(DIM) / 256, 0, 1)
        loss = -model.log_likelihood(x).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()


def main(what, folder, *words):
    torch.manual_seed(0)
    # Products are small: threads would wait for one another longer than they compute.
    torch.set_num_threads(1)
    problem = load_file(f"{folder}/problem.safetensors")
    if what == "load":
        file, *sizes = words
        model = NICE(*sizes)
        model.load_state_dict(load_file(f"{folder}/{file}"), strict=True)
    else:
        model = NICE(*words)
    if what == "train":
        fit(model, problem["pixels"])
    if what != "load":
        torch.save(model.state_dict(), f"{folder}/{what}.pt")
    with torch.inference_mode():
        answers = {"log_likelihood": model.log_likelihood(problem["x"]), "samples": model.inverse(problem["z"])}
    save_file({name: value.contiguous() for name, value in answers.items()}, f"{folder}/{what}-answers.safetensors")


main(*sys.argv[1:])
