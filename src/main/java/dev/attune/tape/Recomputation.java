package dev.attune.tape;

import dev.attune.core.Check;
import dev.attune.kernels.calls.CopyCall;
import java.util.function.UnaryOperator;

/**
 * A block of a model of which only the inputs are kept: its forward runs again in backward (Chen et
 * al., Training deep nets with sublinear memory cost, 2016). Dropout draws the same masks again, so
 * the numbers are those without it, bit for bit.
 */
public final class Recomputation implements Node {
  private final Tensor[] inputs;
  private final Tensor[] outputs;
  private final UnaryOperator<Tensor[]> body;
  private final long[] streams;

  private Recomputation(
      Tensor[] inputs, Tensor[] outputs, UnaryOperator<Tensor[]> body, long[] streams) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.body = body;
    this.streams = streams;
  }

  /**
   * Runs a block of the model: in training with {@linkplain Tape#useCheckpoints checkpoints}, so
   * that backward runs it again.
   *
   * @param inputs may hold null; must have no other consumer
   * @param body to be a function of its inputs, parameters and random streams alone
   */
  public static Tensor[] apply(Tape tape, Tensor[] inputs, UnaryOperator<Tensor[]> body) {
    if (!tape.keepsCheckpoints()) {
      return body.apply(inputs);
    }
    long[] streams = tape.streams();
    long mark = tape.arena().mark();
    // Ops may consume their inputs: these get copies, and the tensors themselves are what is kept.
    Tensor[] outputs = tape.withoutRecording(() -> body.apply(copies(tape, inputs)));
    long[] keep = new long[outputs.length];
    for (int i = 0; i < outputs.length; i++) {
      keep[i] = outputs[i].address();
    }
    tape.arena().freeSince(mark, keep);
    tape.record(new Recomputation(inputs, outputs, body, streams));
    return outputs;
  }

  private static Tensor[] copies(Tape tape, Tensor[] inputs) {
    Tensor[] copies = new Tensor[inputs.length];
    for (int i = 0; i < inputs.length; i++) {
      Tensor input = inputs[i];
      if (input != null) {
        copies[i] = tape.tensor(input.rows(), input.cols(), input.dtype(), input.requiresGrad());
        tape.run(new CopyCall(copies[i].address(), input.address(), input.sizeBytes()));
      }
    }
    return copies;
  }

  @Override
  public Tensor out() {
    return outputs[0];
  }

  @Override
  public void backward(Tape tape) {
    Tensor[] copies = copies(tape, inputs);
    tape.replay(
        streams,
        () -> {
          Tensor[] again = body.apply(copies);
          for (int i = 0; i < outputs.length; i++) {
            tape.moveGradient(outputs[i], again[i]);
          }
        });
    for (int i = 0; i < inputs.length; i++) {
      if (inputs[i] == null) {
        continue;
      }
      tape.discard(copies[i]);
      if (copies[i].gradient() != 0) {
        Check.state(inputs[i].gradient() == 0, "an input of a checkpoint has a second consumer");
        tape.moveGradient(copies[i], inputs[i]);
      }
    }
  }

  @Override
  public void release(Tape tape) {
    for (Tensor output : outputs) {
      tape.discard(output);
      tape.dropGradient(output);
    }
  }
}
