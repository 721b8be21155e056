package dev.attune.folder;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.attune.core.InputException;

/**
 * What training left in attune.json, checked as it is read: people edit the file, and a value that
 * is not what it should be must not become a default without a word.
 */
public final class SavedSettings {
  /** Of a model that was trained elsewhere. */
  public static final SavedSettings NONE = new SavedSettings(MissingNode.getInstance());

  private final JsonNode json;

  /** Of a file, or of a part of it. */
  public SavedSettings(JsonNode json) {
    this.json = json;
  }

  /** A whole number. */
  public int integer(String name, int least, int ifAbsent) {
    JsonNode value = json.path(name);
    if (value.isMissingNode()) {
      return ifAbsent;
    }
    if (!value.isInt() || value.intValue() < least) {
      throw wrong(name, value, "a whole number of at least " + least);
    }
    return value.intValue();
  }

  /** Any finite number. */
  public double number(String name, double ifAbsent) {
    JsonNode value = json.path(name);
    if (value.isMissingNode()) {
      return ifAbsent;
    }
    if (!value.isNumber() || !Double.isFinite(value.doubleValue())) {
      throw wrong(name, value, "a number");
    }
    return value.doubleValue();
  }

  /** A number from 0 to 1. */
  public double share(String name, double ifAbsent) {
    if (json.path(name).isMissingNode()) {
      return ifAbsent;
    }
    double value = number(name, ifAbsent);
    if (!(value >= 0 && value <= 1)) {
      throw wrong(name, json.path(name), "from 0 to 1");
    }
    return value;
  }

  /** True or false. */
  public boolean flag(String name, boolean ifAbsent) {
    JsonNode value = json.path(name);
    if (value.isMissingNode()) {
      return ifAbsent;
    }
    if (!value.isBoolean()) {
      throw wrong(name, value, "true or false");
    }
    return value.booleanValue();
  }

  /** The settings under a name; none where it is absent. */
  public SavedSettings under(String name) {
    JsonNode value = json.path(name);
    if (!value.isMissingNode() && !value.isObject()) {
      throw wrong(name, value, "an object");
    }
    return new SavedSettings(value);
  }

  private static InputException wrong(String name, JsonNode value, String wanted) {
    return new InputException("attune.json: " + name + " is " + value + "; it must be " + wanted);
  }
}
