/**
 * Tensors on disk: names and buffers. Knows no model.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>safetensors first.</b> {@link dev.attune.weights.Safetensors} accepts what the Rust
 *       reference accepts and refuses what it refuses, except that a tensor has at most 64
 *       dimensions (as in PyTorch). Every fault of a file is an {@code InputException}; a fuzz test
 *       holds the readers to that.
 *   <li><b>Files are memory-mapped</b> in windows of 1 GiB. Measured on 128 MiB in the page cache:
 *       11 ms mapped, 19 to 26 ms through {@code FileChannel.read} into a staging buffer. The price
 *       is known: Java 17 unmaps when the collector runs, so Windows keeps a file busy until then;
 *       and a file cut short while it is read surfaces as an {@code InternalError}, which is turned
 *       into an {@code InputException}.
 *   <li><b>Reading widens to f32, writing narrows from f32</b>, and a finite number that would
 *       become infinite is an error, not a saturation. Integer tensors are read on request as
 *       longs, never as floats.
 *   <li><b>pytorch_model.bin is read as data, never executed.</b> Such a file is a pickle: in
 *       Python, loading one runs whatever code its author put inside. {@link
 *       dev.attune.weights.TorchBin} interprets the few opcodes that build numbers, strings, lists
 *       and dictionaries, knows three constructors of tensors by name, and refuses a file that asks
 *       for anything else. libtorch was tried first and left out: its {@code pickle_load} fails on
 *       every dictionary that {@code module.state_dict()} returns (the {@code _metadata} attribute
 *       ends in an internal assert), and needs 2.4 s for 100 MB through the byte-wise vector of the
 *       Java binding. safetensors holds the same numbers, is checked before use and is mapped
 *       instead of parsed: prefer it.
 *   <li><b>ONNX initializers</b> are read by a small bounded wire reader of our own, because the
 *       one model that Maven can deliver comes in that format and a protobuf dependency would be
 *       larger than everything else in this room.
 *   <li><b>The writer is deterministic</b>: tensors lie in the order they were added, the header is
 *       a pure function of them, and data is streamed in chunks, so a model is never held twice.
 * </ul>
 */
package dev.attune.weights;
