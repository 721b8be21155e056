package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.testkit.Goldens;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TextLengthTest {
  private static final int FEW = 2;
  private static final int MOST = 1 << 20;

  /** Hands a tiny model of a family to someone; its config may say something else. */
  private static void with(String family, Consumer<ObjectNode> change, Consumer<Model> user) {
    ObjectNode config = ModelFolder.readConfig(Goldens.own(family));
    change.accept(config);
    try (CpuBackend backend = new CpuBackend(1);
        Model model = Families.create(backend, config, HeadKind.SEQUENCE, FEW, null)) {
      user.accept(model);
    }
  }

  private static String refusal(int length, Model model) {
    InputException e =
        assertThrows(InputException.class, () -> TextLength.asked(length, model), "" + length);
    return RunOption.worded(e.getMessage());
  }

  private static String note(int length, Model model) {
    assertEquals(Optional.empty(), TextLength.note(model.statedLength(), model));
    return RunOption.worded(TextLength.note(length, model).orElseThrow());
  }

  @Test
  void theNoteSaysWhatPositionsLongerTextsHave() {
    with(
        "deberta",
        config -> {},
        model -> {
          assertEquals(1024, TextLength.asked(1024, model));
          String note = note(1024, model);
          assertTrue(note.startsWith("--max-length is 1024, and the model was made for 142"), note);
          assertTrue(note.contains("distances") && !note.contains("rotary"), note);
        });
    with(
        "qwen3",
        config -> {},
        model -> {
          assertEquals(1024, TextLength.asked(1024, model));
          String note = note(1024, model);
          assertTrue(note.contains("rotary") && !note.contains("distances"), note);
        });
  }

  /** By the option's name, before any table of so many rows is asked for. */
  @ParameterizedTest
  @ValueSource(strings = {"qwen3", "deberta"})
  void aLengthThatNoTextHasIsRefused(String family) {
    with(
        family,
        config -> {},
        model -> {
          int stated = model.statedLength();
          for (int length : new int[] {MOST + 1, 2_000_000_000}) {
            String message = refusal(length, model);
            assertTrue(message.startsWith("--max-length is " + length + "; 1 to " + MOST), message);
            assertTrue(message.contains("made for " + stated), message);
          }
          assertEquals(MOST, TextLength.asked(MOST, model));
        });
  }

  /** What a model was made for is never too long for it. */
  @Test
  void aModelThatWasMadeForLongerTextsReadsThem() {
    int far = MOST + 5;
    with(
        "deberta",
        config -> config.put("max_position_embeddings", far),
        model -> {
          assertEquals(far, TextLength.asked(far, model));
          String message = refusal(far + 1, model);
          assertTrue(message.contains("1 to " + far + " tokens"), message);
        });
  }

  @Test
  void whereATableEndsTheRefusalNamesItsEnd() {
    with(
        "bert",
        config -> {},
        model -> {
          String message = refusal(2_000_000_000, model);
          assertTrue(
              message.contains("the model has positions for " + model.statedLength()), message);
        });
  }
}
