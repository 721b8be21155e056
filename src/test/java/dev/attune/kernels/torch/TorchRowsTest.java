package dev.attune.kernels.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.kernels.calls.MeanPoolCall;
import dev.attune.kernels.calls.ZeroRowsCall;
import dev.attune.core.DType;
import org.junit.jupiter.api.Test;

class TorchRowsTest extends TorchTestCase {
  private static final int N = 7;
  private static final int C = 5;

  @Test
  void embeddingAddsUpTheTables() {
    int[] ids = {3, 0, 9, 3, 3, 1, 9};
    int[] positions = {0, 1, 2, 0, 1, 2, 3};
    int[] types = {0, 0, 1, 1, 0, 1, 0};
    double[] word = normal(DType.F32, 10 * C);
    double[] position = normal(DType.F32, 4 * C);
    double[] type = normal(DType.F32, 2 * C);
    for (DType dtype : DTYPES) {
      for (boolean all : new boolean[] {true, false}) {
        double[] out = new double[N * C];
        for (int n = 0; n < N; n++) {
          for (int c = 0; c < C; c++) {
            out[n * C + c] = word[ids[n] * C + c];
            if (all) {
              out[n * C + c] += position[positions[n] * C + c] + type[types[n] * C + c];
            }
          }
        }
        long outAt = poison(dtype, N * C);
        backend.run(new EmbeddingCall.Forward(
            outAt,
            put(DType.F32, word),
            all ? put(DType.F32, position) : 0,
            all ? put(DType.F32, type) : 0,
            put(ids),
            all ? put(positions) : 0,
            all ? put(types) : 0,
            N,
            C,
            10,
            all ? 4 : 0,
            all ? 2 : 0,
            dtype));
        assertClose(dtype, out, get(dtype, outAt, N * C), "out");
      }
    }
  }

  @Test
  void embeddingBackwardAccumulatesEveryRow() {
    int[] ids = {3, 0, 9, 3, 3, 1, 9};
    int[] positions = {0, 1, 2, 0, 1, 2, 3};
    for (DType dtype : DTYPES) {
      double[] dout = normal(dtype, N * C);
      double[] dword = normal(DType.F32, 10 * C);
      double[] dposition = normal(DType.F32, 4 * C);
      long dwordAt = put(DType.F32, dword);
      long dpositionAt = put(DType.F32, dposition);
      for (int n = 0; n < N; n++) {
        for (int c = 0; c < C; c++) {
          dword[ids[n] * C + c] += dout[n * C + c];
          dposition[positions[n] * C + c] += dout[n * C + c];
        }
      }
      backend.run(new EmbeddingCall.Backward(
          dwordAt, dpositionAt, 0, put(dtype, dout), put(ids), put(positions), 0, N, C, dtype));
      assertClose(dword, get(DType.F32, dwordAt, 10 * C), "dword");
      assertClose(dposition, get(DType.F32, dpositionAt, 4 * C), "dposition");
    }
  }

  @Test
  void indexOutsideItsTableIsNamed() {
    long table = put(DType.F32, normal(DType.F32, 4 * C));
    long out = poison(2 * C);
    for (int bad : new int[] {4, -1}) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  backend.run(new EmbeddingCall.Forward(
                      out, table, 0, 0, put(0, bad), 0, 0, 2, C, 4, 0, 0, DType.F32)));
      assertEquals("embeddingForward: ids[1] = " + bad + "; it must be 0..3", e.getMessage());
    }
  }

  @Test
  void zeroRowsLeavesTheOthers() {
    double[] table = normal(DType.F32, 6 * C);
    long at = put(DType.F32, table);
    backend.run(new ZeroRowsCall(at, put(4, 0, 4), 3, C));
    java.util.Arrays.fill(table, 0, C, 0);
    java.util.Arrays.fill(table, 4 * C, 5 * C, 0);
    assertArrayEquals(table, get(DType.F32, at, 6 * C));
  }

  @Test
  void gatherAndItsBackward() {
    int[] rows = {5, 0, 3};
    for (DType dtype : DTYPES) {
      double[] inp = normal(dtype, N * C);
      double[] old = normal(dtype, N * C);
      double[] dout = normal(dtype, rows.length * C);
      double[] out = new double[rows.length * C];
      double[] dinp = new double[N * C];
      for (int m = 0; m < rows.length; m++) {
        for (int c = 0; c < C; c++) {
          out[m * C + c] = inp[rows[m] * C + c];
          dinp[rows[m] * C + c] = dout[m * C + c];
        }
      }
      long outAt = poison(dtype, out.length);
      backend.run(new GatherRowsCall.Forward(outAt, put(dtype, inp), put(rows), rows.length, C, dtype));
      assertArrayEquals(out, get(dtype, outAt, out.length));
      long dinpAt = poison(dtype, N * C);
      backend.run(new GatherRowsCall.Backward(
          dinpAt, put(dtype, dout), put(rows), N, rows.length, C, false, dtype));
      assertArrayEquals(dinp, get(dtype, dinpAt, N * C));
      long sumAt = put(dtype, old);
      backend.run(new GatherRowsCall.Backward(
          sumAt, put(dtype, dout), put(rows), N, rows.length, C, true, dtype));
      assertClose(dtype, add(old, dinp), get(dtype, sumAt, N * C), "accumulated");
      backend.run(new GatherRowsCall.Backward(dinpAt, 0, 0, N, 0, C, false, dtype));
      assertArrayEquals(new double[N * C], get(dtype, dinpAt, N * C));
    }
  }

  @Test
  void meanPoolOfRaggedSequences() {
    int[] cu = {0, 4, 4, 5, 7};
    int B = cu.length - 1;
    for (DType dtype : DTYPES) {
      double[] inp = normal(dtype, N * C);
      double[] dout = normal(dtype, B * C);
      double[] old = normal(dtype, N * C);
      double[] out = new double[B * C];
      double[] dinp = new double[N * C];
      for (int b = 0; b < B; b++) {
        int length = cu[b + 1] - cu[b];
        for (int n = cu[b]; n < cu[b + 1]; n++) {
          for (int c = 0; c < C; c++) {
            out[b * C + c] += inp[n * C + c] / length;
            dinp[n * C + c] = dout[b * C + c] / length;
          }
        }
      }
      long outAt = poison(dtype, B * C);
      backend.run(new MeanPoolCall.Forward(outAt, put(dtype, inp), put(cu), B, C, dtype));
      assertClose(dtype, out, get(dtype, outAt, B * C), "out");
      long dinpAt = poison(dtype, N * C);
      backend.run(new MeanPoolCall.Backward(dinpAt, put(dtype, dout), put(cu), B, C, false, dtype));
      assertClose(dtype, dinp, get(dtype, dinpAt, N * C), "dinp");
      long sumAt = put(dtype, old);
      backend.run(new MeanPoolCall.Backward(sumAt, put(dtype, dout), put(cu), B, C, true, dtype));
      assertClose(dtype, add(old, dinp), get(dtype, sumAt, N * C), "accumulated");
    }
  }
}
