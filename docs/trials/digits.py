import sys

import torch

sys.path.insert(0, "fetched/digit_recognizer")
from model import CNN


def build():
    network = CNN()
    network.load_state_dict(torch.load("fetched/digit_recognizer/models/handwriting_model.pth", weights_only=True))
    return network
