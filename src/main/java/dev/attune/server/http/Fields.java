package dev.attune.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * The fields of a JSON object, read one by one. What was read by nobody is refused by {@link
 * #refuseOthers}: nothing that a client asks for is passed over. A field that is null is as one
 * that is absent, as OpenAI's clients send them.
 */
public final class Fields {
  private final ObjectNode json;
  private final String path; // of the object in the body; empty at the top
  private final Set<String> left = new TreeSet<>();

  private Fields(ObjectNode json, String path) {
    this.json = json;
    this.path = path;
    json.fieldNames().forEachRemaining(left::add);
  }

  /** Those of a body. */
  public static Fields of(ObjectNode json) {
    return new Fields(json, "");
  }

  /** All of it, as it came. */
  public ObjectNode json() {
    return json;
  }

  private String named(String name) {
    return path.isEmpty() ? name : path + "." + name;
  }

  /** The value as it is; null where it is absent. */
  public JsonNode any(String name) {
    left.remove(name);
    JsonNode value = json.get(name);
    return value == null || value.isNull() ? null : value;
  }

  /** Whether it is there. */
  public boolean has(String name) {
    JsonNode value = json.get(name);
    return value != null && !value.isNull();
  }

  private ApiException missing(String name) {
    return ApiException.badRequest(named(name), "'" + named(name) + "' is missing");
  }

  private ApiException wrong(String name, JsonNode value, String wanted) {
    String text = value.toString();
    return ApiException.badRequest(
        named(name),
        "'"
            + named(name)
            + "' is "
            + (text.length() > 100 ? text.substring(0, 100) + "…" : text)
            + "; it must be "
            + wanted);
  }

  /** A text; null where it is absent. */
  public String text(String name) {
    JsonNode value = any(name);
    if (value == null) {
      return null;
    }
    if (!value.isTextual()) {
      throw wrong(name, value, "a string");
    }
    return value.textValue();
  }

  /** A text that must be there. */
  public String requiredText(String name) {
    String value = text(name);
    if (value == null) {
      throw missing(name);
    }
    return value;
  }

  /** One of some words; the fallback where it is absent. */
  public String word(String name, String fallback, List<String> allowed) {
    String value = text(name);
    if (value != null && !allowed.contains(value)) {
      throw wrong(name, any(name), "one of " + String.join(", ", allowed));
    }
    return value == null ? fallback : value;
  }

  /** A number from least to most; null where it is absent. */
  public Double number(String name, double least, double most) {
    JsonNode value = any(name);
    if (value == null) {
      return null;
    }
    if (!value.isNumber() || !(value.doubleValue() >= least && value.doubleValue() <= most)) {
      throw wrong(name, value, "a number from " + least + " to " + most);
    }
    return value.doubleValue();
  }

  /** A whole number from least to most; null where it is absent. */
  public Long integer(String name, long least, long most) {
    JsonNode value = any(name);
    if (value == null) {
      return null;
    }
    boolean isWhole = value.isIntegralNumber() && value.canConvertToLong();
    if (!isWhole || value.longValue() < least || value.longValue() > most) {
      throw wrong(name, value, "a whole number from " + least + " to " + most);
    }
    return value.longValue();
  }

  /** True or false; the fallback where it is absent. */
  public boolean flag(String name, boolean fallback) {
    JsonNode value = any(name);
    if (value == null) {
      return fallback;
    }
    if (!value.isBoolean()) {
      throw wrong(name, value, "true or false");
    }
    return value.booleanValue();
  }

  /** An object; null where it is absent. The caller refuses what it does not read of it. */
  public Fields object(String name) {
    JsonNode value = any(name);
    if (value == null) {
      return null;
    }
    if (!value.isObject()) {
      throw wrong(name, value, "an object");
    }
    return new Fields((ObjectNode) value, named(name));
  }

  /** An array's elements; null where it is absent. */
  public List<JsonNode> list(String name) {
    JsonNode value = any(name);
    if (value == null) {
      return null;
    }
    if (!value.isArray()) {
      throw wrong(name, value, "an array");
    }
    List<JsonNode> elements = new ArrayList<>();
    value.forEach(elements::add);
    return elements;
  }

  /** An array of texts; null where it is absent. */
  public List<String> textList(String name) {
    List<JsonNode> elements = list(name);
    if (elements == null) {
      return null;
    }
    List<String> texts = new ArrayList<>();
    for (JsonNode element : elements) {
      if (!element.isTextual()) {
        throw wrong(name + "[" + texts.size() + "]", element, "a string");
      }
      texts.add(element.textValue());
    }
    return texts;
  }

  /** An array of whole numbers, each from least to most; null where it is absent. */
  public int[] integers(String name, int least, int most) {
    List<JsonNode> elements = list(name);
    if (elements == null) {
      return null;
    }
    int[] values = new int[elements.size()];
    for (int i = 0; i < values.length; i++) {
      JsonNode element = elements.get(i);
      boolean isWhole = element.isIntegralNumber() && element.canConvertToInt();
      if (!isWhole || element.intValue() < least || element.intValue() > most) {
        throw wrong(name + "[" + i + "]", element, "a whole number from " + least + " to " + most);
      }
      values[i] = element.intValue();
    }
    return values;
  }

  /** An array of numbers, each finite as a float; null where it is absent. */
  public float[] floats(String name) {
    List<JsonNode> elements = list(name);
    if (elements == null) {
      return null;
    }
    float[] values = new float[elements.size()];
    for (int i = 0; i < values.length; i++) {
      JsonNode element = elements.get(i);
      values[i] = (float) element.doubleValue();
      if (!element.isNumber() || !Float.isFinite(values[i])) {
        throw wrong(name + "[" + i + "]", element, "a number that a float of 32 bits holds");
      }
    }
    return values;
  }

  /** An array of objects; null where it is absent. */
  public List<Fields> objects(String name) {
    List<JsonNode> elements = list(name);
    if (elements == null) {
      return null;
    }
    List<Fields> objects = new ArrayList<>();
    for (int i = 0; i < elements.size(); i++) {
      String place = name + "[" + i + "]";
      if (!elements.get(i).isObject()) {
        throw wrong(place, elements.get(i), "an object");
      }
      objects.add(new Fields((ObjectNode) elements.get(i), named(place)));
    }
    return objects;
  }

  /** An object of texts, such as OpenAI's metadata; empty where it is absent. */
  public Map<String, String> texts(String name) {
    Fields fields = object(name);
    if (fields == null) {
      return Map.of();
    }
    Map<String, String> texts = new LinkedHashMap<>();
    fields.json.fieldNames().forEachRemaining(key -> texts.put(key, fields.requiredText(key)));
    return texts;
  }

  /**
   * Refuses what a client asks for and does not get here.
   *
   * @param reason why not
   */
  public void refuse(String name, String reason) {
    if (any(name) != null) {
      throw ApiException.unsupported(
          named(name), "'" + named(name) + "' is not supported: " + reason);
    }
  }

  /** The names of what was not read and is there. */
  public List<String> left() {
    return left.stream().filter(this::has).toList();
  }

  /** Refuses all that was not read. */
  public void refuseOthers() {
    List<String> unknown = left();
    if (!unknown.isEmpty()) {
      throw ApiException.unsupported(
          named(unknown.get(0)),
          "not supported here: "
              + unknown.stream()
                  .map(name -> "'" + named(name) + "'")
                  .collect(Collectors.joining(", ")));
    }
  }
}
