"""demo: the whole way on the bundled sample shot, compared with the truth"""


def add_arguments(p):
    pass


def run(a):
    return 0
