package dev.attune.server.models;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.folder.ModelFolder;
import java.nio.file.Path;
import java.time.Instant;

/**
 * A model that answers requests.
 *
 * @param id its name to clients: that of a base, or {@code ft:BASE:ORG:SUFFIX:ID}
 * @param tenant whose it is; null: a base, which is everybody's
 * @param base the name of the base that it was tuned from, of an adapter that of the model, or of
 *     the version of one, that it is opened with; null: it is one
 * @param folder a Hugging Face or PEFT folder
 * @param job that made it; null: none
 */
public record ServedModel(
    String id, String tenant, Instant created, String base, Path folder, String job) {
  static final String CHECKPOINT = ":ckpt-step-";
  private static final String TUNED = "ft:";

  /** The name of a checkpoint of the job that made a model. */
  public static String checkpointName(String model, long step) {
    return model + CHECKPOINT + step;
  }

  /** Whether it is a checkpoint of a job. */
  boolean isCheckpoint() {
    return job != null && id.contains(CHECKPOINT);
  }

  /** The base of the server that it comes from in the end: its own name where it is one. */
  public String root() {
    String last = base == null ? id : base;
    String name = last.startsWith(TUNED) ? last.split(":")[1] : last;
    return name.replaceFirst("@v\\d+$", "");
  }

  /**
   * The name of a model that was trained from this one.
   *
   * @param suffix of the client's choice, or nothing
   * @param unique of its own
   */
  public String tunedName(String by, String suffix, String unique) {
    return TUNED + String.join(":", root(), by, suffix, unique);
  }

  /**
   * What a model that was trained from this one is opened with, or else comes from.
   *
   * @param trained its folder
   */
  public String baseOf(Path trained) {
    return ModelFolder.isAdapter(trained) && !ModelFolder.isAdapter(folder)
        ? id
        : base == null ? root() : base;
  }

  /** The same in another folder. */
  ServedModel in(Path other) {
    return new ServedModel(id, tenant, created, base, other, job);
  }

  /** A version of it, which has a name and a folder of its own, and was made by no job. */
  ServedModel version(String name, Path other) {
    return new ServedModel(name, tenant, created, base, other, null);
  }

  /** As OpenAI lists models. */
  public ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "model");
    json.put("created", created.getEpochSecond());
    json.put("owned_by", tenant == null ? "system" : tenant);
    return json;
  }
}
