"""NICE in JAX, compiled: jax_nice.py FOLDER. The state is donated, so that updates are made in place."""
import sys
from functools import partial

import jax
import jax.numpy as jnp
from safetensors.numpy import load_file

from serve import serve

COUPLINGS, LAYERS = 4, 6
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.99, 1e-4


def network(parameters, name, h):
    for layer in range(1, LAYERS + 1):
        h = h @ parameters[f"{name}/layer_{layer}/weight"] + parameters[f"{name}/layer_{layer}/bias"]
        if layer < LAYERS:
            h = jax.nn.relu(h)
    return h


def log_likelihood(parameters, x):
    halves = [x[:, ::2], x[:, 1::2]]
    for k in range(COUPLINGS):
        halves[1 - k % 2] += network(parameters, f"coupling_{k + 1}", halves[k % 2])
    s = parameters["scaling/log_scale"]
    total = s.sum()
    for half, scale in zip(halves, (s[::2], s[1::2])):
        z = half * jnp.exp(scale)
        total -= (jax.nn.softplus(z) + jax.nn.softplus(-z)).sum(1)
    return total


@partial(jax.jit, donate_argnums=0)
def step(state, x):
    parameters, m, v, t = state
    mean = lambda p: -log_likelihood(p, x).mean()
    loss, gradient = jax.value_and_grad(mean)(parameters)
    t = t + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradient)
    move = lambda p, m, v: p - RATE * (m / (1 - BETA1**t)) / (jnp.sqrt(v / (1 - BETA2**t)) + EPSILON)
    return (jax.tree.map(move, parameters, m, v), m, v, t), -loss


class Jax:
    def __init__(self, folder):
        self.start = load_file(f"{folder}/problem.safetensors")
        x, scoring = self.start.pop("x"), self.start.pop("scoring")
        self.x = [jnp.asarray(batch) for batch in x]
        self.scoring = jnp.asarray(scoring)
        self.scores = jax.jit(log_likelihood)
        self.reset()

    def reset(self):
        parameters = {name: jnp.array(value) for name, value in self.start.items()}
        zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
        self.state = (parameters, zeros(), zeros(), jnp.float32(0))

    def check(self):
        self.reset()
        mean = float(self.scores(self.state[0], self.x[0]).mean())
        losses = []
        for x in self.x:
            self.state, loss = step(self.state, x)
            losses.append(float(loss))
        return {"logLikelihood": mean, "losses": losses}

    def train(self, steps):
        for k in range(steps):
            self.state, loss = step(self.state, self.x[k % len(self.x)])
        loss.block_until_ready()

    def score(self, batches):
        for _ in range(batches):
            self.scores(self.state[0], self.scoring).block_until_ready()


serve(Jax(sys.argv[1]))
