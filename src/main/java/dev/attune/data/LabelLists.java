package dev.attune.data;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** Lists of labels as tools of annotators write them. */
public final class LabelLists {
  private static final String CHOICES = "choices";

  private LabelLists() {}

  /**
   * The list that Label Studio's {@code {"choices": [...]}} holds, or its text; null: it is none.
   */
  static List<?> choices(Object label) {
    Object said =
        label instanceof String text && text.stripLeading().startsWith("{")
            ? CellValue.parse(text)
            : label;
    return said instanceof Map<?, ?> map
            && map.keySet().equals(Set.of(CHOICES))
            && map.get(CHOICES) instanceof List<?> list
        ? list
        : null;
  }

  /**
   * The data with labels in place of lists of one, as doccano writes them; as they are where a row
   * has something else.
   */
  public static Dataset ofOne(Dataset data) {
    boolean areOfOne =
        data.size() > 0
            && data.examples().stream()
                .allMatch(example -> example.labels() != null && example.labels().size() == 1);
    return areOfOne
        ? data.changed(LabelLists::withLabel, "the label of a list of one")
            .with(
                Finding.ofFile(
                    Finding.Severity.NOTE,
                    "label_lists",
                    "every row has a list of one label, which is read as its label"))
        : data;
  }

  private static Example withLabel(Example example) {
    return example.withTargets(example.labels().get(0), null, example.tags());
  }
}
