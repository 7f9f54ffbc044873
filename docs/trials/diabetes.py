import torch


def build():
    network = torch.nn.Sequential(torch.nn.Linear(10, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    network.load_state_dict(torch.load("fetched/diabetes.pt", weights_only=True))
    return network


def mean_error(outputs, labels):
    return abs(outputs[:, 0] - labels).mean()
