"""The networks where torch is all that is installed: built, run, converted, their weights read.

A script: `python torch_alone.py` in an environment that has nothing but torch and co3d-bench itself. With `--hide` it
runs in any: what torch does not need cannot be imported then.
"""

import sys

# What torch brings along, some of it on some machines only.
OF_TORCH = (
    *("torch", "torchgen", "functorch", "triton", "nvidia", "cuda", "typing_extensions", "filelock", "fsspec"),
    *("sympy", "mpmath", "networkx", "jinja2", "markupsafe", "setuptools", "pkg_resources", "cython_runtime"),
)


def of_others(module):
    """Whether that is neither Python's own, nor torch's, nor of the networks."""
    if module.startswith("co3d_bench."):
        return not f"{module}.".startswith("co3d_bench.models.")
    top = module.partition(".")[0]  # with a line in front: Python's own, such as _sysconfigdata_...
    return not top.startswith("_") and top not in (*sys.stdlib_module_names, *OF_TORCH, "co3d_bench")


class Hide:
    """Stands in for the finders of modules, and finds none of others: neither their modules nor what is installed."""

    def __init__(self, finders):
        self.finders = finders

    def find_spec(self, name, path=None, target=None):
        if of_others(name):
            return None
        return next((spec for each in self.finders if (spec := each.find_spec(name, path, target))), None)

    def find_distributions(self, context=None):
        return iter(())


def networks():
    """A network of each family built, one run frame by frame with its weights, a regular one converted."""
    import torch
    from torch import nn

    import co3d_bench
    from co3d_bench.models.continual import convert
    from co3d_bench.models.zoo import families

    built = [family.listed[0].build() for family in families()]
    with torch.inference_mode():
        net = co3d_bench.model("demo-cox3d-16", weights="auto")
        clip = torch.randn(1, *net.input_shape[:1], net.receptive_field, *net.input_shape[1:])
        answers, _ = net.steps(clip, net.initial_state(1))
        torch.testing.assert_close(answers[..., -1], net(clip), rtol=1e-4, atol=1e-5)
        regular = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
        converted = convert(regular.eval(), input_shape=(3, 4, 8, 8))
        answer, _ = converted.step(torch.randn(1, 3, 8, 8), converted.initial_state(1))
    print(f"{len(built)} networks, {len(answers[0, 0])} frames, {tuple(answer.shape)}, {converted.conversion.proof}")


if __name__ == "__main__":
    if "--hide" in sys.argv[1:]:
        sys.meta_path[:] = [Hide(tuple(sys.meta_path))]
    networks()
    if found := sorted(filter(of_others, sys.modules)):
        sys.exit(f"loaded beside torch: {', '.join(found)}")
