package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.task.TaskOptions;
import dev.attune.task.Tasks;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What config.json says of a head and cannot be: refused by the key that says it. */
class HeadRefusalsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path scratch;

  /** A classifier of five labels with other things in its config.json. */
  private ModelFolder folder(String changes) throws IOException {
    Path golden = Goldens.own("bert");
    Path folder = Files.createDirectories(scratch.resolve("folder"));
    Files.copy(golden.resolve("model.safetensors"), folder.resolve("model.safetensors"));
    ObjectNode config = (ObjectNode) Goldens.json(golden.resolve("config.json"));
    config.setAll((ObjectNode) JSON.readTree(changes.replace('\'', '"')));
    Files.writeString(folder.resolve("config.json"), config.toString());
    return ModelFolder.open(folder, null);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{'problem_type': 'ranking'}; 'problem_type' is 'ranking'; regression,",
        "{'problem_type': 'regression', 'id2label': {'0': 'a', '1': 'b'}}; the saved head has 5"
            + " outputs, but 2 labels are named in id2label: ",
        "{'architectures': null}; no name stands in 'architectures', a list; those that can",
        "{'architectures': 'BertForSequenceClassification'}; no name stands in 'architectures', a",
        "{'architectures': ['BertForMultipleChoice']}; 'BertForMultipleChoice' is what is named in",
        "{'id2label': {'0': 'a', '1': 'b', '2': 'a', '3': 'c', '4': 'd'}}; id2label names two"
            + " outputs \"a\"; each needs a name of its own",
        "{'id2label': {'0': 'a', '1': 'b'}}; the saved head has 5 outputs, but 2 labels are named in"
            + " id2label: ",
      })
  void theKeyIsNamed(String changes, String message) throws IOException {
    ModelFolder folder = folder(changes);
    String said =
        assertThrows(InputException.class, () -> Tasks.of(folder, TaskOptions.NONE)).getMessage();
    assertTrue(said.contains(message), said);
  }

  /** One output is a regression where nothing else is said, not where something unknown is. */
  @Test
  void aProblemThatNobodyKnowsIsNoRegression() throws IOException {
    ModelFolder folder = folder("{'problem_type': 'ranking', 'id2label': {'0': 'a'}}");
    assertTrue(
        assertThrows(InputException.class, () -> Tasks.of(folder, TaskOptions.NONE))
            .getMessage()
            .contains("'problem_type' is 'ranking'"));
  }

  @Test
  void aModelTypeThatIsAbsentIsNamed() {
    String said =
        assertThrows(InputException.class, () -> folder("{'model_type': null}")).getMessage();
    assertTrue(said.startsWith("config.json: 'model_type' says nothing, which is not"), said);
  }
}
