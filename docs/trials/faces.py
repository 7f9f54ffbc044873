import sys

import torch

sys.path.insert(0, "fetched")
from onet import ONet


def build():
    network = ONet(pretrained=False)
    network.load_state_dict(torch.load("fetched/facenet_pytorch/data/onet.pt", weights_only=True))
    return network
