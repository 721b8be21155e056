package dev.attune.folder;

import dev.attune.core.InputException;
import dev.attune.store.Initialization;
import dev.attune.store.Layout;
import dev.attune.store.LeadingFactors;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.Map;

/**
 * What initialisations do that take an adapter's first values out of the base: each adapted weight
 * loses them as it is loaded, as in PEFT, which does so when an adapter is begun and again whenever
 * it is opened.
 */
final class AdapterStart {
  private final Parameters parameters;
  private final LoraConfig lora; // null: no adapters
  private final Map<String, float[]> begun = new HashMap<>();

  AdapterStart(Parameters parameters, LoraConfig lora) {
    this.parameters = parameters;
    this.lora = lora;
  }

  /**
   * Checks that every adapted weight has what the initialisation takes.
   *
   * @throws InputException naming one that has not
   */
  static void check(Parameters parameters, LoraConfig lora) {
    if (lora == null || lora.initialization() != Initialization.OLORA) {
      return;
    }
    AdapterStart start = new AdapterStart(parameters, lora);
    for (Segment weight : parameters.segments()) {
      boolean isTransposed = weight.layout() instanceof Layout.Transposed;
      if (isTransposed && start.changes(weight) && weight.shape()[0] != weight.shape()[1]) {
        throw new InputException(
            "init_lora_weights is \"olora\" for "
                + module(weight)
                + ", whose weight is stored (in, out): PEFT decomposes it as it is stored, which"
                + " gives no adapter of it. Take another initialisation");
      }
    }
  }

  /** Whether a weight is to be changed when it is loaded. */
  boolean changes(Segment weight) {
    return lora != null
        && lora.initialization().changesBase()
        && weight.name().endsWith(".weight")
        && parameters.segment(module(weight) + LoraConfig.DOWN) != null;
  }

  private static String module(Segment weight) {
    return weight.name().substring(0, weight.name().length() - ".weight".length());
  }

  /**
   * Takes the first values of its adapter out of a weight.
   *
   * @param folder its values in the order of the folder; changed
   */
  void take(Segment weight, FloatBuffer folder) {
    String module = module(weight);
    int R = lora.rank(module);
    double scale = lora.scale(module);
    float[] values = new float[folder.remaining()];
    boolean isOlora = lora.initialization() == Initialization.OLORA;
    boolean isTransposed = weight.layout() instanceof Layout.Transposed;
    // PEFT takes the QR decomposition of what is stored, the singular values of (out, in).
    boolean inFolderOrder = isOlora && isTransposed;
    if (inFolderOrder) {
      folder.duplicate().get(values);
    } else {
      weight.layout().toStore(folder.duplicate(), FloatBuffer.wrap(values));
    }
    int cols = (int) (isTransposed && !isOlora ? weight.shape()[0] : weight.shape()[1]);
    int rows = values.length / cols;
    LeadingFactors factors =
        isOlora
            ? LeadingFactors.qr(values, rows, cols, R)
            : LeadingFactors.singular(values, rows, cols, R);
    double each = isOlora ? 1 : 1 / Math.sqrt(scale);
    factors.subtractFrom(values, isOlora ? scale : 1);
    begun.put(module + LoraConfig.UP, factors.up(each));
    begun.put(module + LoraConfig.DOWN, factors.down(each));
    if (inFolderOrder) {
      folder.duplicate().put(values);
    } else {
      weight.layout().toFolder(FloatBuffer.wrap(values), folder.duplicate());
    }
  }

  /** Writes what a tensor of an adapter begins with; false where it is drawn instead. */
  boolean fill(Segment adapter) {
    float[] values = begun.remove(adapter.name());
    if (values == null) {
      return false;
    }
    FloatBuffer inStore = FloatBuffer.wrap(values);
    parameters.write(
        adapter, (first, piece) -> piece.put(inStore.slice((int) first, piece.remaining())));
    return true;
  }
}
