package dev.attune.ref;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * Moments in blocks of codes, by the definitions: bitsandbytes' {@code create_dynamic_map}, and a
 * search for the nearest value.
 */
public final class AdamW8BitRef {
  public static final int BLOCK = 256;

  private static final double[] SIGNED = dynamicMap(true);
  private static final double[] UNSIGNED = dynamicMap(false);

  private AdamW8BitRef() {}

  /** The values of the 256 codes, ascending. */
  public static double[] dynamicMap(boolean signed) {
    List<Double> values = new ArrayList<>(List.of(0.0, 1.0));
    for (int i = 0; i < 7; i++) {
      int items = (1 << (signed ? i : i + 1)) + 1;
      for (int k = 0; k + 1 < items; k++) {
        double low = 0.1 + 0.9 * k / (items - 1);
        double high = 0.1 + 0.9 * (k + 1) / (items - 1);
        double mean = Math.pow(10, i - 6) * (low + high) / 2;
        values.add(mean);
        if (signed) {
          values.add(-mean);
        }
      }
    }
    Collections.sort(values);
    return values.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /** The moments that codes stand for. */
  public static double[] decode(Precision p, boolean signed, double[] codes, double[] scales) {
    double[] values = new double[codes.length];
    for (int i = 0; i < codes.length; i++) {
      double unit = p.f32((signed ? SIGNED : UNSIGNED)[(int) codes[i]]);
      values[i] = p.f32(unit * scales[i / BLOCK]);
    }
    return values;
  }

  /** The largest magnitude of each block. */
  public static double[] scales(double[] values) {
    double[] scales = new double[(values.length + BLOCK - 1) / BLOCK];
    for (int i = 0; i < values.length; i++) {
      scales[i / BLOCK] = Math.max(scales[i / BLOCK], Math.abs(values[i]));
    }
    return scales;
  }

  /** The nearest codes; without a sign that of 0 for nothing but 0. */
  public static double[] encode(boolean signed, double[] values) {
    double[] scales = scales(values);
    double[] codes = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      double scale = scales[i / BLOCK];
      codes[i] = nearest(signed, scale > 0 ? values[i] / scale : 0);
      if (!signed && values[i] > 0) {
        codes[i] = Math.max(1, codes[i]);
      }
    }
    return codes;
  }

  private static int nearest(boolean signed, double x) {
    double[] map = signed ? SIGNED : UNSIGNED;
    int above = Arrays.binarySearch(map, x);
    above = Math.min(map.length - 1, above < 0 ? -1 - above : above);
    int best = Math.max(0, above - 1);
    if (Math.abs(x - map[above]) < Math.abs(x - map[best])) {
      best = above;
    }
    return best;
  }

  /** Whether another code would be as near but for a thousandth of a bin. */
  public static boolean isUndecided(boolean signed, double value, double scale) {
    if (!(scale > 0)) {
      return false;
    }
    double[] map = signed ? SIGNED : UNSIGNED;
    double x = value / scale;
    int code = nearest(signed, x);
    double own = Math.abs(x - map[code]);
    for (int other : new int[] {code - 1, code + 1}) {
      if (other >= 0 && other < map.length) {
        double width = Math.abs(map[other] - map[code]);
        // The lowest bins meet a fiftieth of their width beside the middle between them.
        double margin = Math.abs(map[other]) < 1e-6 ? 0.05 : 1e-3;
        if (Math.abs(x - map[other]) - own < margin * width) {
          return true;
        }
      }
    }
    return false;
  }
}
