package dev.attune.train;

import dev.attune.batch.Batch;
import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.model.Inputs;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;

/**
 * Forward and backward of batches whose sequences the model reads piece by piece, though the loss
 * is one of the whole: the vectors of all sequences first, without keeping what made them; then the
 * loss and its gradient by them; then each piece again, backward from its part of that gradient
 * (GradCache, Gao et al. 2021). Memory is that of a piece, the numbers are those of the whole. Each
 * piece has random streams of its own, the same both times.
 */
final class PiecewiseWork implements AutoCloseable {
  private final TrainingParts parts;
  private final Backend backend;
  private final int pieceSequences;
  private final int maxPieces;
  private final Staging staging; // of a piece: that of the whole batch keeps its targets
  private final Buffer vectors; // (sequences,C) f32: vectors, then their gradients
  private final Batch piece = new Batch();

  /**
   * @param pieceExamples whose sequences the model reads at a time
   */
  PiecewiseWork(TrainingParts parts, int pieceExamples, int columns) {
    this.parts = parts;
    this.backend = parts.parameters().backend();
    this.pieceSequences = Math.multiplyExact(pieceExamples, columns);
    this.maxPieces = (parts.maxSequences() + pieceSequences - 1) / pieceSequences;
    this.staging = new Staging(backend);
    this.vectors =
        Buffer.allocate(
            backend,
            (long) parts.maxSequences() * parts.model().width() * Float.BYTES,
            false,
            "the vectors of a batch");
  }

  /** Whether a batch is more than one piece. */
  boolean isFor(Batch batch) {
    return batch.sequences() > pieceSequences;
  }

  /**
   * @param whole with the batch staged in it
   */
  RecordedWork.Work run(Batch batch, long microStep, Staging whole) {
    Tape tape = parts.tape();
    long flops = 0;
    for (int first = 0; first < batch.sequences(); first += pieceSequences) {
      Tensor output = forward(batch, first, microStep);
      long at = vectors.address() + first * output.cols() * Float.BYTES;
      backend.run(new CopyCall(at, output.address(), output.sizeBytes()));
    }
    tape.begin(true);
    long C = parts.model().width();
    Tensor all = tape.tensor(batch.sequences(), C, DType.F32, true);
    backend.run(new CopyCall(all.address(), vectors.address(), all.sizeBytes()));
    int losses = parts.objective().apply(tape, parts.model(), all, whole);
    backend.run(new StepCall.Watch(whole.losses(), losses));
    tape.backward();
    backend.run(new CopyCall(vectors.address(), all.gradient(), all.sizeBytes()));
    flops += tape.flops();
    for (int first = 0; first < batch.sequences(); first += pieceSequences) {
      Tensor output = forward(batch, first, microStep);
      long at = vectors.address() + first * output.cols() * Float.BYTES;
      backend.run(new CopyCall(tape.gradientOf(output), at, output.sizeBytes()));
      tape.backward();
      flops += tape.flops(); // utilization counts the model's work, not what is done twice
    }
    return new RecordedWork.Work(losses, flops);
  }

  /** The vectors of the piece that begins with a sequence. */
  private Tensor forward(Batch batch, int first, long microStep) {
    int count = Math.min(pieceSequences, batch.sequences() - first);
    piece.slice(batch, first, count);
    Inputs inputs = staging.stage(piece, parts.model().batchRotaries());
    long stream = Philox.stream(microStep * maxPieces + first / pieceSequences, 0);
    backend.run(new StepCall.StreamBase(stream));
    parts.tape().begin(true);
    return parts.model().forward(parts.tape(), inputs);
  }

  @Override
  public void close() {
    staging.close();
    vectors.close();
  }
}
