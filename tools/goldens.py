"""Files of reference numbers under src/test/resources, kept small (2 MB in all, ResourceSizesTest): gzipped, numbers with 16 bits after the first
one, 8e-6 of each at most; and of matrices of outputs and gradients a weighted sum of each row and of each column, and the largest entry.
A matrix that is wrong somewhere has other sums, at a place that says where. The scripts beside this one write them, testkit's Goldens and
Projection read them."""
import gzip, json, pathlib, shutil, tempfile

PROJECTED = ("grad.", "hidden.", "logits.")


def write_json(path, value, **how):
    write(path, (json.dumps(value, ensure_ascii=False, **how) + "\n").encode())


def write(path, content):
    """Equal contents give equal bytes, whenever they are written."""
    pathlib.Path(f"{path}.gz").write_bytes(gzip.compress(content, 9, mtime=0))


def pack(folder):
    """Gzips the weights that Transformers or PEFT saved in a folder, and takes the white space out of its config."""
    folder = pathlib.Path(folder)
    for file in [*folder.glob("*model.safetensors"), *folder.glob("*model.bin")]:
        write(file, file.read_bytes())
        file.unlink()
    for file in folder.glob("*config.json"):
        write_small(file, json.loads(file.read_text()))


def write_small(path, value):
    """JSON that stays readable as it is."""
    pathlib.Path(path).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def unpacked(folder):
    """A copy of a folder for Transformers and PEFT, with what is gzipped in it as it was."""
    copy = pathlib.Path(tempfile.mkdtemp()) / pathlib.Path(folder).name
    shutil.copytree(folder, copy)
    for file in copy.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
    return copy


def weights(count):
    """From 1 to 1.5, with a sign: a sum shows an entry that is wrong by as much as it is, and entries that changed places."""
    import torch

    bits = (torch.arange(count) + 1) * 40503 & 0xFFFF
    return torch.where(bits & 128 == 0, 1, -1) * (1 + bits.double() / 131072)


def projection(matrix):
    """(rows, cols) to (rows + cols + 1)."""
    import torch

    values = matrix.double()
    return torch.cat([values @ weights(values.shape[1]), weights(values.shape[0]) @ values, values.abs().max()[None]]).float()


def write_tensors(path, tensors, whole=()):
    """whole: names of matrices of which all entries are written."""
    import torch
    from safetensors.torch import save

    out = {}
    for name, tensor in tensors.items():
        is_matrix = name.startswith(PROJECTED) and name not in whole and tensor.dim() == 2 and 2 * sum(tensor.shape) < tensor.numel()
        if is_matrix:
            tensor = projection(tensor)
        if tensor.dtype == torch.float32 and (not is_matrix or name.startswith("grad.")):  # sums of outputs are of more than their tolerance
            tensor = ((tensor.view(torch.int32) + 64) & ~127).view(torch.float32)
        out[name] = tensor.contiguous()
    write(path, save(out))


def read_tensors(path):
    """All but what is compared alone."""
    from safetensors.torch import load

    tensors = load(gzip.decompress(pathlib.Path(f"{path}.gz").read_bytes()))
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(PROJECTED)}
