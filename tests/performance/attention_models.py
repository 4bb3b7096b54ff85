#!/usr/bin/env python3
"""Attention alone, softmax(Q K / sqrt(size) + mask) V with the heads side by side before and behind it, as ONNX files to measure with.

    attention_models.py OUT_DIR [NAME ...]

Writes OUT_DIR/NAME.onnx for the names given, or for all: the keys of SHAPES below. Needs onnx and numpy, from PyPI.
"""
import argparse, os

import numpy as np
import onnx

from network_builder import Network

SHAPES = {  # batch, heads, queries, keys, size of a head, causal mask
    "bert_128": (1, 12, 128, 128, 64, False), "vit_197": (1, 12, 197, 197, 64, False), "gpt_512": (1, 12, 512, 512, 64, True),
    "long_1024": (1, 8, 1024, 1024, 64, False), "diffusion_4096": (1, 8, 4096, 4096, 40, False),
    "next_token": (1, 12, 1, 512, 64, False), "window_49": (16, 4, 49, 49, 32, False),
}


def heads_of(net, x, heads):
    batch, tokens, features = x.shape
    return net.transpose(net.reshape(x, batch, tokens, heads, features // heads), 0, 2, 1, 3)


def build(name):
    batch, heads, queries, keys, size, causal = SHAPES[name]
    net = Network(name)
    q, k, v = (heads_of(net, net.input(letter, [batch, tokens, heads * size]), heads)
               for letter, tokens in (("q", queries), ("k", keys), ("v", keys)))
    x = net.op("MatMul", [q, net.transpose(k, 0, 1, 3, 2)], (batch, heads, queries, keys))
    x = net.op("Mul", [x, np.float32(size ** -0.5)], x.shape)
    if causal:
        x = net.op("Add", [x, np.triu(np.full((1, 1, queries, keys), -1e9, np.float32), 1)], x.shape)
    mixed = net.op("MatMul", [net.op("Softmax", [x], x.shape, axis=-1), v], q.shape)
    return net.model(net.reshape(net.transpose(mixed, 0, 2, 1, 3), batch, queries, heads * size))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="OUT_DIR"), parser.add_argument("names", metavar="NAME", nargs="*")
    a = parser.parse_args()
    if unknown := set(a.names) - set(SHAPES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(SHAPES)}")
    os.makedirs(a.folder, exist_ok=True)
    for name in a.names or SHAPES:
        path = os.path.join(a.folder, name + ".onnx")
        onnx.save(build(name), path)
        onnx.checker.check_model(path, full_check=True)
        print(path, flush=True)


if __name__ == "__main__":
    main()
