"""Files of reference numbers under src/test/resources, kept small: gzipped, and gradients as whole numbers of 16 bits times a
scale of their own (in the file's metadata), which is 1.5e-5 of a tensor's largest entry at most, and other numbers with 16 bits after
the first one, 8e-6 of each at most. The scripts beside this one write
them, testkit's Goldens reads them."""
import gzip, json, pathlib, shutil, tempfile

LARGEST = 32767


def write_json(path, value, **how):
    write(path, (json.dumps(value, ensure_ascii=False, **how) + "\n").encode())


def write(path, content):
    """Equal contents give equal bytes, whenever they are written."""
    pathlib.Path(f"{path}.gz").write_bytes(gzip.compress(content, 9, mtime=0))


def pack(folder):
    """Gzips the weights that Transformers or PEFT saved in a folder."""
    for file in pathlib.Path(folder).glob("*model.safetensors"):
        write(file, file.read_bytes())
        file.unlink()


def unpacked(folder):
    """A copy of a folder for Transformers and PEFT, with what is gzipped in it as it was."""
    copy = pathlib.Path(tempfile.mkdtemp()) / pathlib.Path(folder).name
    shutil.copytree(folder, copy)
    for file in copy.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
    return copy


def write_tensors(path, tensors):
    import torch
    from safetensors.torch import save

    out, scales = {}, {}
    for name, tensor in tensors.items():
        if name.startswith("grad."):
            scale = float(tensor.abs().max()) / LARGEST or 1.0
            scales[name] = repr(scale)
            tensor = (tensor.double() / scale).round().to(torch.int16)
        elif tensor.dtype == torch.float32:
            tensor = ((tensor.view(torch.int32) + 64) & ~127).view(torch.float32)
        out[name] = tensor.contiguous()
    write(path, save(out, metadata=scales))


def read_tensors(path):
    """All but the gradients."""
    from safetensors.torch import load

    tensors = load(gzip.decompress(pathlib.Path(f"{path}.gz").read_bytes()))
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("grad.")}
